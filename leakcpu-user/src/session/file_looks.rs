//! How fast processes read and write that spend their CPU time on it.

use std::time::Instant;

use crate::{
    discovery::FileCalls,
    model::{FileRate, Pid, Process, StackTimeKind},
};

/// Of a process' samples, the part that has to be in such calls.
const MIN_PART: u64 = 10;
/// Fewer samples say nothing.
const MIN_SAMPLES: u64 = 20;
/// What `/proc/PID/io` counts.
const CALLS: [&str; 8] = [
    "read", "readv", "pread64", "preadv", "write", "writev", "pwrite64", "pwritev",
];

/// A process whose reads and writes are counted for a moment.
pub(super) struct FileLook {
    pid: Pid,
    began: Instant,
    before: FileCalls,
}

impl FileLook {
    /// Begins, if the process has samples in such calls.
    pub(super) fn begin(process: &Process) -> Option<Self> {
        let (mut all, mut within) = (0, 0);
        for time in process
            .threads
            .iter()
            .flat_map(|thread| &thread.stack_times)
        {
            if !time.kind.is_on_cpu() {
                continue;
            }
            all += time.count;
            if let StackTimeKind::OnCpuKernel {
                syscall: Some(name),
            } = &time.kind
                && CALLS.contains(&name.as_str())
            {
                within += time.count;
            }
        }
        if process.exited || all < MIN_SAMPLES || within * MIN_PART < all {
            return None;
        }
        Some(Self {
            pid: process.pid,
            before: FileCalls::of(process.pid.0)?,
            began: Instant::now(),
        })
    }

    /// Ends, and writes into the model what was counted.
    pub(super) fn tell(&self, processes: &mut [Process]) {
        let Some(after) = FileCalls::of(self.pid.0) else {
            return;
        };
        let watched_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let calls = after.since(&self.before);
        let mut processes = processes.iter_mut();
        if let Some(process) = processes.find(|process| process.pid == self.pid) {
            process.file_rate = Some(FileRate {
                watched_ns,
                reads: calls.reads,
                read_bytes: calls.read_bytes,
                writes: calls.writes,
                written_bytes: calls.written_bytes,
            });
        }
    }
}
