//! The place an interpreter runs in: this host, a root file system, a container.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where an interpreter runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Started directly.
    Host,
    /// In this root file system, by chroot.
    Root(PathBuf),
    /// In a root file system, with mount and pid namespaces of its own.
    Container(Image),
}

/// What a container's root file system is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// This root file system.
    Root(PathBuf),
    /// The host's, with this folder as `/opt`.
    Prefix(PathBuf),
}

/// Enters a root and becomes a program in it: `enter ROOT PREFIX SCRIPTS TEMP WORD...`.
/// Runs in a mount namespace of its own, so every mount goes when the program ends,
/// however that is. With a PREFIX the root is the host's own, put together at ROOT.
const ENTER: &str = r#"
root=$1 prefix=$2 scripts=$3 temp=$4
shift 4
if [ -n "$prefix" ]; then
    mkdir -p "$root"
    mount --rbind / "$root"
    mount --bind "$prefix" "$root/opt"
fi
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root$temp"
mount --bind "$temp" "$root$temp"
mount --bind "$scripts" "$root/mnt"
exec chroot "$root" "$@"
"#;

/// Where a root sees the folder of the scripts.
const SCRIPTS: &str = "/mnt";

impl Place {
    /// The words before those of the program. The temporary folder is the same inside.
    pub(super) fn enter(&self, scripts: &Path) -> Vec<OsString> {
        let temp = std::env::temp_dir();
        let (namespaces, root, prefix): (&[&str], _, _) = match self {
            Self::Host => return Vec::new(),
            Self::Root(root) => (&["--mount"], root.clone(), PathBuf::new()),
            Self::Container(image) => {
                let (root, prefix) = match image {
                    Image::Root(root) => (root.clone(), PathBuf::new()),
                    Image::Prefix(prefix) => (temp.join("pyobserve-container"), prefix.clone()),
                };
                (
                    &["--mount", "--pid", "--fork", "--kill-child"],
                    root,
                    prefix,
                )
            }
        };
        let mut words = vec![OsString::from("unshare")];
        words.extend(namespaces.iter().map(OsString::from));
        words.extend(["sh", "-ec", ENTER, "enter"].map(OsString::from));
        words.extend([root, prefix, scripts.to_owned(), temp].map(OsString::from));
        words
    }

    /// The folder of the scripts as a program sees it that was entered with it.
    pub(super) fn scripts(&self, scripts: &Path) -> PathBuf {
        match self {
            Self::Host => scripts.to_owned(),
            Self::Root(_) | Self::Container(_) => SCRIPTS.into(),
        }
    }

    /// A path in here as this process sees it.
    pub fn seen_from_here(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        match self {
            // The temporary folder is the same inside.
            _ if path.starts_with(std::env::temp_dir()) => path.to_owned(),
            Self::Host => path.to_owned(),
            Self::Root(root) | Self::Container(Image::Root(root)) => root.join(inside),
            Self::Container(Image::Prefix(prefix)) => prefix.join(
                path.strip_prefix("/opt")
                    .expect("only what is in /opt is run"),
            ),
        }
    }
}
