//! Load-time configuration: names of the eBPF globals and bounds of what the
//! command line may ask for.

/// Most Python frames a single walk may record; the scratch buffer's size.
pub const MAX_FRAMES: usize = 512;

/// Most frames of a walk at a context switch, whatever the command line asks for: it
/// happens under the run-queue lock, where a walk must not take longer than 20 us.
pub const MAX_SWITCH_FRAMES: usize = 128;

/// Slots of the map `SWITCH_WALKS`: how many walks at a switch took that many
/// microseconds, the last one for all that took longer. As many follow for the controls.
pub const SWITCH_WALK_SLOTS: u32 = 64;

/// Reads of the clock that make up a control: about as long as a walk.
pub const CONTROL_READS: u32 = 300;

/// Code objects looked at at a context switch, leaf first, for the same reason: each takes
/// a dozen reads. Frames beyond them have no witness.
pub const MAX_SWITCH_LOOKS: usize = 8;

/// Once this much time has gone by since a context switch began, its walk ends and no
/// further code object is looked at or copied. Some 200 frames take as long if they are in
/// the CPU's caches. A step that began before takes a few microseconds more.
pub const SWITCH_BUDGET_NS: u64 = 8_000;

/// Chunks of the data stack visited for the root of a truncated stack; with 16 KiB
/// each, as CPython allocates them, enough for some ten thousand frames.
pub const MAX_CHUNKS: usize = 64;

/// Code objects copied at most for one stack.
pub const MAX_CODE_COPIES: usize = 8;

/// Thread states and interpreters visited in the kernel while looking for the one that
/// a thread has in another interpreter than the main one.
pub const MAX_SUBINTERPRETER_SEARCH: usize = 32;

/// For so long an interpreter that was the only one is taken to be that still. A new one is
/// in the list from the beginning of its making (`PyInterpreterState_New` of CPython's
/// `Python/pystate.c`) and runs a program only once it is made, which takes 4.7 ms at least
/// (`_interpreters.create`, 3.8 to 3.13).
pub const ALONE_NS: u64 = 1_000_000;

/// Fewest frames a walk may be limited to.
pub const MIN_FRAMES: usize = 16;

/// Frames recorded unless the command line says otherwise.
pub const DEFAULT_FRAMES: u32 = 128;

/// Thread-list nodes visited in the kernel while looking for a thread's `PyThreadState`.
pub const MAX_TSTATE_SEARCH: usize = 64;

/// System-call numbers that have a [`crate::syscall::SyscallSpec`].
pub const MAX_SYSCALLS: usize = 512;

/// Switches that one walk stands for at most: a thirty-second of a walk is a tenth of what a
/// switch costs anyway, and each walk more makes the estimates better.
pub const MAX_STANDS_FOR: u64 = 32;

/// Walks at a switch that took longer are not timed: the hypervisor had the CPU.
pub const LONGEST_TIMED_WALK_NS: u64 = 50_000;

/// Of 64 bits the lowest that decide whether a walk at a switch is timed: one in 16 is.
pub const TIMED_WALK_SHIFT: u32 = 60;

/// The only entry of the map `CONTROL`: what user space tells the programs that run. One
/// look-up has all of it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Control {
    /// Once not zero, the window has ended: programs leave without touching any state.
    pub stopped_ns: u64,
    /// When the window began, and 0 before: what cannot be taken off afterwards, as a longest
    /// one, is not looked at until then.
    pub begun_ns: u64,
    /// Degrades: the time between two walks of a thread's stack at switches that is aimed at;
    /// 0 where every switch is walked.
    pub walk_gap_ns: u64,
    /// Once not zero, switches that are not walked keep their times only: no registers are
    /// read, so that they have no reason.
    pub counters_only: u64,
    /// Once not zero, calls are counted where their probes fire.
    pub counts_calls: u64,
}

