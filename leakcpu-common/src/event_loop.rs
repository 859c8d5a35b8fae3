//! Threads that run an event loop: the gaps between two of its waits.
//!
//! A loop waits for many things at once: `epoll_wait`, or `select` and `poll` on several
//! descriptors. From where such a wait ends to where the next one begins nothing else that
//! is due gets its turn. A wait that finds something at once does not block, so many short
//! turns of a loop that always has something to do are one gap.

use crate::thread::ThreadState;

/// Gaps from this length on are long: what is seen in them from then on is marked
/// ([`crate::totals::state::IN_LONG_GAP`]).
pub const LONG_GAP_NS: u64 = 20_000_000;

/// Gaps from this length on are very long: what asyncio's debug mode calls slow.
pub const VERY_LONG_GAP_NS: u64 = 100_000_000;

/// Loop threads that are kept at most.
pub const LOOPS: u32 = 4_096;

/// A loop thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LoopKey {
    /// Thread.
    pub tid: u32,
    /// As in `TotalsKey::generation`.
    pub generation: u32,
}

/// Times of a thread: up to a moment, or of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct GapTimes {
    /// On a CPU.
    pub on_cpu_ns: u64,
    /// Ready but not running.
    pub runnable_ns: u64,
    /// Kept from running by a quota.
    pub throttled_ns: u64,
    /// Blocked.
    pub blocked_ns: u64,
    /// Waiting for the GIL; overlaps the others.
    pub gil_wait_ns: u64,
}

impl GapTimes {
    /// A thread's times so far.
    #[inline(always)]
    pub const fn of(thread: &ThreadState) -> Self {
        Self {
            on_cpu_ns: thread.on_cpu_ns,
            runnable_ns: thread.runnable_ns,
            throttled_ns: thread.throttled_ns,
            blocked_ns: thread.blocked_ns,
            gil_wait_ns: thread.gil_wait_ns,
        }
    }

    /// The times since those of `earlier`.
    #[inline(always)]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            on_cpu_ns: self.on_cpu_ns.saturating_sub(earlier.on_cpu_ns),
            runnable_ns: self.runnable_ns.saturating_sub(earlier.runnable_ns),
            throttled_ns: self.throttled_ns.saturating_sub(earlier.throttled_ns),
            blocked_ns: self.blocked_ns.saturating_sub(earlier.blocked_ns),
            gil_wait_ns: self.gil_wait_ns.saturating_sub(earlier.gil_wait_ns),
        }
    }

    /// Adds another span's.
    #[inline(always)]
    pub const fn add(&mut self, other: Self) {
        self.on_cpu_ns += other.on_cpu_ns;
        self.runnable_ns += other.runnable_ns;
        self.throttled_ns += other.throttled_ns;
        self.blocked_ns += other.blocked_ns;
        self.gil_wait_ns += other.gil_wait_ns;
    }
}

/// The gaps of one loop thread, since the window began.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct LoopState {
    /// Gaps that have ended.
    pub gaps: u64,
    /// Their time.
    pub gaps_ns: u64,
    /// Those from [`LONG_GAP_NS`] on.
    pub long_gaps: u64,
    /// Their time.
    pub long_gaps_ns: u64,
    /// Those from [`VERY_LONG_GAP_NS`] on.
    pub very_long_gaps: u64,
    /// What the long ones were spent on.
    pub long: GapTimes,
    /// The longest one.
    pub longest_ns: u64,
    /// When it began, `CLOCK_MONOTONIC`.
    pub longest_began_ns: u64,
    /// What it was spent on.
    pub longest: GapTimes,
    /// A stack seen in it: of its longest wait if that was half of it, else of one of its
    /// samples, each being as likely as another; 0 for none.
    pub longest_stack: u64,
    /// Times of the thread when the gap began in which it is now.
    pub began: GapTimes,
    /// Stack of the longest time off the CPU in that gap.
    pub wait_stack: u64,
    /// How long that was.
    pub wait_ns: u64,
    /// Stack of one of its samples.
    pub sample_stack: u64,
    /// Its samples.
    pub samples: u64,
}

impl LoopState {
    /// The stack that stands for a gap of `gap_ns`.
    #[inline(always)]
    pub const fn stack_of_gap(&self, gap_ns: u64) -> u64 {
        if self.samples == 0 || self.wait_ns >= gap_ns / 2 {
            self.wait_stack
        } else {
            self.sample_stack
        }
    }
}
