//! What is imported, as the interpreter's own probes say it.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, generated::bpf_probe_read_user_str},
    macros::uprobe,
    programs::ProbeContext,
};
use leakcpu_common::{
    counters::Counter,
    event::{EventHeader, ImportEvent, MODULE_NAME_BYTES, kind},
    usdt::probe,
};

use super::{Passed, on_cpu_ns};
use crate::{
    count,
    maps::{EVENTS, NO_WAKEUP},
};

#[uprobe]
pub fn usdt_import(ctx: ProbeContext) -> u32 {
    let Some(passed) = Passed::by(&ctx) else {
        return 0;
    };
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let is_done = passed.site.probe == probe::IMPORT_DONE;
    let found = if is_done {
        passed.argument(1).unwrap_or(0) as u32
    } else {
        0
    };
    let name = passed.argument(0).unwrap_or(0);
    let mut event = ImportEvent {
        header: EventHeader {
            kind: if is_done {
                kind::IMPORT_DONE
            } else {
                kind::IMPORT_START
            },
            pid: passed.thread.pid,
            tid: passed.tid,
            count: 0,
            ktime_ns: now_ns,
        },
        on_cpu_ns: on_cpu_ns(passed.thread, now_ns),
        blocked_ns: passed.thread.blocked_ns,
        found,
        name_bytes: 0,
        name: [0; MODULE_NAME_BYTES],
    };
    let to = (&raw mut event.name).cast();
    // SAFETY: the helper writes no more than there is room for, or fails.
    let bytes = unsafe { bpf_probe_read_user_str(to, MODULE_NAME_BYTES as u32, name as *const _) };
    event.name_bytes = u32::try_from(bytes).unwrap_or(0);
    if EVENTS.output::<ImportEvent>(&event, NO_WAKEUP).is_err() {
        count::one(Counter::ImportRingFull);
    }
    0
}
