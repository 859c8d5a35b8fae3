//! Sums over stack times and threads.

use std::collections::BTreeMap;

use super::apportion::{apportion, at_most};
use super::{Accounts, Process, Reason, StackTimeKind, Thread, ThreadTimes};

/// On-CPU time by mode: estimated from samples, sums to the exact on-CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSplit {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub kernel_ns: u64,
}

/// What one entry of [`Thread::stack_times`] stands for, in nanoseconds of the
/// thread's exact times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// On a CPU: the thread's exact on-CPU time, spread over its samples.
    pub on_cpu_ns: u64,
    /// Blocked.
    pub blocked_ns: u64,
    /// Ready but not running.
    pub runnable_ns: u64,
    /// Waiting for the GIL, coalesced.
    pub gil_wait_ns: u64,
}

impl StackTimeKind {
    /// Whether this is an on-CPU sample.
    pub const fn is_on_cpu(&self) -> bool {
        matches!(self, Self::OnCpuUser | Self::OnCpuKernel { .. })
    }

    /// The reason, if this is blocked time.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Blocked { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

impl ThreadTimes {
    /// Adds the times of another thread.
    pub fn add(&mut self, other: &Self) {
        self.wall_ns += other.wall_ns;
        self.on_cpu_ns += other.on_cpu_ns;
        self.runnable_ns += other.runnable_ns;
        self.throttled_ns = sum_of_known(self.throttled_ns, other.throttled_ns);
        self.steal_ns = sum_of_known(self.steal_ns, other.steal_ns);
        self.blocked_ns += other.blocked_ns;
        self.unaccounted_ns += other.unaccounted_ns;
        self.gil_wait_ns += other.gil_wait_ns;
    }
}

/// What is not known adds nothing.
fn sum_of_known(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
    }
}

impl Thread {
    /// On-CPU samples taken.
    pub fn samples(&self) -> u64 {
        self.stack_times
            .iter()
            .filter(|entry| entry.kind.is_on_cpu())
            .map(|entry| entry.count)
            .sum()
    }

    /// What each entry of `stack_times` stands for. No column exceeds the thread's
    /// exact time; what no entry carries is unattributed.
    pub fn charges(&self) -> Vec<Charge> {
        let column = |of: &dyn Fn(&super::StackTime) -> u64| -> Vec<u64> {
            self.stack_times.iter().map(of).collect()
        };
        let samples = column(&|e| if e.kind.is_on_cpu() { e.count } else { 0 });
        let on_cpu = apportion(self.times.on_cpu_ns, &samples);
        let blocked = at_most(self.times.blocked_ns, column(&|e| e.blocked_ns));
        let runnable = at_most(self.times.runnable_ns, column(&|e| e.runnable_ns));
        let gil_blocked = column(&|e| match e.kind.reason() {
            Some(Reason::Gil) => e.blocked_ns,
            _ => 0,
        });
        let gil = if self.times.gil_wait_ns == 0 {
            gil_blocked
        } else {
            apportion(self.times.gil_wait_ns, &gil_blocked)
        };
        (0..self.stack_times.len())
            .map(|i| Charge {
                on_cpu_ns: on_cpu[i],
                blocked_ns: blocked[i],
                runnable_ns: runnable[i],
                gil_wait_ns: gil[i],
            })
            .collect()
    }

    /// User and kernel share of the on-CPU time; `None` without a sample.
    pub fn cpu_split(&self) -> Option<CpuSplit> {
        if self.samples() == 0 {
            return None;
        }
        let mut split = CpuSplit::default();
        for (entry, charge) in self.stack_times.iter().zip(self.charges()) {
            if matches!(entry.kind, StackTimeKind::OnCpuKernel { .. }) {
                split.kernel_ns += charge.on_cpu_ns;
            } else {
                split.user_ns += charge.on_cpu_ns;
            }
        }
        Some(split)
    }

    /// Blocked time of which the reason is estimated.
    pub fn reasons_estimated_ns(&self) -> u64 {
        let entries = self.stack_times.iter().zip(self.charges());
        entries
            .map(|(entry, charge)| entry.reason_estimated_ns.min(charge.blocked_ns))
            .sum()
    }

    /// Blocked time by reason.
    pub fn blocked_by_reason(&self) -> BTreeMap<Reason, u64> {
        let mut sums = BTreeMap::new();
        for (entry, charge) in self.stack_times.iter().zip(self.charges()) {
            if let Some(reason) = entry.kind.reason() {
                *sums.entry(reason).or_default() += charge.blocked_ns;
            }
        }
        sums.retain(|_, ns| *ns > 0);
        sums
    }
}

impl Process {
    /// The sums of the threads' times.
    pub fn times(&self) -> ThreadTimes {
        let mut sum = ThreadTimes::default();
        for thread in &self.threads {
            sum.add(&thread.times);
        }
        sum
    }

    /// Its times beside the scheduler's, of all threads that could be compared.
    pub fn accounts(&self) -> Option<Accounts> {
        let mut sum = Accounts::default();
        for accounts in self.threads.iter().filter_map(|thread| thread.accounts) {
            sum.add(&accounts);
        }
        (sum.threads > 0).then_some(sum)
    }

    /// User and kernel share of the on-CPU time. `None` unless every thread that
    /// ran was sampled, or the rest is too small (1 %) to change the picture: it is
    /// then split as the sampled part.
    pub fn cpu_split(&self) -> Option<CpuSplit> {
        let mut sum = CpuSplit::default();
        for split in self.threads.iter().filter_map(Thread::cpu_split) {
            sum.user_ns += split.user_ns;
            sum.kernel_ns += split.kernel_ns;
        }
        let total = self.times().on_cpu_ns;
        let sampled = sum.user_ns + sum.kernel_ns;
        if sampled == 0 || total - sampled > total / 100 {
            return None;
        }
        let parts = apportion(total, &[sum.user_ns, sum.kernel_ns]);
        Some(CpuSplit {
            user_ns: parts[0],
            kernel_ns: parts[1],
        })
    }

    /// Blocked time of which the reason is estimated, over all threads.
    pub fn reasons_estimated_ns(&self) -> u64 {
        self.threads.iter().map(Thread::reasons_estimated_ns).sum()
    }

    /// Blocked time by reason, over all threads.
    pub fn blocked_by_reason(&self) -> BTreeMap<Reason, u64> {
        let mut sums = BTreeMap::new();
        for (reason, ns) in self.threads.iter().flat_map(Thread::blocked_by_reason) {
            *sums.entry(reason).or_default() += ns;
        }
        sums
    }
}
