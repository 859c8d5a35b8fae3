//! What the garbage collector does, as the interpreter's own probes say it.

use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    macros::{map, uprobe},
    maps::HashMap,
    programs::ProbeContext,
};
use leakcpu_common::{
    counters::Counter,
    usdt::{
        COLLECTIONS as SUMS, CollectionKey, Collections, OPEN_COLLECTIONS as OPEN, OpenCollection,
        UNKNOWN_GENERATION, probe,
    },
};

use super::{Passed, on_cpu_ns, stack};
use crate::{count, maps::THREADS, totals};

#[map]
static OPEN_COLLECTIONS: HashMap<u32, OpenCollection> = HashMap::with_max_entries(OPEN, 0);

#[map]
static COLLECTIONS: HashMap<CollectionKey, Collections> = HashMap::with_max_entries(SUMS, 0);

#[uprobe]
pub fn usdt_gc(ctx: ProbeContext) -> u32 {
    let Some(passed) = Passed::by(&ctx) else {
        return 0;
    };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    match passed.site.probe {
        probe::GC_START => {
            let generation = passed
                .argument(0)
                .map_or(UNKNOWN_GENERATION, |it| it as u32);
            let stack = stack(passed.thread, now_ns);
            begin_collection(passed.tid, generation, stack, now_ns);
        }
        probe::GC_DONE => {
            let collected = passed.argument(0).unwrap_or(0);
            end_collection(passed.tid, collected, now_ns);
        }
        _ => count::one(Counter::ProbePlaceUnknown),
    }
    0
}

/// A collection of `generation` begins in thread `tid`.
///
/// A global function, as is the next one, so that its stack is none of that of a walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn begin_collection(tid: u32, generation: u32, stack: u64, now_ns: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: the current thread's entry, as above.
    let thread = unsafe { &*thread };
    let open = OpenCollection {
        since_ns: now_ns,
        on_cpu_ns: on_cpu_ns(thread, now_ns),
        stack,
        thread_generation: totals::generation(thread),
        generation,
    };
    if OPEN_COLLECTIONS.insert(tid, open, 0).is_err() {
        count::one(Counter::CollectionsFull);
    }
    0
}

/// The collection of thread `tid` ends, after it has freed so many objects.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn end_collection(tid: u32, collected: u64, now_ns: u64) -> u32 {
    let (Some(thread), Some(open)) = (THREADS.get_ptr(tid), OPEN_COLLECTIONS.get_ptr(tid)) else {
        // It began before it was watched.
        return 0;
    };
    // SAFETY: the current thread's entries, as above.
    let (thread, open) = unsafe { (&*thread, *open) };
    let _ = OPEN_COLLECTIONS.remove(tid);
    if open.thread_generation != totals::generation(thread) {
        return 0;
    }
    let took_ns = now_ns.saturating_sub(open.since_ns);
    let took_on_cpu_ns = on_cpu_ns(thread, now_ns).saturating_sub(open.on_cpu_ns);
    let key = CollectionKey {
        stack: open.stack,
        tid,
        thread_generation: open.thread_generation,
        generation: open.generation,
        reserved: 0,
    };
    if let Some(sums) = COLLECTIONS.get_ptr_mut(key) {
        // SAFETY: the key holds the thread, whose collections never overlap.
        let sums = unsafe { &mut *sums };
        sums.count += 1;
        sums.total_ns += took_ns;
        sums.on_cpu_ns += took_on_cpu_ns;
        sums.collected += collected;
        if took_ns > sums.max_ns {
            sums.max_ns = took_ns;
        }
        return 1;
    }
    let first = Collections {
        count: 1,
        total_ns: took_ns,
        on_cpu_ns: took_on_cpu_ns,
        max_ns: took_ns,
        collected,
    };
    if COLLECTIONS.insert(key, first, 0).is_err() {
        count::one(Counter::CollectionsFull);
    }
    1
}
