//! What is called, and which lines are executed, counted by place.
//!
//! Of the stack only the innermost frame is walked: these probes fire so often that what the
//! program takes is the target's loss.

use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    macros::{map, uprobe},
    maps::{HashMap, PerCpuArray},
    programs::ProbeContext,
};
use leakcpu_common::{
    counters::Counter,
    usdt::{CALLS as COUNTED, CallKey, calls_cost, probe},
};

use super::{Passed, innermost};
use crate::{
    count,
    maps::{THREADS, counts_calls},
    totals,
};

#[map]
static CALLS: HashMap<CallKey, u64> = HashMap::with_max_entries(COUNTED, 0);

#[map]
static CALLS_COST: PerCpuArray<u64> = PerCpuArray::with_max_entries(calls_cost::WORDS, 0);

#[uprobe]
pub fn usdt_call(ctx: ProbeContext) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    if let Some(passed) = Passed::by(&ctx)
        && counts_calls()
    {
        let stack = innermost(passed.thread, now_ns);
        let line = match passed.site.probe {
            probe::LINE => passed.argument(2).unwrap_or(0) as u32,
            _ => 0,
        };
        called(passed.tid, stack, passed.site.probe, line);
    }
    // SAFETY: as above.
    let took_ns = unsafe { bpf_ktime_get_ns() }.saturating_sub(now_ns);
    add(calls_cost::RUNS, 1);
    add(calls_cost::TOOK_NS, took_ns);
    0
}

/// Counts that a probe of thread `tid` fired.
///
/// A global function, so that its stack is none of that of a walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn called(tid: u32, stack: u64, probe: u32, line: u32) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: the current thread's entry.
    let thread = unsafe { &*thread };
    let key = CallKey {
        stack,
        tid,
        thread_generation: totals::generation(thread),
        probe,
        line,
    };
    if let Some(times) = CALLS.get_ptr_mut(key) {
        // SAFETY: a word of a map; the key holds the thread.
        unsafe { *times += 1 };
    } else if CALLS.insert(key, 1, 0).is_err() {
        count::one(Counter::CallsFull);
    }
    0
}

/// Adds to a word of this CPU's. What is interrupted by another thread's probe meanwhile is
/// lost, which is rare.
#[inline(always)]
fn add(word: u32, n: u64) {
    if let Some(sum) = CALLS_COST.get_ptr_mut(word) {
        // SAFETY: a word of this CPU's that stays mapped.
        unsafe { *sum += n };
    }
}
