//! Aggregated time and samples: what the kernel keeps instead of events.

/// What a [`Totals`] entry adds up.
pub mod state {
    /// Samples taken on a CPU in user mode; only `count` is used.
    pub const ON_CPU_USER: u8 = 1;
    /// Samples taken on a CPU in kernel mode; `wait.syscall` is the call in progress.
    pub const ON_CPU_KERNEL: u8 = 2;
    /// Left the CPU to wait.
    pub const BLOCKED: u8 = 3;
    /// Left the CPU while able to run.
    pub const PREEMPTED: u8 = 4;
}

/// Bits of [`Wait::flags`].
pub mod wait_flags {
    /// `task_struct.in_iowait` was set.
    pub const IN_IOWAIT: u8 = 1;
    /// Uninterruptible (D).
    pub const UNINTERRUPTIBLE: u8 = 2;
    /// Stopped or traced.
    pub const STOPPED: u8 = 4;
    /// Futex inside the interpreter's runtime state: the GIL.
    pub const GIL: u8 = 8;
    /// `Wait::fd` holds a file descriptor.
    pub const HAS_FD: u8 = 16;
    /// `Wait::fd` holds the number of descriptors waited for.
    pub const HAS_NFDS: u8 = 32;
    /// Of a futex: it is shared between processes (no `FUTEX_PRIVATE_FLAG`).
    pub const FUTEX_SHARED: u8 = 64;
    /// Of a GIL wait: for its release, not for a moment of one of its mutexes. Descriptors
    /// are not counted then, so the bit is the same.
    pub const GIL_RELEASE: u8 = 32;
    /// Of a poll on one descriptor: for writing only (`POLLOUT` without `POLLIN`). No
    /// futex has it, so the bit is the same.
    pub const POLLS_WRITE: u8 = 64;
    /// The thread has no Python state: a native thread.
    pub const NATIVE_THREAD: u8 = 128;
}

/// No system call in progress, or none could be read.
pub const NO_SYSCALL: i16 = -1;

/// Why a thread left the CPU, as far as the saved registers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Wait {
    /// System-call number or [`NO_SYSCALL`].
    pub syscall: i16,
    /// Bits of [`wait_flags`].
    pub flags: u8,
    /// One of [`state`].
    pub state: u8,
    /// Descriptor or count, as `flags` say; else 0.
    pub fd: i32,
}

/// Key of the totals map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct TotalsKey {
    /// Stack hash, [`crate::stack::EMPTY_STACK`] for none.
    pub stack: u64,
    /// Reason and state.
    pub wait: Wait,
    /// Thread.
    pub tid: u32,
    /// Low half of the thread's start time in milliseconds: tells two owners of
    /// one tid apart.
    pub generation: u32,
}

/// Time and samples of one key.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Totals {
    /// Samples or intervals.
    pub count: u64,
    /// Time blocked.
    pub blocked_ns: u64,
    /// Time ready but not running, before the thread ran again.
    pub runnable_ns: u64,
    /// Longest blocked part of an interval.
    pub max_blocked_ns: u64,
}