/// Names of the globals that the loader overrides before load. Constants to the
/// verifier, so that field offsets and absent kernel features cost nothing.
pub mod globals {
    /// Byte offset of `task_struct.pid`.
    pub const OFF_TASK_PID: &str = "OFF_TASK_PID";
    /// Byte offset of `task_struct.tgid`.
    pub const OFF_TASK_TGID: &str = "OFF_TASK_TGID";
    /// Byte offset of `task_struct.__state` (`state` before 5.14).
    pub const OFF_TASK_STATE: &str = "OFF_TASK_STATE";
    /// Bit offset of `task_struct.in_iowait`.
    pub const BIT_TASK_IN_IOWAIT: &str = "BIT_TASK_IN_IOWAIT";
    /// Byte offset of `task_struct.start_boottime` (`real_start_time` before 5.5).
    pub const OFF_TASK_START_BOOTTIME: &str = "OFF_TASK_START_BOOTTIME";
    /// Byte offset of `task_struct.thread.fsbase`.
    pub const OFF_TASK_FSBASE: &str = "OFF_TASK_FSBASE";
    /// Byte offset of `task_struct.stack`.
    pub const OFF_TASK_STACK: &str = "OFF_TASK_STACK";
    /// Distance from `task_struct.stack` to the saved user registers; used where
    /// `bpf_task_pt_regs` (5.15) is missing.
    pub const OFF_STACK_PT_REGS: &str = "OFF_STACK_PT_REGS";
    /// 1 if the kernel has `bpf_task_pt_regs`.
    pub const HAS_TASK_PT_REGS: &str = "HAS_TASK_PT_REGS";
    /// 1 if `sched_switch` passes the previous state as its fourth argument (5.18).
    pub const HAS_PREV_STATE_ARG: &str = "HAS_PREV_STATE_ARG";
    /// Byte offset of `task_struct.se.cfs_rq`.
    pub const OFF_TASK_CFS_RQ: &str = "OFF_TASK_CFS_RQ";
    /// Byte offset of `task_struct.throttled` (6.18).
    pub const OFF_TASK_THROTTLED: &str = "OFF_TASK_THROTTLED";
    /// 1 if tasks of a throttled group leave the run queue one by one (6.18).
    pub const HAS_TASK_THROTTLED: &str = "HAS_TASK_THROTTLED";
    /// 1 if the kernel has CPU quotas (`CONFIG_CFS_BANDWIDTH`) and the fields below.
    pub const HAS_THROTTLE_CLOCK: &str = "HAS_THROTTLE_CLOCK";
    /// Byte offset of `cfs_rq.throttle_count`.
    pub const OFF_CFS_RQ_THROTTLE_COUNT: &str = "OFF_CFS_RQ_THROTTLE_COUNT";
    /// Byte offset of `cfs_rq.throttled_clock_self` (6.6) or what was there before.
    pub const OFF_CFS_RQ_THROTTLED_SINCE: &str = "OFF_CFS_RQ_THROTTLED_SINCE";
    /// Byte offset of `cfs_rq.throttled_clock_self_time` (6.6) or what was there before.
    pub const OFF_CFS_RQ_THROTTLED_TIME: &str = "OFF_CFS_RQ_THROTTLED_TIME";
    /// Byte offset of `cfs_rq.rq`.
    pub const OFF_CFS_RQ_RQ: &str = "OFF_CFS_RQ_RQ";
    /// Byte offset of that clock of `struct rq` which the two fields above are read from.
    pub const OFF_RQ_THROTTLE_CLOCK: &str = "OFF_RQ_THROTTLE_CLOCK";
    /// Byte offset of what is to be taken off that clock (`rq.lost_idle_time`).
    pub const OFF_RQ_CLOCK_LESS: &str = "OFF_RQ_CLOCK_LESS";
    /// 1 if something is to be taken off.
    pub const HAS_RQ_CLOCK_LESS: &str = "HAS_RQ_CLOCK_LESS";
    /// Byte offset of `task_struct.sched_info.last_arrival`.
    pub const OFF_TASK_LAST_ARRIVAL: &str = "OFF_TASK_LAST_ARRIVAL";
    /// Byte offset of `rq.clock`.
    pub const OFF_RQ_CLOCK: &str = "OFF_RQ_CLOCK";
    /// 1 if the kernel notes when a task came to a CPU (`CONFIG_SCHED_INFO`).
    pub const HAS_LAST_ARRIVAL: &str = "HAS_LAST_ARRIVAL";
    /// Byte offset of `task_struct.comm`.
    pub const OFF_TASK_COMM: &str = "OFF_TASK_COMM";
    /// Frames recorded at most, between `MIN_FRAMES` and `MAX_FRAMES`.
    pub const FRAME_LIMIT: &str = "FRAME_LIMIT";
    /// 1 if children of watched processes are watched too.
    pub const FOLLOW_CHILDREN: &str = "FOLLOW_CHILDREN";
    /// 1 if every process that execs is watched until user space says what it is.
    pub const WATCH_EVERY_EXEC: &str = "WATCH_EVERY_EXEC";
    /// 1 if samples take the native user stack.
    pub const NATIVE_STACKS_WANTED: &str = "NATIVE_STACKS_WANTED";
    /// 1 if samples in kernel mode take the kernel's stack.
    pub const KERNEL_STACKS_WANTED: &str = "KERNEL_STACKS_WANTED";
    /// 1 if the time of every walk at a switch is noted in `SWITCH_WALKS`.
    pub const SWITCH_WALKS_TIMED: &str = "SWITCH_WALKS_TIMED";
    /// 1 if a program is told what its attachment was marked with (5.15).
    pub const HAS_ATTACH_COOKIE: &str = "HAS_ATTACH_COOKIE";
}
