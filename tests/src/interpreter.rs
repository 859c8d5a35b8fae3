//! The interpreters of this host.

use std::{
    collections::BTreeSet,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Minor versions that must be readable.
const SUPPORTED: std::ops::RangeInclusive<u32> = 8..=13;

/// One `CPython` 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The executable, symbolic links resolved.
    pub path: PathBuf,
    /// `11` of 3.11.2.
    pub minor: u32,
    /// `3.11.2`.
    pub version: String,
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.path.display())
    }
}

/// Every interpreter of a supported version, oldest first.
pub fn all() -> Vec<&'static Interpreter> {
    let found: Vec<_> = found()
        .iter()
        .filter(|python| SUPPORTED.contains(&python.minor))
        .collect();
    assert!(
        !found.is_empty(),
        "no CPython 3.8 to 3.13 in $PYENV_ROOT, ~/.pyenv, or on the PATH"
    );
    found
}

/// The oldest supported one.
pub fn oldest() -> &'static Interpreter {
    all()[0]
}

/// The newest supported one.
pub fn newest() -> &'static Interpreter {
    all()[all().len() - 1]
}

/// Those newer than any supported version.
pub fn newer() -> Vec<&'static Interpreter> {
    found()
        .iter()
        .filter(|python| python.minor > *SUPPORTED.end())
        .collect()
}

fn found() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut paths = BTreeSet::new();
        for folder in folders() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let is_python = entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.strip_prefix("python3."))
                    .is_some_and(|minor| minor.parse::<u32>().is_ok());
                if is_python && let Ok(path) = entry.path().canonicalize() {
                    paths.insert(path);
                }
            }
        }
        let mut found: Vec<Interpreter> = paths.into_iter().filter_map(|p| ask(&p)).collect();
        found.sort_by(|a, b| (a.minor, &a.path).cmp(&(b.minor, &b.path)));
        found
    })
}

/// Folders that may hold `python3.N`.
fn folders() -> Vec<PathBuf> {
    let on_path: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let mut roots: Vec<PathBuf> = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    roots.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    // Under sudo both may be root's; the caller's shims are still on the PATH.
    roots.extend(
        on_path
            .iter()
            .filter_map(|p| p.parent())
            .map(Path::to_owned),
    );
    let mut folders: Vec<PathBuf> = roots
        .iter()
        .filter_map(|root| fs::read_dir(root.join("versions")).ok())
        .flat_map(Iterator::flatten)
        .map(|version| version.path().join("bin"))
        .collect();
    folders.push(PathBuf::from("/usr/bin"));
    folders.push(PathBuf::from("/usr/local/bin"));
    folders
}

fn ask(path: &Path) -> Option<Interpreter> {
    const SAY: &str =
        "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])";
    let output = Command::new(path).args(["-c", SAY]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let version = said.trim().strip_prefix("cpython 3.")?;
    Some(Interpreter {
        path: path.to_owned(),
        minor: version.split('.').next()?.parse().ok()?,
        version: format!("3.{version}"),
    })
}
