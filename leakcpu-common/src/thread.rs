//! The state machine of one watched thread, changed in place by the scheduler's
//! tracepoints and read by user space.

use crate::{
    totals::{Pending, Wait},
    wake::WakeState,
};

/// What a thread is doing, as far as the scheduler said.
pub mod run_state {
    /// No event yet since watching began: the first one tells.
    pub const UNKNOWN: u32 = 0;
    /// On a CPU.
    pub const ON_CPU: u32 = 1;
    /// Ready, waiting for a CPU.
    pub const RUNNABLE: u32 = 2;
    /// Waiting for something else.
    pub const BLOCKED: u32 = 3;
    /// Gone: the figures are final.
    pub const DEAD: u32 = 4;
}

/// Bits of [`ThreadState::flags`].
pub mod thread_flags {
    /// Watched from its birth (fork or exec), not found running.
    pub const FROM_BIRTH: u32 = 1;
    /// The current wait is a GIL wait.
    pub const IN_GIL_WAIT: u32 = 8;
    /// The previous wait was a GIL wait.
    pub const AFTER_GIL_WAIT: u32 = 16;
    /// Inside `do_exit`: its memory may be gone.
    pub const EXITING: u32 = 32;
    /// A copy of its parent that has not called exec since: what it does until then
    /// is not a program's of its own.
    pub const FORK_COPY: u32 = 64;
    /// Ready to run, and its group has used up its CPU quota.
    pub const THROTTLED: u32 = 128;
    /// A sample met it before any switch did: that it ran since watching began is to be
    /// proved by its next switch.
    pub const FOUND_RUNNING: u32 = 256;
    /// Waits as an event loop does ([`crate::event_loop`]).
    pub const IN_LOOP_WAIT: u32 = 1 << 16;
}

/// On-CPU bursts shorter than this between two GIL waits belong to one wait:
/// a waiter re-arms its 5 ms timed wait (`take_gil` in CPython's `ceval_gil`).
pub const GIL_REARM_NS: u64 = 200_000;

/// One watched thread: exact times and the wait it is in.
///
/// Written only under the thread's scheduler ordering (its own switch-out,
/// wake-up and switch-in never overlap), read by user space after the window.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ThreadState {
    /// `task_struct.start_boottime` (user space: that of the process, rounded);
    /// moved on by a millisecond at an exec that begins the times anew.
    pub start_boottime_ns: u64,
    /// When watching began, `CLOCK_MONOTONIC`.
    pub watched_since_ns: u64,
    /// When the current state began.
    pub state_since_ns: u64,
    /// When the thread died; 0 while it lives.
    pub ended_ns: u64,
    /// Time on a CPU.
    pub on_cpu_ns: u64,
    /// Time ready but not running, the quota's part left out.
    pub runnable_ns: u64,
    /// Time ready but not running, for its group had used up its CPU quota.
    pub throttled_ns: u64,
    /// Time blocked.
    pub blocked_ns: u64,
    /// Coalesced span of GIL waits; overlaps the four above.
    pub gil_wait_ns: u64,
    /// Length of the interval that was open when watching began.
    pub initial_ns: u64,
    /// When the thread last left a CPU.
    pub off_since_ns: u64,
    /// Blocked part of the current time off the CPU, known from the wake-up on.
    pub off_blocked_ns: u64,
    /// The run queue (`struct cfs_rq`) that it waits on, whose throttle clock tells the
    /// quota's part; 0 if it does not.
    pub throttle_queue: u64,
    /// What that clock showed when the wait began.
    pub throttle_clock_ns: u64,
    /// Address of its `PyThreadState` in the main interpreter; 0 if not known.
    pub tstate: u64,
    /// Address of its `PyThreadState` in another interpreter than the main one, in which
    /// it was seen last; 0 if in none.
    pub sub_tstate: u64,
    /// Until then it is taken to be in the main interpreter, which was the only one.
    pub alone_until_ns: u64,
    /// How far below its leaf frame the others lay that one read can have
    /// (`FrameWindow::reach`).
    pub frames_reach: u64,
    /// No search for the `PyThreadState` before this time.
    pub tstate_retry_ns: u64,
    /// Stack at the last switch-out.
    pub wait_stack: u64,
    /// Switches that this stack stands for: 1 where all are walked, 0 if it was not.
    pub stands_for: u64,
    /// Reason of the last switch-out.
    pub wait: Wait,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// One of [`run_state`].
    pub run_state: u32,
    /// [`run_state`] in which the thread was when watching began, once known.
    pub initial_state: u32,
    /// Bits of [`thread_flags`].
    pub flags: u32,
    /// Failed searches for the `PyThreadState` in a row.
    pub tstate_misses: u32,
    /// Times the thread gave up the CPU to wait.
    pub voluntary_switches: u64,
    /// Times the CPU was taken from it.
    pub involuntary_switches: u64,
    /// On-CPU samples.
    pub samples: u64,
    /// On-CPU samples inside a system call that may return empty-handed
    /// (`SyscallSpec::useless`).
    pub suspect_samples: u64,
    /// When its event loop's last wait ended; 0 while it waits, or runs none.
    pub gap_since_ns: u64,
    /// Its last waits, as long as they are alike: not in the totals yet.
    pub pending: Pending,
    /// Its waits for locks and the GIL, and who ended them.
    pub wake: WakeState,
}
