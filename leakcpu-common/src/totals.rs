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
    /// With [`BLOCKED`], where few registers are read to keep within the budget: this wait
    /// was chosen by chance, or, where the call is [`super::NOT_READ`], it was not.
    pub const BY_CHANCE: u8 = 0x80;
    /// Set beside one of these: seen in a gap of an event loop that was long by then
    /// ([`crate::event_loop::LONG_GAP_NS`]).
    pub const IN_LONG_GAP: u8 = 0x40;
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

/// The registers were not read, to keep within the budget.
pub const NOT_READ: i16 = -2;

/// Why a thread left the CPU, as far as the saved registers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C, align(8))]
pub struct Wait {
    /// System-call number, [`NO_SYSCALL`] or [`NOT_READ`].
    pub syscall: i16,
    /// Bits of [`wait_flags`].
    pub flags: u8,
    /// One of [`state`], with or without [`state::IN_LONG_GAP`].
    pub state: u8,
    /// Descriptor or count, as `flags` say; else 0.
    pub fd: i32,
}

impl Wait {
    /// All of it in one word, by which two are compared in one go.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        // SAFETY: eight bytes without padding (`abi` asserts the size).
        unsafe { core::mem::transmute(self) }
    }

    /// One of [`state`], without the mark.
    #[inline(always)]
    pub const fn kind(self) -> u8 {
        self.state & !state::IN_LONG_GAP
    }

    /// Whether it was seen in a long gap of an event loop.
    #[inline(always)]
    pub const fn in_long_gap(self) -> bool {
        self.state & state::IN_LONG_GAP != 0
    }
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
    /// What those of the intervals stand for that were walked by chance.
    pub stands_for: StandsFor,
}

impl Totals {
    /// One interval.
    #[inline(always)]
    pub const fn one(blocked_ns: u64, runnable_ns: u64) -> Self {
        Self {
            count: 1,
            blocked_ns,
            runnable_ns,
            max_blocked_ns: blocked_ns,
            stands_for: StandsFor::NONE,
        }
    }

    /// Adds what has the same key.
    #[inline(always)]
    pub const fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.blocked_ns += other.blocked_ns;
        self.runnable_ns += other.runnable_ns;
        if other.max_blocked_ns > self.max_blocked_ns {
            self.max_blocked_ns = other.max_blocked_ns;
        }
        if other.stands_for.count != 0 {
            self.stands_for.add(other.stands_for);
        }
    }
}

/// Intervals of a thread, one after the other, that have one key: they are added up in the
/// thread's own entry, which its switches have at hand, and to the map of the totals once the
/// next one has another key. What is still here when the window ends is read from here.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Pending {
    /// `TotalsKey::stack`.
    pub stack: u64,
    /// `TotalsKey::wait`.
    pub wait: Wait,
    /// As in [`Totals`], of which they are a part; 0 if there are none.
    pub count: u64,
    /// As in [`Totals`].
    pub blocked_ns: u64,
    /// As in [`Totals`].
    pub runnable_ns: u64,
    /// As in [`Totals`].
    pub max_blocked_ns: u64,
    /// How often that was: who reads both maps while switches go on sees by it whether what
    /// was here is there by now.
    pub moved: u64,
}

impl Pending {
    /// What they add to the totals.
    #[inline(always)]
    pub const fn totals(&self) -> Totals {
        Totals {
            count: self.count,
            blocked_ns: self.blocked_ns,
            runnable_ns: self.runnable_ns,
            max_blocked_ns: self.max_blocked_ns,
            stands_for: StandsFor::NONE,
        }
    }
}

/// What intervals that were not walked are estimated by: each that was, times the number of
/// intervals that it stands for besides itself. All 0 where every switch is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct StandsFor {
    /// Intervals.
    pub count: u64,
    /// Time blocked.
    pub blocked_ns: u64,
    /// Time ready but not running.
    pub runnable_ns: u64,
    /// The square of each one's part of `blocked_ns`, in units given by [`SQUARE_SHIFT`]: how
    /// uneven they are.
    pub blocked_squares: u64,
}

/// The unit of what is squared is `1 << SQUARE_SHIFT` nanoseconds.
pub const SQUARE_SHIFT: u32 = 10;
/// More of these units are squared as so many: 275 s.
const SQUARE_LIMIT: u64 = 1 << 28;

impl StandsFor {
    /// For no others.
    pub const NONE: Self = Self {
        count: 0,
        blocked_ns: 0,
        runnable_ns: 0,
        blocked_squares: 0,
    };

    /// What one interval stands for that was walked for `more` others.
    #[inline(always)]
    pub const fn one(more: u64, blocked_ns: u64, runnable_ns: u64) -> Self {
        let blocked_ns = more.wrapping_mul(blocked_ns);
        let mut units = blocked_ns >> SQUARE_SHIFT;
        if units > SQUARE_LIMIT {
            units = SQUARE_LIMIT;
        }
        Self {
            count: more,
            blocked_ns,
            runnable_ns: more.wrapping_mul(runnable_ns),
            blocked_squares: units * units,
        }
    }

    /// What came since it was `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            count: self.count.wrapping_sub(before.count),
            blocked_ns: self.blocked_ns.wrapping_sub(before.blocked_ns),
            runnable_ns: self.runnable_ns.wrapping_sub(before.runnable_ns),
            blocked_squares: self.blocked_squares.wrapping_sub(before.blocked_squares),
        }
    }

    /// Adds another.
    #[inline(always)]
    pub const fn add(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        self.blocked_ns = self.blocked_ns.wrapping_add(other.blocked_ns);
        self.runnable_ns = self.runnable_ns.wrapping_add(other.runnable_ns);
        self.blocked_squares = self.blocked_squares.wrapping_add(other.blocked_squares);
    }
}
