//! What the interpreter and its libraries raise audit events for, counted by place.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, generated::bpf_probe_read_user_str},
    macros::{map, uprobe},
    maps::HashMap,
    programs::ProbeContext,
};
use leakcpu_common::{
    counters::Counter,
    usdt::{AUDITS as COUNTED, AuditKey, EVENT_NAME_BYTES},
};

use super::{Passed, stack};
use crate::{count, maps::THREADS, totals};

#[map]
static AUDITS: HashMap<AuditKey, u64> = HashMap::with_max_entries(COUNTED, 0);

#[uprobe]
pub fn usdt_audit(ctx: ProbeContext) -> u32 {
    let Some(passed) = Passed::by(&ctx) else {
        return 0;
    };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let name = passed.argument(0).unwrap_or(0);
    let stack = stack(passed.thread, now_ns);
    audited(passed.tid, stack, name);
    0
}

/// Counts an event of thread `tid`, whose name is at `name`.
///
/// A global function, so that its stack is none of that of a walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn audited(tid: u32, stack: u64, name: u64) -> u32 {
    let Some(thread) = THREADS.get_ptr(tid) else {
        return 0;
    };
    // SAFETY: the current thread's entry.
    let thread = unsafe { &*thread };
    let mut key = AuditKey {
        stack,
        tid,
        thread_generation: totals::generation(thread),
        event: [0; EVENT_NAME_BYTES],
    };
    let to = (&raw mut key.event).cast();
    // What cannot be read has no name. (Bytes behind the end are zero: commit 6fa6d28051e9,
    // 5.10.)
    // SAFETY: the helper writes no more than there is room for, or fails.
    let _ = unsafe { bpf_probe_read_user_str(to, EVENT_NAME_BYTES as u32, name as *const _) };
    if let Some(times) = AUDITS.get_ptr_mut(key) {
        // SAFETY: a word of a map; the key holds the thread.
        unsafe { *times += 1 };
    } else if AUDITS.insert(key, 1, 0).is_err() {
        count::one(Counter::AuditsFull);
    }
    0
}
