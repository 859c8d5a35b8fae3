//! What a system call's registers mean, as data: the kernel side has no table of
//! its own and no branch by number.

/// Where a blocked call keeps what it waits for.
pub mod wait_arg {
    /// Nothing to read.
    pub const NONE: u8 = 0;
    /// The first argument is a descriptor.
    pub const FD: u8 = 1;
    /// The first argument points to `pollfd`s, the second counts them.
    pub const POLLFDS: u8 = 2;
    /// The first argument counts descriptors (`select`).
    pub const NFDS: u8 = 3;
    /// The first argument is a futex word, the second its operation.
    pub const FUTEX: u8 = 4;
    /// The first argument is a descriptor that stands for a set of others (`epoll_wait`).
    pub const EPOLL: u8 = 5;
}

/// The parts of `struct pollfd`, read as one little-endian word: `fd` (32 bits),
/// `events` (16), `revents` (16). `include/uapi/asm-generic/poll.h`.
pub mod pollfd {
    const POLLIN: u64 = 1;
    const POLLOUT: u64 = 4;

    /// The descriptor.
    #[expect(clippy::cast_possible_truncation, reason = "it is the low half")]
    pub const fn fd(word: u64) -> i32 {
        word as i32
    }

    /// Whether it is waited for to take bytes, and not to bring any: so waits a `send`
    /// or a `connect` with a timeout.
    pub const fn for_writing(word: u64) -> bool {
        let events = word >> 32;
        events & POLLOUT != 0 && events & POLLIN == 0
    }
}

/// Where a call keeps its timeout.
pub mod timeout_arg {
    /// It has none that matters.
    pub const NONE: u8 = 0;
    /// Milliseconds in a register.
    pub const MILLIS: u8 = 1;
    /// Pointer to a `timespec`: null waits for ever.
    pub const TIMESPEC: u8 = 2;
    /// A flag bit in a register asks not to wait (`WNOHANG`, `GRND_NONBLOCK` ...).
    pub const NO_WAIT_BIT: u8 = 3;
    /// The call never waits (`sched_yield`).
    pub const ALWAYS_ZERO: u8 = 4;
    /// Pointer to a `timeval`: null waits for ever.
    pub const TIMEVAL: u8 = 5;
}

/// Whether a loop around a call may be a busy-wait.
pub mod useless {
    /// It may not.
    pub const NEVER: u8 = 0;
    /// It may: samples inside the call make the thread a suspect.
    pub const MAYBE: u8 = 1;
    /// The same, and the call reads: 0 as its result is the end of what there is.
    pub const MAYBE_AT_END: u8 = 2;
}

/// One system call.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SyscallSpec {
    /// One of [`wait_arg`].
    pub wait_arg: u8,
    /// One of [`timeout_arg`].
    pub timeout_arg: u8,
    /// Which argument holds the timeout, 0 to 5.
    pub timeout_index: u8,
    /// One of [`useless`].
    pub useless: u8,
    /// The bit of [`timeout_arg::NO_WAIT_BIT`].
    pub no_wait_bit: u32,
}

/// Key of a tally: one thread's calls of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct TallyKey {
    /// Thread.
    pub tid: u32,
    /// System-call number.
    pub syscall: u32,
}

/// What an armed thread's calls brought.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SyscallTally {
    /// Calls that returned.
    pub calls: u64,
    /// Calls that asked not to wait (zero timeout, no-wait flag).
    pub zero_timeout: u64,
    /// Calls that asked not to wait and returned 0: nothing had happened.
    pub zero_timeout_empty: u64,
    /// Calls that failed with `EAGAIN`.
    pub would_block: u64,
    /// Calls that failed with `ETIMEDOUT` or `EINTR`, and polls that returned empty
    /// after their timeout.
    pub timed_out: u64,
    /// Calls with a timeout under 10 ms, zero included.
    pub short_timeout: u64,
    /// Reads that found the end: of a file, or of what the other end sends.
    pub at_end: u64,
}
