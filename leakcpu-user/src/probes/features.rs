//! What the running kernel is like, as far as the programs must know.

use super::{
    kernel_btf::{BtfError, KernelBtf},
    throttle_clock::ThrottleClock,
};

/// Bytes of a kernel stack on x86-64 (`THREAD_SIZE`) and of `struct pt_regs`.
const THREAD_SIZE: u32 = 16_384;
const PT_REGS_BYTES: u32 = 168;
/// Padding at the top of the stack of kernels with FRED (`CONFIG_X86_FRED`).
const FRED_PADDING: u32 = 16;

/// Why the kernel's facts could not be told.
#[derive(Debug, thiserror::Error)]
pub enum KernelFactsError {
    /// No BTF, or it lacks something that every supported kernel has.
    #[error(transparent)]
    Btf(#[from] BtfError),
}

/// Field offsets and features of the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFacts {
    /// `task_struct.pid`, bytes.
    pub task_pid: u32,
    /// `task_struct.tgid`, bytes.
    pub task_tgid: u32,
    /// `task_struct.__state` (5.14) or `.state`, bytes.
    pub task_state: u32,
    /// `task_struct.in_iowait`, bits.
    pub task_in_iowait_bit: u32,
    /// `task_struct.start_boottime` (5.5) or `.real_start_time`, bytes.
    pub task_start_boottime: u32,
    /// `task_struct.thread.fsbase`, bytes.
    pub task_fsbase: u32,
    /// `task_struct.stack`, bytes.
    pub task_stack: u32,
    /// From `stack` to the saved user registers, bytes.
    pub stack_pt_regs: u32,
    /// The helper `bpf_task_pt_regs` exists (5.15).
    pub has_task_pt_regs: bool,
    /// Attachments of perf events can be marked (5.15).
    pub has_attach_cookie: bool,
    /// One link may run a program at many places of a file (6.6).
    pub has_uprobe_multi: bool,
    /// `sched_switch` passes the previous state (5.18).
    pub has_prev_state_arg: bool,
    /// `task_struct.comm`, bytes.
    pub task_comm: u32,
    /// From a task to its run queue; `None` without groups (`CONFIG_FAIR_GROUP_SCHED`).
    pub queue: Option<RunQueue>,
    /// `task_struct.sched_info.last_arrival`, bytes; `None` without `CONFIG_SCHED_INFO`.
    pub task_last_arrival: Option<u32>,
    /// Where the quota's part of a wait is read; `None` without CPU quotas.
    pub throttle: Option<ThrottleClock>,
}

impl KernelFacts {
    /// Whether the kernel tells which part of a wait for a CPU is a quota's.
    pub const fn measures_throttling(&self) -> bool {
        self.throttle.is_some() && self.queue.is_some()
    }

    /// Looks the facts up in the kernel's BTF.
    pub fn from_btf(btf: &KernelBtf) -> Result<Self, KernelFactsError> {
        let either = |new: &str, old: &str| {
            btf.byte_offset("task_struct", new)
                .or_else(|_| btf.byte_offset("task_struct", old))
        };
        let fred = if btf.has_struct("fred_info") {
            FRED_PADDING
        } else {
            0
        };
        Ok(Self {
            task_pid: btf.byte_offset("task_struct", "pid")?,
            task_tgid: btf.byte_offset("task_struct", "tgid")?,
            task_state: either("__state", "state")?,
            task_in_iowait_bit: btf.bit_offset("task_struct", "in_iowait")?,
            task_start_boottime: either("start_boottime", "real_start_time")?,
            task_fsbase: btf.byte_offset("task_struct", "thread.fsbase")?,
            task_stack: btf.byte_offset("task_struct", "stack")?,
            stack_pt_regs: THREAD_SIZE - PT_REGS_BYTES - fred,
            // The UAPI enumeration of helpers is not in every kernel's BTF as a
            // name we index; the function that implements the helper is.
            has_task_pt_regs: btf.has_func("bpf_task_pt_regs"),
            has_attach_cookie: btf.has_func("bpf_get_attach_cookie_trace"),
            // Loading tells nothing: earlier kernels do not look at what a program of this
            // kind is to be attached to.
            has_uprobe_multi: btf.has_func("bpf_uprobe_multi_link_attach"),
            has_prev_state_arg: btf.tracepoint_args("sched_switch")? >= 4,
            task_comm: btf.byte_offset("task_struct", "comm")?,
            queue: RunQueue::from_btf(btf).ok(),
            task_last_arrival: btf
                .byte_offset("task_struct", "sched_info.last_arrival")
                .ok(),
            throttle: ThrottleClock::from_btf(btf),
        })
    }
}

/// The way from a task to the clock of its run queue, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunQueue {
    /// `task_struct.se.cfs_rq`.
    pub task_cfs_rq: u32,
    /// `cfs_rq.rq`.
    pub cfs_rq_rq: u32,
    /// `rq.clock`.
    pub rq_clock: u32,
}

impl RunQueue {
    fn from_btf(btf: &KernelBtf) -> Result<Self, BtfError> {
        Ok(Self {
            task_cfs_rq: btf.byte_offset("task_struct", "se.cfs_rq")?,
            cfs_rq_rq: btf.byte_offset("cfs_rq", "rq")?,
            rq_clock: btf.byte_offset("rq", "clock")?,
        })
    }
}
