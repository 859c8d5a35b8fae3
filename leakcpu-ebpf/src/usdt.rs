//! The interpreter's own probes: what its collector does.
//!
//! A program at a probe runs in the thread that passes it, which may be preempted, sampled and
//! switched meanwhile, so it has a scratch of its own, and inserts into maps are allowed.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, generated::bpf_get_attach_cookie},
    macros::{map, uprobe},
    maps::{Array, HashMap},
    programs::ProbeContext,
};
use leakcpu_common::{
    config::MAX_FRAMES,
    counters::Counter,
    stack::EMPTY_STACK,
    thread::{ThreadState, run_state},
    usdt::{
        ARGUMENTS, COLLECTIONS as SUMS, CollectionKey, Collections, FIRED, FiredKey,
        OPEN_COLLECTIONS as OPEN, OpenCollection, SITE_AT_MASK, SITES, UNKNOWN_GENERATION,
        UsdtSite, probe,
    },
};

use crate::{
    count,
    globals::{FRAME_LIMIT, HAS_ATTACH_COOKIE},
    maps::{THREADS, has_begun, stopped},
    python::{self, Limits},
    task::{self, read_kernel, reg},
    totals,
};

#[map]
static USDT_SITES: Array<UsdtSite> = Array::with_max_entries(SITES, 0);

#[map]
static USDT_FIRED: HashMap<FiredKey, u64> = HashMap::with_max_entries(FIRED, 0);

#[map]
static OPEN_COLLECTIONS: HashMap<u32, OpenCollection> = HashMap::with_max_entries(OPEN, 0);

#[map]
static COLLECTIONS: HashMap<CollectionKey, Collections> = HashMap::with_max_entries(SUMS, 0);

#[uprobe]
pub fn usdt_gc(ctx: ProbeContext) -> u32 {
    let tid = bpf_get_current_pid_tgid() as u32;
    let Some(thread) = THREADS.get_ptr_mut(tid) else {
        return 0;
    };
    if stopped() || !has_begun() {
        return 0;
    }
    let Some(site) = site(&ctx) else {
        count::one(Counter::ProbePlaceUnknown);
        return 0;
    };
    // SAFETY: the current thread's entry. A switch may change its times meanwhile, which
    // are read whole; what a walk notes in it is a hint.
    let thread = unsafe { &mut *thread };
    fired(thread.pid, site.probe);
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    match site.probe {
        probe::GC_START => {
            let generation = argument(&ctx, site, 0).map_or(UNKNOWN_GENERATION, |it| it as u32);
            let stack = stack(thread, now_ns);
            begin_collection(tid, generation, stack, now_ns);
        }
        probe::GC_DONE => {
            let collected = argument(&ctx, site, 0).unwrap_or(0);
            end_collection(tid, collected, now_ns);
        }
        _ => count::one(Counter::ProbePlaceUnknown),
    }
    0
}

/// The place that fired: the attachment is marked with it, or, before 5.15, its address
/// within a page tells.
#[inline(always)]
fn site(ctx: &ProbeContext) -> Option<&'static UsdtSite> {
    let index = if HAS_ATTACH_COOKIE.load() == 1 {
        // SAFETY: the program's own context; the branch is dead to the verifier on kernels
        // without the helper.
        unsafe { bpf_get_attach_cookie(ctx.as_ptr()) as u32 }
    } else {
        register(ctx, reg::IP as u8)? as u32 & SITE_AT_MASK
    };
    let site = USDT_SITES.get(index)?;
    (site.probe != 0).then_some(site)
}

#[inline(always)]
fn register(ctx: &ProbeContext, word: u8) -> Option<u64> {
    read_kernel((ctx.as_ptr() as u64).wrapping_add(u64::from(word) * 8))
}

/// An argument of the probe; `None` if it is not known where it is, or it cannot be read.
#[inline(always)]
fn argument(ctx: &ProbeContext, site: &UsdtSite, index: usize) -> Option<u64> {
    if index >= ARGUMENTS {
        return None;
    }
    site.arguments[index].value(|word| register(ctx, word), python::read_user_u64)
}

/// Notes that a probe fired.
#[inline(always)]
fn fired(pid: u32, probe: u32) {
    let key = FiredKey { pid, probe };
    if let Some(times) = USDT_FIRED.get_ptr_mut(key) {
        // SAFETY: a word of a map; threads of one process may lose an increment to each other
        // where they run without a GIL.
        unsafe { *times += 1 };
    } else {
        // Without room nothing is said of the process' probes.
        let _ = USDT_FIRED.insert(key, 1, 0);
    }
}

/// The Python stack of the current thread.
#[inline(always)]
fn stack(thread: &mut ThreadState, now_ns: u64) -> u64 {
    let Some(thread_id) = task::current_fsbase() else {
        return EMPTY_STACK;
    };
    let limits = Limits {
        frames: FRAME_LIMIT.load() as usize,
        looks: MAX_FRAMES + 1,
        until_ns: u64::MAX,
    };
    if let Some(captured) = python::capture_at_probe(thread, thread_id, now_ns, limits) {
        captured.hash
    } else {
        count::one(Counter::ProbeStacksSkipped);
        EMPTY_STACK
    }
}

/// What the current thread has been on a CPU so far.
#[inline(always)]
fn on_cpu_ns(thread: &ThreadState, now_ns: u64) -> u64 {
    if thread.run_state == run_state::ON_CPU {
        thread.on_cpu_ns + now_ns.saturating_sub(thread.state_since_ns)
    } else {
        thread.on_cpu_ns
    }
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
