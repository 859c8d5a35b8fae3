//! The part of a wait for a CPU that a quota is to blame for.
//!
//! Each fair run queue of a group has a clock that runs while the group, or one above it,
//! has used up its quota on that CPU (`kernel/sched/fair.c`: `tg_throttle_down`,
//! `tg_unthrottle_up`, `record_throttle_clock`). What it gains during a wait is the
//! quota's part; nothing tells a task that it may run again.
//!
//! - From 6.18 on a throttled task leaves its run queue on its way back to user mode,
//!   marked (`task_struct.throttled`), in state running: only waits that begin so count.
//!   A task that still stands in the queue of a throttled group gets a CPU for that way.
//! - Before, the whole queue leaves with all that stand in it: any wait may become one.

use leakcpu_common::thread::{ThreadState, thread_flags};

use crate::{
    globals::{
        HAS_RQ_CLOCK_LESS, HAS_TASK_THROTTLED, HAS_THROTTLE_CLOCK, OFF_CFS_RQ_RQ,
        OFF_CFS_RQ_THROTTLE_COUNT, OFF_CFS_RQ_THROTTLED_SINCE, OFF_CFS_RQ_THROTTLED_TIME,
        OFF_RQ_CLOCK_LESS, OFF_RQ_THROTTLE_CLOCK,
    },
    task::{Struct, Task, read_kernel},
};

/// Notes what the throttle clock shows as `task` begins to wait for a CPU.
#[inline(always)]
pub fn begin_wait(thread: &mut ThreadState, task: Task, leaves_cpu: bool) {
    if HAS_THROTTLE_CLOCK.load() == 0 {
        return;
    }
    if HAS_TASK_THROTTLED.load() == 1 && (!leaves_cpu || !task.is_throttled()) {
        return;
    }
    let queue = task.cfs_rq();
    let mut clock_ns: u64 = queue.field(&OFF_CFS_RQ_THROTTLED_TIME);
    if queue.field::<u32>(&OFF_CFS_RQ_THROTTLE_COUNT) != 0 {
        thread.flags |= thread_flags::THROTTLED;
        clock_ns = clock_ns.wrapping_add(running_ns(queue));
    }
    thread.throttle_queue = queue.0 as u64;
    thread.throttle_clock_ns = clock_ns;
}

/// How much of a wait of `span_ns` that ends now was the quota's.
#[inline(always)]
pub fn end_wait(thread: &mut ThreadState, task: Task, span_ns: u64) -> u64 {
    if HAS_THROTTLE_CLOCK.load() == 0 {
        return 0;
    }
    let began_on = thread.throttle_queue;
    let was_held = thread.flags & thread_flags::THROTTLED != 0;
    if began_on == 0 {
        return 0;
    }
    thread.throttle_queue = 0;
    thread.flags &= !thread_flags::THROTTLED;
    let queue = task.cfs_rq();
    let clock_ns = if queue.0 as u64 == began_on {
        queue.field(&OFF_CFS_RQ_THROTTLED_TIME)
    } else if was_held {
        // It has been moved to another CPU, or group, since. The queue it stood in is
        // there as long as the group is.
        let address = began_on.wrapping_add(u64::from(OFF_CFS_RQ_THROTTLED_TIME.load()));
        read_kernel(address).unwrap_or(0)
    } else {
        return 0;
    };
    let gained_ns = clock_ns.wrapping_sub(thread.throttle_clock_ns);
    if gained_ns >> 63 != 0 {
        // Still throttled there, or gone: it was moved away while it was held.
        return if was_held { span_ns } else { 0 };
    }
    if gained_ns < span_ns {
        gained_ns
    } else {
        span_ns
    }
}

/// How long the clock of a throttled queue has been running.
#[inline(always)]
fn running_ns(queue: Struct) -> u64 {
    let since_ns: u64 = queue.field(&OFF_CFS_RQ_THROTTLED_SINCE);
    if since_ns == 0 {
        return 0;
    }
    let rq = Struct(queue.field::<*const u8>(&OFF_CFS_RQ_RQ));
    let mut now_ns: u64 = rq.field(&OFF_RQ_THROTTLE_CLOCK);
    if HAS_RQ_CLOCK_LESS.load() == 1 {
        now_ns = now_ns.wrapping_sub(rq.field(&OFF_RQ_CLOCK_LESS));
    }
    now_ns.saturating_sub(since_ns)
}
