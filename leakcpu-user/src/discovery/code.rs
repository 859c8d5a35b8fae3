//! What code a process has mapped: every executable range, by a file or not.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    ops::Range,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    DiscoveryError, Mapping,
    binary::open_mapped,
    maps::{executable_mapping, lines, next_field},
    procfile,
};

/// What is behind an executable range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// A file.
    File(Arc<Mapping>),
    /// The kernel's own: `[vdso]`, `[vsyscall]`, and what it lays beside probes (`[uprobes]`).
    Kernel(Arc<str>),
    /// Memory of the process that no file is behind: made at run time.
    Anonymous,
}

/// An executable range of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRange {
    /// Addresses.
    pub range: Range<u64>,
    /// What is behind it.
    pub backing: Backing,
}

/// The executable ranges of `pid`, in address order; none if it has just ended.
pub fn code_ranges(pid: u32) -> Result<Vec<CodeRange>, DiscoveryError> {
    let maps = procfile::read(pid, "maps")?;
    Ok(lines(&maps).filter_map(code_range).collect())
}

/// Whether `pid` has code in memory that no file is behind, as a JIT makes it; not if that is not
/// known.
pub fn has_made_code(pid: u32) -> bool {
    let made = |range: &CodeRange| range.backing == Backing::Anonymous;
    code_ranges(pid).is_ok_and(|ranges| ranges.iter().any(made))
}

/// Names that shared memory without a file of its own has: the kernel's shared anonymous
/// mappings (`mm/shmem.c`), memfds, System V segments, huge pages.
const NAMED_MEMORY: [&[u8]; 4] = [b"/dev/zero", b"/memfd:", b"/SYSV", b"/anon_hugepage"];

fn is_memory(mapping: &Mapping) -> bool {
    let path = mapping.path.as_bytes();
    mapping.deleted && NAMED_MEMORY.iter().any(|name| path.starts_with(name))
}

fn code_range(line: &[u8]) -> Option<CodeRange> {
    if let Some(mapping) = executable_mapping(line) {
        if is_memory(&mapping) {
            return Some(CodeRange {
                range: mapping.start..mapping.end,
                backing: Backing::Anonymous,
            });
        }
        return Some(CodeRange {
            range: mapping.start..mapping.end,
            backing: Backing::File(Arc::new(mapping)),
        });
    }
    // start-end perms offset major:minor inode   [name]
    let mut rest = line;
    let (start, end) = next_field(&mut rest)?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    if !next_field(&mut rest)?.contains('x') {
        return None;
    }
    for _ in 0..3 {
        next_field(&mut rest)?;
    }
    let backing = match rest {
        b"[vdso]" | b"[vsyscall]" => Backing::Kernel(String::from_utf8_lossy(rest).into()),
        name if name.starts_with(b"[uprobes") => {
            Backing::Kernel(String::from_utf8_lossy(name).into())
        }
        _ => Backing::Anonymous,
    };
    Some(CodeRange { range, backing })
}

/// Opens the file that `mapping` of process `pid` maps, also if it has been removed.
/// It need not be a regular file, nor an ELF file.
pub fn open_code(pid: u32, mapping: &Mapping) -> io::Result<File> {
    open_mapped(pid, mapping)
}

/// Largest perf map that is read; a line is some 60 bytes.
const MAX_PERF_MAP_BYTES: u64 = 64 << 20;

/// The names that a process publishes of code it has made at run time
/// (`/tmp/perf-PID.map`, in its own mount and pid namespaces); `None` if it does not.
/// `ns_pid` is its own idea of its process id.
pub fn perf_map(pid: u32, ns_pid: u32) -> Option<Vec<u8>> {
    let name = format!("perf-{ns_pid}.map");
    let inside = PathBuf::from(format!("/proc/{pid}/root/tmp")).join(&name);
    // A process that has ended leaves its file behind.
    [inside, Path::new("/tmp").join(&name)]
        .iter()
        .find_map(|path| read_regular(path, MAX_PERF_MAP_BYTES))
}

fn read_regular(path: &Path, limit: u64) -> Option<Vec<u8>> {
    // Another process chooses what is there: no FIFO may hold us up, no link lead us
    // to a file of the host.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW)
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_code() {
        let maps = b"5590b0320000-5590b0325000 r-xp 00002000 fe:00 247030                     /usr/bin/cat\n\
            5590b0325000-5590b0326000 r--p 00002000 fe:00 247030                     /usr/bin/cat\n\
            7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n\
            7f0000001000-7f0000002000 rwxs 00000000 00:01 1024                       /dev/zero (deleted)\n\
            7f0000002000-7f0000003000 rwxp 00000000 00:00 0                          [heap]\n\
            7ffe7d3f2000-7ffe7d3f4000 r-xp 00000000 00:00 0                          [vdso]\n";
        let found: Vec<CodeRange> = lines(maps).filter_map(code_range).collect();
        assert_eq!(found.len(), 5);
        assert!(matches!(&found[0].backing, Backing::File(m) if m.file_offset == 0x2000));
        assert_eq!(found[1].backing, Backing::Anonymous);
        assert_eq!(found[2].backing, Backing::Anonymous);
        assert_eq!(found[3].backing, Backing::Anonymous);
        assert_eq!(found[4].backing, Backing::Kernel("[vdso]".into()));
        assert_eq!(found[4].range, 0x7ffe_7d3f_2000..0x7ffe_7d3f_4000);
    }

    #[test]
    fn our_own_code_is_found_and_opened() {
        let here = our_own_code_is_found_and_opened as *const () as u64;
        let pid = std::process::id();
        let ranges = code_ranges(pid).unwrap();
        let own = ranges.iter().find(|range| range.range.contains(&here));
        let Some(Backing::File(mapping)) = own.map(|range| &range.backing) else {
            panic!("{here:x} is not among {ranges:?}");
        };
        assert_eq!(mapping.path, std::env::current_exe().unwrap().as_os_str());
        assert!(
            open_code(pid, mapping)
                .unwrap()
                .metadata()
                .unwrap()
                .is_file()
        );
    }
}
