//! Separate files with the symbols that a distribution has stripped: found by build id
//! or by `.gnu_debuglink`, and taken only if they prove to be of the same build.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::{Component, Path, PathBuf},
};

use object::{ReadCache, ReadRef};

use crate::elf::Image;

/// Where distributions put them.
const DEBUG_ROOT: &str = "usr/lib/debug";

/// Largest file whose checksum is computed.
const MAX_CHECKED_BYTES: u64 = 1 << 30;

/// The file with the symbols of `image`, which process `pid` maps from `path`: looked
/// for in the process' mount namespace, then in ours.
pub(super) fn find<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
    pid: u32,
    path: &Path,
) -> Option<File> {
    let build_id = image.build_id();
    let link = image.debug_link();
    [
        PathBuf::from(format!("/proc/{pid}/root")),
        PathBuf::from("/"),
    ]
    .iter()
    .flat_map(|root| candidates(root, path, build_id.as_deref(), link.map(|(name, _)| name)))
    .find_map(|candidate| {
        let file = open(&candidate)?;
        is_of_build(&file, build_id.as_deref(), link.map(|(_, crc)| crc)).then_some(file)
    })
}

/// The paths that gdb looks at ("Debugging Information in Separate Files").
fn candidates(
    root: &Path,
    path: &Path,
    build_id: Option<&[u8]>,
    link: Option<&[u8]>,
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Some([first, rest @ ..]) = build_id
        && !rest.is_empty()
    {
        let rest: Vec<String> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let rest = rest.concat();
        paths.push(root.join(format!("{DEBUG_ROOT}/.build-id/{first:02x}/{rest}.debug")));
    }
    let folder = path
        .parent()
        .and_then(|folder| folder.strip_prefix("/").ok());
    if let (Some(link), Some(folder)) = (link, folder) {
        let name = Path::new(OsStr::from_bytes(link));
        // A name, not a way to somewhere else.
        let mut parts = name.components();
        if matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        ) {
            paths.push(root.join(folder).join(name));
            paths.push(root.join(folder).join(".debug").join(name));
            paths.push(root.join(DEBUG_ROOT).join(folder).join(name));
        }
    }
    paths
}

fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

fn is_of_build(file: &File, build_id: Option<&[u8]>, crc: Option<u32>) -> bool {
    let same_id = || {
        let wanted = build_id?;
        let cache = ReadCache::new(file.try_clone().ok()?);
        let found = Image::parse(&cache).ok()?.build_id()?;
        Some(found == wanted)
    };
    same_id().unwrap_or_else(|| crc.is_some_and(|wanted| checksum(file) == Some(wanted)))
}

fn checksum(file: &File) -> Option<u32> {
    if file.metadata().ok()?.len() > MAX_CHECKED_BYTES {
        return None;
    }
    let mut hasher = crc32fast::Hasher::new();
    let mut chunk = vec![0; 1 << 16];
    let mut at = 0;
    loop {
        match file.read_at(&mut chunk, at).ok()? {
            0 => return Some(hasher.finalize()),
            bytes => {
                hasher.update(&chunk[..bytes]);
                at += bytes as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_symbols_are_looked_for() {
        let found = candidates(
            Path::new("/r"),
            Path::new("/usr/bin/x"),
            Some(&[0xab, 0xcd, 0x01]),
            Some(b"x.debug"),
        );
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(
            found,
            [
                "/r/usr/lib/debug/.build-id/ab/cd01.debug",
                "/r/usr/bin/x.debug",
                "/r/usr/bin/.debug/x.debug",
                "/r/usr/lib/debug/usr/bin/x.debug"
            ]
        );
        let escape = Some(&b"../../etc/shadow"[..]);
        assert!(candidates(Path::new("/r"), Path::new("/bin/x"), None, escape).is_empty());
    }
}
