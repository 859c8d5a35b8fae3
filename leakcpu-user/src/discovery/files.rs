//! What lies behind a descriptor that has a path: a file, a device, a pipe with a name,
//! or something that the kernel makes up.

use std::{
    collections::HashMap, fs, os::unix::fs::FileTypeExt as _, os::unix::fs::MetadataExt as _,
    path::Path,
};

use nix::sys::stat::major;
use procfs::process::Process;

use super::{Descriptor, procfile};

/// File systems of other machines or programs: to ask for a file there may hang.
const REMOTE: [&str; 9] = [
    "fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "virtiofs", "autofs",
];

/// File systems without a disk behind them.
const MADE_UP: [&str; 12] = [
    "proc",
    "sysfs",
    "cgroup",
    "tracefs",
    "debugfs",
    "securityfs",
    "bpf",
    "configfs",
    "pstore",
    "mqueue",
    "binfmt_misc",
    "efivarfs",
];

/// Major numbers of terminals, `Documentation/admin-guide/devices.txt`: consoles and
/// serial lines, `/dev/tty` and `/dev/ptmx`, pseudo terminals.
const TTY_MAJORS: [std::ops::RangeInclusive<u64>; 3] = [2..=5, 128..=143, 204..=204];

/// Types of the file systems that a process has mounted, by mount id.
#[derive(Debug, Default)]
pub(super) struct Mounts(HashMap<i32, String>);

impl Mounts {
    /// Reads `/proc/PID/mountinfo`; empty if it cannot be read.
    pub(super) fn read(pid: u32) -> Self {
        let mounts = i32::try_from(pid)
            .ok()
            .and_then(|pid| Process::new(pid).ok()?.mountinfo().ok());
        Self(
            mounts
                .into_iter()
                .flatten()
                .map(|mount| (mount.mnt_id, mount.fs_type))
                .collect(),
        )
    }

    fn type_of(&self, pid: u32, fd: i32) -> Option<&str> {
        let info = procfile::read_text(pid, &format!("fdinfo/{fd}")).ok()?;
        let mount = procfile::status_value(&info, "mnt_id")?.parse().ok()?;
        self.0.get(&mount).map(String::as_str)
    }
}

/// Whether a path, as the process sees it, is on a file system that may not answer; so is one
/// of which that cannot be known.
pub(super) fn is_remote(pid: u32, path: &Path) -> bool {
    let mounts = i32::try_from(pid)
        .ok()
        .and_then(|pid| Process::new(pid).ok()?.mountinfo().ok());
    mounts
        .into_iter()
        .flatten()
        .filter(|mount| path.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.as_os_str().len())
        .is_none_or(|mount| REMOTE.iter().any(|mark| mount.fs_type.starts_with(mark)))
}

/// What descriptor `fd`, whose link is `path`, is.
pub(super) fn by_path(pid: u32, fd: i32, path: String, mounts: &Mounts) -> Descriptor {
    let begins = |marks: &[&str], name: &str| marks.iter().any(|mark| name.starts_with(mark));
    let file_system = mounts.type_of(pid, fd);
    match file_system {
        Some(name) if begins(&REMOTE, name) => return Descriptor::File { path },
        Some(name) if begins(&MADE_UP, name) => return Descriptor::MadeUp { path },
        _ => {}
    }
    let Ok(facts) = fs::metadata(procfile::path(pid, &format!("fd/{fd}"))) else {
        return Descriptor::File { path };
    };
    let kind = facts.file_type();
    if kind.is_fifo() {
        return Descriptor::Pipe { path: Some(path) };
    }
    if kind.is_char_device() {
        let number = major(facts.rdev());
        return if TTY_MAJORS.iter().any(|majors| majors.contains(&number)) {
            Descriptor::Tty { path }
        } else {
            Descriptor::Device { path }
        };
    }
    Descriptor::File { path }
}
