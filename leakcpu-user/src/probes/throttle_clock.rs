//! Where the kernel keeps the time for which a CPU quota held a run queue back.

use super::kernel_btf::{BtfError, KernelBtf};

/// Byte offsets that `leakcpu-ebpf`'s `throttle` reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottleClock {
    /// `task_struct.throttled` (6.18); `None` where whole queues are throttled.
    pub task_throttled: Option<u32>,
    /// `cfs_rq.throttle_count`.
    pub throttle_count: u32,
    /// When the queue's clock began to run.
    pub since: u32,
    /// What it had gathered before.
    pub time: u32,
    /// The clock of `struct rq` that the queue's is taken from.
    pub rq_clock: u32,
    /// What is to be taken off that.
    pub rq_clock_less: Option<u32>,
    /// The clock stands still while the hypervisor or interrupts have the CPU: before 6.6.
    pub is_task_clock: bool,
}

/// Names of the two fields and of the clock, newest first: 6.6, 5.19, before.
const NAMES: [(&str, &str, &str, Option<&str>); 3] = [
    (
        "throttled_clock_self",
        "throttled_clock_self_time",
        "clock",
        None,
    ),
    (
        "throttled_clock_pelt",
        "throttled_clock_pelt_time",
        "clock_pelt",
        Some("lost_idle_time"),
    ),
    (
        "throttled_clock_task",
        "throttled_clock_task_time",
        "clock_task",
        None,
    ),
];

impl ThrottleClock {
    /// Looks the fields up; `None` for a kernel without CPU quotas
    /// (`CONFIG_CFS_BANDWIDTH`).
    pub fn from_btf(btf: &KernelBtf) -> Option<Self> {
        let found = NAMES
            .iter()
            .find_map(|names| Self::with_names(btf, names).ok())?;
        Some(found)
    }

    fn with_names(
        btf: &KernelBtf,
        (since, time, clock, less): &(&str, &str, &str, Option<&str>),
    ) -> Result<Self, BtfError> {
        Ok(Self {
            task_throttled: btf.byte_offset("task_struct", "throttled").ok(),
            throttle_count: btf.byte_offset("cfs_rq", "throttle_count")?,
            since: btf.byte_offset("cfs_rq", since)?,
            time: btf.byte_offset("cfs_rq", time)?,
            rq_clock: btf.byte_offset("rq", clock)?,
            rq_clock_less: less.map(|name| btf.byte_offset("rq", name)).transpose()?,
            is_task_clock: *clock != "clock",
        })
    }
}
