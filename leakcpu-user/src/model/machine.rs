//! The machine's part: what kept threads from running, and what it says of their times.

use serde::{Deserialize, Serialize};

/// Our times of a thread (or sums over threads) beside the scheduler's own, between two
/// looks at `/proc/PID/task/TID/schedstat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Threads compared. Those that were born or ended within a moment are not.
    pub threads: u64,
    /// Looks taken.
    pub looks: u64,
    /// Time between the first and the last look.
    pub span_ns: u64,
    /// On a CPU in between, by our accounts.
    pub on_cpu_ns: u64,
    /// The same by the scheduler's. It leaves out what the hypervisor and interrupts took,
    /// if the kernel was built so.
    pub schedstat_on_cpu_ns: u64,
    /// Ready to run without running, throttled or not, by our accounts.
    pub ready_ns: u64,
    /// The same by the scheduler's: its run delay.
    pub schedstat_run_delay_ns: u64,
    /// What the hypervisor and interrupts took of the time on a CPU: estimated.
    pub taken_ns: u64,
    /// Time that the two put into different states; what `taken_ns` explains is left out.
    pub residual_ns: u64,
}

impl Accounts {
    /// Compares one thread's figures: sets `residual_ns`.
    #[must_use]
    pub fn compared(mut self) -> Self {
        let taken = i128::from(self.taken_ns);
        let on_cpu = i128::from(self.on_cpu_ns) - i128::from(self.schedstat_on_cpu_ns);
        // Part of what was taken may or may not be in the scheduler's figure.
        let on_cpu = on_cpu - on_cpu.clamp(0, taken);
        let ready = i128::from(self.ready_ns) - i128::from(self.schedstat_run_delay_ns);
        // The rest of the span is blocked, so its difference makes up for the others'.
        let residual = on_cpu.abs().max(ready.abs()).max((on_cpu + ready).abs());
        self.residual_ns = u64::try_from(residual).unwrap_or(u64::MAX);
        self
    }

    /// Adds another thread's.
    pub const fn add(&mut self, other: &Self) {
        self.threads += other.threads;
        self.looks += other.looks;
        self.span_ns += other.span_ns;
        self.on_cpu_ns += other.on_cpu_ns;
        self.schedstat_on_cpu_ns += other.schedstat_on_cpu_ns;
        self.ready_ns += other.ready_ns;
        self.schedstat_run_delay_ns += other.schedstat_run_delay_ns;
        self.taken_ns += other.taken_ns;
        self.residual_ns += other.residual_ns;
    }

    /// `residual_ns` as a share of the span.
    pub fn residual_share(&self) -> f64 {
        self.residual_ns as f64 / self.span_ns.max(1) as f64
    }
}

/// A CPU quota that holds for a process: its own group's, or that of one above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// The group.
    pub cgroup: String,
    /// CPU time that its tasks may use in each period, over all CPUs.
    pub quota_ns: u64,
    /// The period.
    pub period_ns: u64,
    /// Periods in the window in which one of its tasks was active.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Time for which the group was held back, summed over CPUs.
    pub throttled_ns: u64,
}

/// A process that had the CPU while threads of another were ready to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanInstead {
    /// The process; 0 where the CPU was idle.
    pub pid: u32,
    /// The kernel's name for it.
    pub name: String,
    /// For how long it was on a CPU that they waited for, right before they got it. Who ran
    /// earlier in a long wait is not seen.
    pub ran_ns: u64,
    /// How many such waits.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::Accounts;

    fn residual(on_cpu: [u64; 2], ready: [u64; 2], taken_ns: u64) -> u64 {
        let accounts = Accounts {
            on_cpu_ns: on_cpu[0],
            schedstat_on_cpu_ns: on_cpu[1],
            ready_ns: ready[0],
            schedstat_run_delay_ns: ready[1],
            taken_ns,
            ..Accounts::default()
        };
        accounts.compared().residual_ns
    }

    #[test]
    fn the_residual_is_time_in_the_wrong_state() {
        assert_eq!(residual([50, 50], [20, 20], 0), 0);
        // 10 that ran and were called ready.
        assert_eq!(residual([40, 50], [30, 20], 0), 10);
        // 10 that ran and 5 that were ready, both called blocked.
        assert_eq!(residual([40, 50], [15, 20], 0), 15);
    }

    #[test]
    fn what_was_taken_from_outside_is_no_error() {
        assert_eq!(residual([60, 50], [0, 0], 10), 0);
        assert_eq!(residual([60, 50], [0, 0], 4), 6);
        assert_eq!(residual([50, 50], [0, 0], 4), 0);
        // It can only make our figure the larger one.
        assert_eq!(residual([50, 60], [0, 0], 10), 10);
    }
}
