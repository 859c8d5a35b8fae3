//! Event loops: how long they do not come to wait, and what that time is spent on.
//!
//! The functions are exported, so that they are global ones: each is verified once.

use aya_ebpf::{helpers::generated::bpf_get_prandom_u32, macros::map, maps::HashMap};
use leakcpu_common::{
    counters::Counter,
    event_loop::{GapTimes, LONG_GAP_NS, LOOPS as ENTRIES, LoopKey, LoopState, VERY_LONG_GAP_NS},
    stack::NOT_WALKED,
    thread::{ThreadState, thread_flags},
};

use crate::{
    count,
    maps::{THREADS, has_begun},
    totals,
};

#[map]
static LOOPS: HashMap<LoopKey, LoopState> = HashMap::with_max_entries(ENTRIES, 0);

/// Whether the thread is in a gap that is long by now.
#[inline(always)]
pub fn in_long_gap(thread: &ThreadState, now_ns: u64) -> bool {
    thread.gap_since_ns != 0 && now_ns.saturating_sub(thread.gap_since_ns) >= LONG_GAP_NS
}

/// The thread has come to a CPU: if its loop waited until then, a gap begins.
#[inline(always)]
pub fn came_back(thread: &mut ThreadState, now_ns: u64) {
    if thread.flags & thread_flags::IN_LOOP_WAIT != 0 {
        thread.flags &= !thread_flags::IN_LOOP_WAIT;
        loop_gap_begins(thread.tid, now_ns);
    }
}

#[inline(always)]
fn key(thread: &ThreadState) -> LoopKey {
    LoopKey {
        tid: thread.tid,
        generation: totals::generation(thread),
    }
}

/// A wait of the loop of thread `tid` has ended: a gap begins.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn loop_gap_begins(tid: u32, now_ns: u64) -> u32 {
    if !has_begun() {
        return 0;
    }
    let Some(thread) = THREADS.get_ptr_mut(tid) else {
        return 0;
    };
    // SAFETY: called at the thread's own switches only, which never overlap.
    let thread = unsafe { &mut *thread };
    let key = key(thread);
    let mut known = LOOPS.get_ptr_mut(key);
    if known.is_none() {
        if LOOPS.insert(key, LoopState::default(), 0).is_err() {
            count::one(Counter::LoopsFull);
        }
        known = LOOPS.get_ptr_mut(key);
    }
    let Some(state) = known else {
        return 0;
    };
    // SAFETY: as above; the key holds the thread.
    let state = unsafe { &mut *state };
    state.began = GapTimes::of(thread);
    state.wait_stack = 0;
    state.wait_ns = 0;
    state.sample_stack = 0;
    state.samples = 0;
    thread.gap_since_ns = now_ns;
    0
}

/// The loop of thread `tid` begins to wait: the gap ends.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn loop_gap_ends(tid: u32, now_ns: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr_mut(tid) else {
        return 0;
    };
    // SAFETY: as above.
    let thread = unsafe { &mut *thread };
    let since_ns = thread.gap_since_ns;
    thread.gap_since_ns = 0;
    if since_ns == 0 {
        return 0;
    }
    let Some(state) = LOOPS.get_ptr_mut(key(thread)) else {
        return 0;
    };
    // SAFETY: as above.
    let state = unsafe { &mut *state };
    let gap_ns = now_ns.saturating_sub(since_ns);
    state.gaps += 1;
    state.gaps_ns += gap_ns;
    if gap_ns >= LONG_GAP_NS {
        state.long_gaps += 1;
        state.long_gaps_ns += gap_ns;
        state.long.add(GapTimes::of(thread).since(state.began));
    }
    if gap_ns >= VERY_LONG_GAP_NS {
        state.very_long_gaps += 1;
    }
    if gap_ns > state.longest_ns {
        state.longest_ns = gap_ns;
        state.longest_began_ns = since_ns;
        state.longest = GapTimes::of(thread).since(state.began);
        state.longest_stack = state.stack_of_gap(gap_ns);
    }
    0
}

/// Thread `tid` was off the CPU for `off_ns` in a long gap.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn loop_was_off(tid: u32, off_ns: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: as above.
    let thread = unsafe { &*thread };
    if let Some(state) = LOOPS.get_ptr_mut(key(thread)) {
        // SAFETY: as above.
        let state = unsafe { &mut *state };
        if off_ns > state.wait_ns && thread.wait_stack != NOT_WALKED {
            state.wait_ns = off_ns;
            state.wait_stack = thread.wait_stack;
        }
    }
    0
}

/// A sample of thread `tid` found it in a gap, in this stack.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn loop_was_on(tid: u32, stack: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: the thread is on this CPU: no switch of it runs now.
    let thread = unsafe { &*thread };
    if let Some(state) = LOOPS.get_ptr_mut(key(thread)) {
        // SAFETY: as above.
        let state = unsafe { &mut *state };
        state.samples += 1;
        // One of them all, each being as likely as another.
        // SAFETY: the helper has no preconditions.
        let drawn = u64::from(unsafe { bpf_get_prandom_u32() });
        if drawn.checked_rem(state.samples).unwrap_or(0) == 0 {
            state.sample_stack = stack;
        }
    }
    0
}
