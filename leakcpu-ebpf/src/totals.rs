//! Adding time and samples to the totals map.

use leakcpu_common::{
    counters::Counter,
    thread::ThreadState,
    totals::{StandsFor, Totals, TotalsKey, Wait},
};

use crate::{count, maps::TOTALS};

/// Adds one interval (or one sample, of no length), which was walked for `more` that were
/// not. Changes the entry in place; the first sight of a
/// key inserts into the preallocated map and counts a failure.
#[inline(always)]
pub fn add(
    thread: &ThreadState,
    (stack, more): (u64, u64),
    wait: Wait,
    blocked_ns: u64,
    runnable_ns: u64,
) {
    let key = key(thread, stack, wait);
    if let Some(totals) = TOTALS.get_ptr_mut(key) {
        // SAFETY: one thread's key is changed by that thread's own switches and
        // samples only, which never overlap.
        let totals = unsafe { &mut *totals };
        totals.count += 1;
        totals.blocked_ns += blocked_ns;
        totals.runnable_ns += runnable_ns;
        if blocked_ns > totals.max_blocked_ns {
            totals.max_blocked_ns = blocked_ns;
        }
        if more != 0 {
            totals
                .stands_for
                .add(StandsFor::one(more, blocked_ns, runnable_ns));
        }
        return;
    }
    let first = Totals {
        count: 1,
        blocked_ns,
        runnable_ns,
        max_blocked_ns: blocked_ns,
        stands_for: StandsFor::one(more, blocked_ns, runnable_ns),
    };
    if TOTALS.insert(key, first, 0).is_err() {
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
