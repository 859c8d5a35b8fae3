//! Page faults that had to wait: where in memory. User space finds out what is there.
//!
//! A software event, counted when such a fault has been served, in the context of the
//! thread (`mm/memory.c`: `mm_account_fault`): inserts are allowed here.

use aya_ebpf::{
    EbpfContext as _,
    bindings::bpf_perf_event_data,
    helpers::bpf_get_current_pid_tgid,
    macros::{map, perf_event},
    maps::HashMap,
    programs::PerfEventContext,
};
use leakcpu_common::{
    counters::Counter,
    fault::{FAULTS as ENTRIES, FaultKey, Faults, REGION_SHIFT},
};

use crate::{
    count,
    maps::{THREADS, has_begun, stopped},
    totals,
};

#[map]
static FAULTS: HashMap<FaultKey, Faults> = HashMap::with_max_entries(ENTRIES, 0);

#[perf_event]
pub fn page_fault(ctx: PerfEventContext) -> u32 {
    let tid = bpf_get_current_pid_tgid() as u32;
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    if stopped() || !has_begun() {
        return 0;
    }
    // SAFETY: the current thread's entry: it is on this CPU, so none of its switches runs
    // now.
    let thread = unsafe { &*thread };
    let data = ctx.as_ptr().cast::<bpf_perf_event_data>();
    // SAFETY: a perf event program's context is a `bpf_perf_event_data`.
    let address = unsafe { (&raw const (*data).addr).read_volatile() };
    let key = FaultKey {
        stack: thread.wait_stack,
        region: address >> REGION_SHIFT,
        tid,
        generation: totals::generation(thread),
    };
    if let Some(faults) = FAULTS.get_ptr_mut(key) {
        // SAFETY: the key holds the thread, whose faults never overlap.
        let faults = unsafe { &mut *faults };
        faults.count += 1;
        faults.address = address;
    } else if FAULTS.insert(key, Faults { count: 1, address }, 0).is_err() {
        count::one(Counter::FaultsFull);
    }
    0
}
