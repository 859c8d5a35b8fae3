//! The machine's part in the reasons for a verdict: quotas, other programs, the hypervisor.

use super::because::{Subject, reason};
use super::decide::Decision;
use super::say::{duration, percent};
use super::spent::Bucket;
use super::{Because, Class, Detail};
use crate::model::CpuQuota;

/// Rivals named in one sentence.
const NAMED: usize = 2;
/// A rival is named if this share of the waits is its.
const NAMED_MIN_SHARE: f64 = 0.1;

impl Subject<'_> {
    /// Why it is starved.
    pub(super) fn starved(&self, decision: &Decision) -> Vec<Because> {
        let throttled_ns = self.spent.get(Bucket::Throttled);
        let queued_ns = self.spent.get(Bucket::RunQueue);
        let mut reasons = if decision.detail == Some(Detail::Throttled) {
            let mut reasons = vec![self.held_back(throttled_ns)];
            reasons.extend(self.quota());
            reasons
        } else {
            let mut reasons = vec![reason(
                format!("{} ready to run with no CPU free", self.span(queued_ns)),
                "runnable_ns",
                queued_ns as f64,
                "ns",
            )];
            reasons.extend(self.ran_instead());
            reasons
        };
        reasons.push(self.on_cpu());
        if let Some(inner) = decision.otherwise.filter(|c| *c != Class::Unknown) {
            let share = self.spent.without_starvation().ranking();
            let share = share.first().map_or(0.0, |&(_, share)| share);
            reasons.push(reason(
                format!("with a CPU of its own it would be {inner}"),
                "otherwise_share",
                share,
                "ratio",
            ));
        }
        reasons
    }

    /// The quota of a program whose class is another one.
    pub(super) fn throttled_besides(&self) -> Option<Because> {
        let ns = self.spent.get(Bucket::Throttled);
        (ns as f64 >= self.wall_ns as f64 * 0.1).then(|| {
            reason(
                format!("and {} held back by a CPU quota", self.span(ns)),
                "throttled_ns",
                ns as f64,
                "ns",
            )
        })
    }

    /// What the hypervisor took, if it is much.
    pub(super) fn stolen(&self) -> Option<Because> {
        let stolen = |ns: Option<u64>| ns.unwrap_or(0);
        let ns: u64 = self
            .threads
            .iter()
            .map(|(thread, _)| stolen(thread.times.steal_ns))
            .sum();
        let share = ns as f64 / self.spent.on_cpu_ns.max(1) as f64;
        (ns > 0 && share >= self.limits.steal_min_share).then(|| {
            reason(
                format!(
                    "about {} of its time on a CPU was the hypervisor's ({})",
                    percent(share),
                    duration(ns)
                ),
                "steal_ns",
                ns as f64,
                "ns",
            )
        })
    }

    fn held_back(&self, ns: u64) -> Because {
        let text = format!("{} held back by a CPU quota", self.span(ns));
        reason(text, "throttled_ns", ns as f64, "ns")
    }

    /// The quota that was used up most often.
    fn quota(&self) -> Option<Because> {
        let quota = self
            .process
            .quotas
            .iter()
            .max_by_key(|quota| quota.throttled_ns)
            .filter(|quota| quota.throttled_periods > 0)?;
        Some(reason(
            format!(
                "{} may use {}, used up in {} of {} periods",
                quota.cgroup,
                allowance(quota),
                quota.throttled_periods,
                quota.periods
            ),
            "throttled_periods",
            quota.throttled_periods as f64,
            "count",
        ))
    }

    /// Who had the CPUs.
    fn ran_instead(&self) -> Option<Because> {
        let all: u64 = self.process.ran_instead.iter().map(|r| r.ran_ns).sum();
        let share = |ns: u64| ns as f64 / all.max(1) as f64;
        let rivals: Vec<_> = self
            .process
            .ran_instead
            .iter()
            .take(NAMED)
            .filter(|rival| share(rival.ran_ns) >= NAMED_MIN_SHARE)
            .collect();
        let first = rivals.first()?;
        let names: Vec<String> = rivals
            .iter()
            .map(|rival| {
                let part = percent(share(rival.ran_ns));
                match rival.pid {
                    0 => format!("nobody, on an idle CPU ({part})"),
                    pid if pid == self.process.pid.0 => format!("its own threads ({part})"),
                    pid => format!("{} {pid} ({part})", rival.name),
                }
            })
            .collect();
        Some(reason(
            format!("meanwhile ran {}", names.join(", ")),
            "ran_instead_ns",
            first.ran_ns as f64,
            "ns",
        ))
    }
}

/// `0.2 CPUs`
fn allowance(quota: &CpuQuota) -> String {
    let cpus = quota.quota_ns as f64 / quota.period_ns.max(1) as f64;
    let digits = if cpus < 10.0 {
        format!("{cpus:.2}")
    } else {
        format!("{cpus:.0}")
    };
    let short = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    match short {
        "1" => "1 CPU".to_owned(),
        _ => format!("{short} CPUs"),
    }
}

#[cfg(test)]
mod tests {
    use super::allowance;
    use crate::model::CpuQuota;

    #[test]
    fn quotas_are_said_in_cpus() {
        let said = |quota_ns, period_ns| {
            allowance(&CpuQuota {
                cgroup: "/".to_owned(),
                quota_ns,
                period_ns,
                periods: 0,
                throttled_periods: 0,
                throttled_ns: 0,
            })
        };
        assert_eq!(said(20_000, 100_000), "0.2 CPUs");
        assert_eq!(said(100_000, 100_000), "1 CPU");
        assert_eq!(said(250_000, 100_000), "2.5 CPUs");
        assert_eq!(said(10_000_000, 100_000), "100 CPUs");
    }
}
