//! Who ended a wait for a lock, and who held the GIL meanwhile.

/// Entries of the map `WAKES`.
pub const WAKES: u32 = 16_384;

/// A waker's stack is walked once this much waiting has come together, and the GIL's
/// releases are noted at this distance: what lies between two looks is charged to the
/// second, so that a lock handed to and fro does not pay for a walk each time.
pub const MIN_LOOK_NS: u64 = 100_000;

/// Slots of the map `GIL_RELEASES`: a process has that of its pid, modulo this. A power of
/// two.
pub const GIL_SLOTS: u32 = 1_024;

/// Releases kept in a slot; a power of two. A waiter looks at them at least each time it
/// renews its 5 ms wait, as often as it gets a CPU.
pub const GIL_RELEASES: usize = 32;

/// A slot that was not written to for this long is free for another process.
pub const GIL_SLOT_QUIET_NS: u64 = 1_000_000_000;

/// Bytes of `pthread_cond_t` (glibc, x86-64): the GIL's `cond` is the first of its parts.
/// Who waits there, waits for its release.
pub const COND_BYTES: u64 = 48;

/// What told where in the code the waker was: values of [`WakeKey::how`].
pub mod how {
    /// It was at the release there.
    pub const AT_RELEASE: u32 = 1;
    /// The last on-CPU sample of it while it held the GIL found it there.
    pub const SAMPLED: u32 = 2;
    /// It left the CPU there while it held the GIL, and was longer off than on it since.
    pub const OFF_CPU: u32 = 3;
}

/// A thread's part in waits for locks and the GIL, as a waiter and as a holder.
///
/// `woken_ns` and the three after it are written by whoever wakes the thread, the others
/// by the thread's own switches and samples.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct WakeState {
    /// Address of the futex that it waits at; 0 if it does not.
    pub futex: u64,
    /// When a thread of its process woke it; 0 if none did.
    pub woken_ns: u64,
    /// That thread's stack, if `is_looked_at`.
    pub waker_stack: u64,
    /// That thread.
    pub waker_tid: u32,
    /// The stack was walked.
    pub is_looked_at: u32,
    /// Time of waits for locks whose waker was not looked at.
    pub lock_debt_ns: u64,
    /// Since when it waits for the GIL, as far as no holder is charged with that.
    pub gil_since_ns: u64,
    /// Time of waits for the GIL that no noted release was charged with.
    pub gil_debt_ns: u64,
    /// As a holder of the GIL: `on_cpu_ns` when it got or last released it.
    pub held_from_on_cpu_ns: u64,
    /// As such a one: when it was last sampled; 0 if not since it got it.
    pub sample_ns: u64,
    /// The stack that was found then.
    pub sample_stack: u64,
}

/// A release of the GIL for which a thread waited.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct GilRelease {
    /// When.
    pub ktime_ns: u64,
    /// How long the holder had been on a CPU since it got the GIL.
    pub held_on_cpu_ns: u64,
    /// Where the holder was.
    pub stack: u64,
    /// The holder.
    pub tid: u32,
    /// One of [`how`].
    pub how: u32,
}

/// The latest releases of one process' GIL.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct GilLog {
    /// How many there were since the slot is this process'.
    pub count: u64,
    /// When the last one was.
    pub last_ns: u64,
    /// The process.
    pub pid: u32,
    /// Always 0.
    pub pad: u32,
    /// Number n is at n modulo [`GIL_RELEASES`].
    pub releases: [GilRelease; GIL_RELEASES],
}

/// Whose waits for a lock or the GIL ended by whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct WakeKey {
    /// The wait, as in the totals map.
    pub totals: crate::totals::TotalsKey,
    /// Where the waker was, [`crate::stack::EMPTY_STACK`] if that is not known.
    pub waker_stack: u64,
    /// The waker; of a GIL wait who held it.
    pub waker_tid: u32,
    /// One of [`how`].
    pub how: u32,
}

/// Their time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Wake {
    /// Looks taken at the waker; there may be many hand-overs for one.
    pub looks: u64,
    /// Time waited. Of the GIL it counts to the release.
    pub waited_ns: u64,
    /// The part of it in which the GIL's holder was off the CPU.
    pub off_cpu_ns: u64,
}
