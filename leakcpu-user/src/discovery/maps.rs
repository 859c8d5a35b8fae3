//! `/proc/PID/maps`.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

/// A mapping of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// End address, exclusive.
    pub end: u64,
    /// Where in the file it begins.
    pub file_offset: u64,
    /// Device as `maps` prints it, `major:minor` in hex. Some file systems show
    /// another one to `stat`.
    pub device: (u32, u32),
    /// Inode.
    pub inode: u64,
    /// Path as the process' mount namespace names it.
    pub path: OsString,
    /// The file has been removed or replaced since it was mapped.
    pub deleted: bool,
}

/// The executable mappings of files, in address order.
pub(super) fn executable_mappings(maps: &[u8]) -> Vec<Mapping> {
    lines(maps).filter_map(executable_mapping).collect()
}

/// True if `address` is mapped writable, by a file or not.
pub(super) fn is_writable(maps: &[u8], address: u64) -> bool {
    let range = |line: &[u8]| {
        let mut rest = line;
        let (start, end) = next_field(&mut rest)?.split_once('-')?;
        let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        next_field(&mut rest)?.contains('w').then_some(range)
    };
    lines(maps)
        .filter_map(range)
        .any(|range| range.contains(&address))
}

pub(super) fn lines(maps: &[u8]) -> impl Iterator<Item = &[u8]> {
    maps.split(|byte| *byte == b'\n')
}

/// Takes the text up to the next space.
pub(super) fn next_field<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let (field, tail) = rest.split_at(end);
    *rest = tail.trim_ascii_start();
    std::str::from_utf8(field).ok()
}

pub(super) fn executable_mapping(line: &[u8]) -> Option<Mapping> {
    // start-end perms offset major:minor inode   path
    let mut rest = line;
    let mut field = || next_field(&mut rest);
    let (start, end) = field()?.split_once('-')?;
    let permissions = field()?;
    let file_offset = u64::from_str_radix(field()?, 16).ok()?;
    let (major, minor) = field()?.split_once(':')?;
    let inode = field()?.parse().ok()?;
    if !permissions.contains('x') || inode == 0 || !rest.starts_with(b"/") {
        return None;
    }
    let deleted = rest.strip_suffix(b" (deleted)");
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        file_offset,
        device: (
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ),
        inode,
        path: OsString::from_vec(unescape(deleted.unwrap_or(rest))),
        deleted: deleted.is_some(),
    })
}

/// The kernel writes a newline in a path as `\012`; nothing else is escaped.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(byte) = rest.first() {
        if let Some(tail) = rest.strip_prefix(b"\\012") {
            plain.push(b'\n');
            rest = tail;
        } else {
            plain.push(*byte);
            rest = &rest[1..];
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_executable_files() {
        let maps = b"5590b031e000-5590b0320000 r--p 00000000 fe:00 247030                     /usr/bin/cat\n\
            5590b0320000-5590b0325000 r-xp 00002000 fe:00 247030                     /usr/bin/my cat (deleted)\n\
            7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
            7ffe7d3f2000-7ffe7d3f4000 r-xp 00000000 00:00 0                          [vdso]\n\
            7f1000000000-7f1000001000 r-xp 00001000 00:2a 9                          /a\\012b\n";
        let found = executable_mappings(maps);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].path, "/usr/bin/my cat");
        assert!(found[0].deleted);
        assert_eq!(
            (found[0].file_offset, found[0].device, found[0].inode),
            (0x2000, (0xfe, 0), 247_030)
        );
        assert_eq!(found[1].path, "/a\nb");
        assert!(is_writable(maps, 0x7f00_0000_0fff));
        assert!(!is_writable(maps, 0x7f00_0000_1000) && !is_writable(maps, 0x5590_b031_e000));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            executable_mappings(&bytes);
            is_writable(&bytes, 0);
        }
    }
}
