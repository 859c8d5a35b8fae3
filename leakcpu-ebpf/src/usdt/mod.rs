//! The interpreter's own probes (USDT).
//!
//! A program at a probe runs in the thread that passes it, which may be preempted, sampled and
//! switched meanwhile, so it has a scratch of its own, and inserts into maps are allowed.

mod audit;
mod calls;
mod collector;
mod imports;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_attach_cookie},
    macros::map,
    maps::{Array, HashMap},
    programs::ProbeContext,
};
use leakcpu_common::{
    config::MAX_FRAMES,
    counters::Counter,
    stack::EMPTY_STACK,
    thread::{ThreadState, run_state},
    usdt::{ARGUMENTS, FIRED, FiredKey, SITE_AT_MASK, SITES, UsdtSite},
};

use crate::{
    count,
    globals::{FRAME_LIMIT, HAS_ATTACH_COOKIE},
    maps::{THREADS, has_begun, stopped},
    python::{self, Limits},
    task::{self, read_kernel, reg},
};

#[map]
static USDT_SITES: Array<UsdtSite> = Array::with_max_entries(SITES, 0);

#[map]
static USDT_FIRED: HashMap<FiredKey, u64> = HashMap::with_max_entries(FIRED, 0);

/// A probe that a watched thread passes.
struct Passed<'a> {
    ctx: &'a ProbeContext,
    tid: u32,
    thread: &'static mut ThreadState,
    site: &'static UsdtSite,
}

impl<'a> Passed<'a> {
    /// `None` if nobody wants to know, or the place is not known. It counts as fired.
    #[inline(always)]
    fn by(ctx: &'a ProbeContext) -> Option<Self> {
        let tid = bpf_get_current_pid_tgid() as u32;
        let thread = THREADS.get_ptr_mut(tid)?;
        if stopped() || !has_begun() {
            return None;
        }
        let Some(site) = site(ctx) else {
            count::one(Counter::ProbePlaceUnknown);
            return None;
        };
        // SAFETY: the current thread's entry. A switch may change its times meanwhile, which
        // are read whole; what a walk notes in it is a hint.
        let thread = unsafe { &mut *thread };
        fired(thread.pid, site.probe);
        Some(Self {
            ctx,
            tid,
            thread,
            site,
        })
    }

    /// An argument; `None` if it is not known where it is, or it cannot be read.
    #[inline(always)]
    fn argument(&self, index: usize) -> Option<u64> {
        if index >= ARGUMENTS {
            return None;
        }
        self.site.arguments[index].value(|word| register(self.ctx, word), python::read_user_u64)
    }
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

/// Notes that a probe fired.
#[inline(always)]
fn fired(pid: u32, probe: u32) {
    let key = FiredKey { pid, probe };
    if let Some(times) = USDT_FIRED.get_ptr_mut(key) {
        // SAFETY: a word of a map; threads of one process may lose an increment to each other
        // where they run without a GIL.
        unsafe { *times += 1 };
    } else if USDT_FIRED.insert(key, 1, 0).is_err() {
        count::one(Counter::ProbesUncounted);
    }
}

/// The Python stack of the current thread.
#[inline(always)]
fn stack(thread: &mut ThreadState, now_ns: u64) -> u64 {
    let limits = Limits {
        frames: FRAME_LIMIT.load() as usize,
        looks: MAX_FRAMES + 1,
        until_ns: u64::MAX,
        is_leaf_only: false,
    };
    captured(thread, now_ns, limits)
}

/// A stack of which only the innermost frame is known.
#[inline(always)]
fn innermost(thread: &mut ThreadState, now_ns: u64) -> u64 {
    let limits = Limits {
        frames: 1,
        looks: 1,
        until_ns: u64::MAX,
        is_leaf_only: true,
    };
    captured(thread, now_ns, limits)
}

#[inline(always)]
fn captured(thread: &mut ThreadState, now_ns: u64, limits: Limits) -> u64 {
    let Some(thread_id) = task::current_fsbase() else {
        return EMPTY_STACK;
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
