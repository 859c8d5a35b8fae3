//! How many reads and writes a process has made, from `/proc/PID/io`.

use procfs::process::Process;

/// Since it started, all of its threads, those that have ended included. Sockets count where they
/// are read and written like files (`task_io_account` in `fs/read_write.c`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCalls {
    /// System calls that read.
    pub reads: u64,
    /// Bytes that they brought.
    pub read_bytes: u64,
    /// System calls that write.
    pub writes: u64,
    /// Bytes that they took.
    pub written_bytes: u64,
}

impl FileCalls {
    /// Reads those of a process; `None` if it has ended or may not be read.
    pub fn of(pid: u32) -> Option<Self> {
        let process = Process::new(i32::try_from(pid).ok()?).ok()?;
        let io = process.io().ok()?;
        Some(Self {
            reads: io.syscr,
            read_bytes: io.rchar,
            writes: io.syscw,
            written_bytes: io.wchar,
        })
    }

    /// What was added since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(before.reads),
            read_bytes: self.read_bytes.saturating_sub(before.read_bytes),
            writes: self.writes.saturating_sub(before.writes),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}
