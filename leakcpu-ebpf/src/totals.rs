//! Adding time and samples to the totals map.

use leakcpu_common::{
    counters::Counter,
    thread::ThreadState,
    totals::{Pending, StandsFor, Totals, TotalsKey, Wait},
};

use crate::{
    count,
    maps::{THREADS, TOTALS},
};

/// Adds an interval off the CPU in the thread's `wait_stack`, as many as that stands for. Those
/// that are like the one before are added up in the thread's entry, without a look-up.
#[inline(always)]
pub fn add_interval(thread: &mut ThreadState, wait: Wait, blocked_ns: u64, runnable_ns: u64) {
    let mut stack = thread.wait_stack;
    let mut wait = wait;
    let mut sum = Totals::one(blocked_ns, runnable_ns);
    let more = thread.stands_for.saturating_sub(1);
    if more == 0 {
        let pending = &mut thread.pending;
        if pending.stack == stack && pending.wait.word() == wait.word() {
            pending.count += 1;
            pending.blocked_ns += blocked_ns;
            pending.runnable_ns += runnable_ns;
            if blocked_ns > pending.max_blocked_ns {
                pending.max_blocked_ns = blocked_ns;
            }
            return;
        }
        sum = pending.totals();
        (stack, pending.stack) = (pending.stack, stack);
        (wait, pending.wait) = (pending.wait, wait);
        pending.count = 1;
        pending.blocked_ns = blocked_ns;
        pending.runnable_ns = runnable_ns;
        pending.max_blocked_ns = blocked_ns;
        pending.moved += 1;
        if sum.count == 0 {
            return;
        }
    } else {
        sum.stands_for = StandsFor::one(more, blocked_ns, runnable_ns);
    }
    add(key(thread, stack, wait), &sum);
}

/// Adds what is pending of thread `tid`, which is not switched now, to the totals: its entry
/// ends, or will be another's.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn settle(tid: u32) -> u32 {
    let Some(thread) = THREADS.get_ptr_mut(tid) else {
        return 0;
    };
    // SAFETY: no switch of it runs now.
    let thread = unsafe { &mut *thread };
    let Pending {
        stack,
        wait,
        count,
        moved,
        ..
    } = thread.pending;
    if count != 0 {
        let sum = thread.pending.totals();
        thread.pending.count = 0;
        // No wait is like it, so that the next one begins anew.
        thread.pending.wait.state = 0;
        thread.pending.moved = moved + 1;
        add(key(thread, stack, wait), &sum);
    }
    0
}

/// Adds to the entry of a key in place; the first sight of one inserts into the preallocated
/// map and counts a failure.
#[expect(
    clippy::needless_borrows_for_generic_args,
    reason = "by value the key would be copied, on a stack that is full"
)]
#[inline(always)]
pub fn add(key: TotalsKey, sum: &Totals) {
    if let Some(totals) = TOTALS.get_ptr_mut(&key) {
        // SAFETY: one thread's key is changed by that thread's own switches and
        // samples only, which never overlap.
        unsafe { (*totals).add(sum) };
    } else if TOTALS.insert(&key, sum, 0).is_err() {
        count::one(Counter::TotalsFull);
    }
}

/// The key of a thread's time in one stack and state.
#[inline(always)]
pub fn key(thread: &ThreadState, stack: u64, wait: Wait) -> TotalsKey {
    TotalsKey {
        stack,
        wait,
        tid: thread.tid,
        generation: generation(thread),
    }
}

/// Tells two owners of one tid apart.
#[inline(always)]
pub fn generation(thread: &ThreadState) -> u32 {
    (thread.start_boottime_ns >> 20) as u32
}
