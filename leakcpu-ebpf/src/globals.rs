//! Facts about the running kernel and the run, set by the loader before load.
//! Frozen read-only data: the verifier sees constants and prunes dead branches.

use aya_ebpf::Global;

macro_rules! global {
    ($($name:ident: $ty:ty = $value:expr;)+) => {$(
        #[unsafe(no_mangle)]
        pub static $name: Global<$ty> = Global::new($value);
    )+};
}

// Offsets in `task_struct`; the defaults are 6.18's and always overridden.
global! {
    OFF_TASK_PID: u32 = 0;
    OFF_TASK_TGID: u32 = 0;
    OFF_TASK_STATE: u32 = 24;
    BIT_TASK_IN_IOWAIT: u32 = 9544;
    OFF_TASK_START_BOOTTIME: u32 = 1560;
    OFF_TASK_FSBASE: u32 = 3128;
    OFF_TASK_STACK: u32 = 32;
    OFF_STACK_PT_REGS: u32 = 16_216;
    HAS_TASK_PT_REGS: u32 = 1;
    HAS_PREV_STATE_ARG: u32 = 1;
    OFF_TASK_CFS_RQ: u32 = 296;
    OFF_TASK_THROTTLED: u32 = 752;
    HAS_TASK_THROTTLED: u32 = 1;
    HAS_THROTTLE_CLOCK: u32 = 1;
    OFF_CFS_RQ_THROTTLE_COUNT: u32 = 420;
    OFF_CFS_RQ_THROTTLED_SINCE: u32 = 400;
    OFF_CFS_RQ_THROTTLED_TIME: u32 = 408;
    OFF_CFS_RQ_RQ: u32 = 312;
    OFF_RQ_THROTTLE_CLOCK: u32 = 2776;
    OFF_RQ_CLOCK_LESS: u32 = 0;
    HAS_RQ_CLOCK_LESS: u32 = 0;
    OFF_TASK_COMM: u32 = 1752;
    OFF_TASK_LAST_ARRIVAL: u32 = 1024;
    OFF_RQ_CLOCK: u32 = 2776;
    HAS_LAST_ARRIVAL: u32 = 1;
    FRAME_LIMIT: u32 = 128;
    FOLLOW_CHILDREN: u32 = 0;
    WATCH_EVERY_EXEC: u32 = 0;
    NATIVE_STACKS_WANTED: u32 = 0;
    KERNEL_STACKS_WANTED: u32 = 0;
    SWITCH_WALKS_TIMED: u32 = 0;
    HAS_ATTACH_COOKIE: u32 = 1;
}
