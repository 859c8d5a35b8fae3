//! Who holds the file locks that others wait for: `/proc/locks`.
//!
//! The kernel lists a lock of `flock` or `fcntl` with the process that took it, and below it
//! those that wait, with the same number and an arrow (`lock_get_status` in `fs/locks.c`).

use std::{fs, os::unix::fs::MetadataExt as _};

use super::{DiscoveryError, comm, procfile};

/// A process that took a lock on a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLockHolder {
    /// Its pid as this process sees it. It took the lock; a child that has inherited the
    /// descriptor may hold it by now.
    pub pid: u32,
    /// The kernel's name for it; `None` if it has ended.
    pub name: Option<String>,
}

/// One line of `/proc/locks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    number: u64,
    is_waiting: bool,
    /// Negative for locks of an open file, which no process owns; 0 outside the reader's
    /// pid namespace.
    pid: i64,
    inode: u64,
}

/// The holder of the lock for which process `pid` waits at its descriptor `fd`; `None` if
/// that cannot be told from other locks that it waits for, or is not listed.
pub fn file_lock_holder(pid: u32, fd: i32) -> Result<Option<FileLockHolder>, DiscoveryError> {
    let path = "/proc/locks";
    let text = fs::read_to_string(path).map_err(|error| DiscoveryError::Io {
        path: path.to_owned(),
        error,
    })?;
    // The device is left out: file systems with volumes show another one here.
    let inode = fs::metadata(procfile::path(pid, &format!("fd/{fd}")))
        .ok()
        .map(|metadata| metadata.ino());
    let entries: Vec<Entry> = text.lines().filter_map(parse).collect();
    let holder = holder(&entries, pid, inode);
    Ok(holder.map(|pid| FileLockHolder {
        pid,
        name: comm(pid).ok(),
    }))
}

fn holder(entries: &[Entry], pid: u32, inode: Option<u64>) -> Option<u32> {
    let mut waits = entries.iter().filter(|entry| {
        entry.is_waiting && entry.pid == i64::from(pid) && inode == Some(entry.inode)
    });
    let wait = waits.next()?;
    if waits.any(|other| other.number != wait.number) {
        return None;
    }
    let mut held = entries
        .iter()
        .filter(|entry| !entry.is_waiting && entry.number == wait.number);
    u32::try_from(held.next()?.pid)
        .ok()
        .filter(|holder| *holder != 0)
}

fn parse(line: &str) -> Option<Entry> {
    let (number, rest) = line.split_once(':')?;
    let rest = rest.trim_start();
    let (is_waiting, rest) = match rest.strip_prefix("->") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    // Type, whether it is mandatory, and mode come first.
    let mut words = rest.split_ascii_whitespace().skip(3);
    let pid = words.next()?.parse().ok()?;
    let inode = words.next()?.rsplit(':').next()?.parse().ok()?;
    Some(Entry {
        number: number.trim().parse().ok()?,
        is_waiting,
        pid,
        inode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: OFDLCK ADVISORY  READ -1 fe:00:6332421 201 201
1: -> OFDLCK ADVISORY  WRITE -1 fe:00:6332421 201 201
2: FLOCK  ADVISORY  WRITE 100 08:01:77 0 EOF
2: -> FLOCK  ADVISORY  WRITE 200 08:01:77 0 EOF
2:  -> FLOCK  ADVISORY  WRITE 300 08:01:77 0 EOF
3: POSIX  ADVISORY  WRITE 101 08:01:78 0 9
3: -> POSIX  ADVISORY  WRITE 200 08:01:78 0 9
4: POSIX  ADVISORY  READ  0 08:01:79 0 9
4: -> POSIX  ADVISORY  WRITE 200 08:01:79 0 9
5: FLOCK  ADVISORY  READ  102 08:01:78 0 EOF
5: -> FLOCK  ADVISORY  WRITE 300 08:01:78 0 EOF
5: nonsense
";

    #[test]
    fn holders_are_told_by_the_number() {
        let entries: Vec<Entry> = LOCKS.lines().filter_map(parse).collect();
        assert_eq!(entries.len(), 11);
        let of = |pid, inode| holder(&entries, pid, Some(inode));
        assert_eq!(of(200, 77), Some(100));
        assert_eq!(of(300, 77), Some(100));
        assert_eq!(of(200, 78), Some(101));
        assert_eq!(of(300, 78), Some(102));
        // Of another namespace, nobody's, no wait, no such file.
        assert_eq!(of(200, 79), None);
        assert_eq!(of(100, 77), None);
        assert_eq!(of(200, 6_332_421), None);
        assert_eq!(holder(&entries, 200, None), None);
    }

    #[test]
    fn nonsense_is_no_lock() {
        for line in [
            "",
            "1:",
            "x: FLOCK ADVISORY WRITE 1 08:01:77 0 EOF",
            "1: -> FLOCK",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
