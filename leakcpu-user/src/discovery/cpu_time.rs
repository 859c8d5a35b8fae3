//! What the CPUs did, from `/proc/stat`, and whether a hypervisor is there to take them.

use std::fs;

use super::{DiscoveryError, process::clock_tick_ns};

const PATH: &str = "/proc/stat";

/// Sums over all CPUs since boot, in steps of [`clock_tick_ns`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Not idle, whoever had them: the hypervisor too.
    pub busy_ns: u64,
    /// In interrupts, hard and soft.
    pub interrupts_ns: u64,
    /// Taken by the hypervisor while a task was to run.
    pub steal_ns: u64,
}

impl CpuTime {
    /// Reads the line `cpu`.
    pub fn read() -> Result<Self, DiscoveryError> {
        let text = fs::read_to_string(PATH).map_err(|error| DiscoveryError::Io {
            path: PATH.to_owned(),
            error,
        })?;
        Self::parse(&text).ok_or_else(|| DiscoveryError::Malformed {
            path: PATH.to_owned(),
        })
    }

    /// `cpu user nice system idle iowait irq softirq steal guest guest_nice`: the last two
    /// are part of the first two (`fs/proc/stat.c`).
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line
            .split_ascii_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let &[user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks.as_slice()
        else {
            return None;
        };
        let ns = |ticks: u64| ticks.saturating_mul(clock_tick_ns());
        let busy = [user, nice, system, irq, softirq, steal];
        Some(Self {
            busy_ns: busy.into_iter().map(ns).fold(0, u64::saturating_add),
            interrupts_ns: ns(irq).saturating_add(ns(softirq)),
            steal_ns: ns(steal),
        })
    }

    /// What was added since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            busy_ns: self.busy_ns.saturating_sub(before.busy_ns),
            interrupts_ns: self.interrupts_ns.saturating_sub(before.interrupts_ns),
            steal_ns: self.steal_ns.saturating_sub(before.steal_ns),
        }
    }

    /// The part of `whole_ns` that belongs to `on_cpu_ns` of the busy time.
    pub fn share(&self, whole_ns: u64, on_cpu_ns: u64) -> u64 {
        let part = u128::from(whole_ns) * u128::from(on_cpu_ns) / u128::from(self.busy_ns.max(1));
        // Ticks are coarse: no more than was on a CPU.
        u64::try_from(part).unwrap_or(u64::MAX).min(on_cpu_ns)
    }
}

/// Whether this kernel runs on a hypervisor, as the CPU says; `None` where it does not
/// say (other than x86).
pub fn is_virtual_machine() -> Option<bool> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    Some(
        flags
            .split_ascii_whitespace()
            .any(|flag| flag == "hypervisor"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_the_line() {
        let tick = clock_tick_ns();
        let text = "cpu  10 1 5 900 7 2 3 4 6 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n";
        let time = CpuTime::parse(text).unwrap();
        assert_eq!(time.busy_ns, 25 * tick);
        assert_eq!(time.interrupts_ns, 5 * tick);
        assert_eq!(time.steal_ns, 4 * tick);
        assert_eq!(time.share(time.steal_ns, 5 * tick), 4 * tick / 5);
        assert_eq!(CpuTime::parse("cpu 1 2\n"), None);
        assert_eq!(CpuTime::parse("intr 5\n"), None);
    }

    #[test]
    fn this_machine_has_been_busy() {
        assert!(CpuTime::read().unwrap().busy_ns > 0);
    }
}
