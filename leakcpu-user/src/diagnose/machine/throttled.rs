//! `cpu.throttled`: ready to run, and a quota keeps it from it.

use crate::classify::{Class, Detail};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};

/// The rule.
pub struct Throttled;

impl Rule for Throttled {
    fn name(&self) -> &'static str {
        "cpu.throttled"
    }

    fn about(&self) -> &'static str {
        "The CPU quota of its control group keeps the process from running, however idle the machine is."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A pod is slow at 20 % CPU.",
            evidence: "Time in which the control group's quota kept the threads from running, and the quota itself.",
            needs: "The cpu controller, v1 or v2.",
            fix: "Raise the quota, or run fewer threads: what all of them use in a period counts.",
            slow: "resources: {limits: {cpu: 200m}}    # and eight threads",
            fixed: "resources: {requests: {cpu: 200m}}    # no limit, or one that fits",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let verdict = &case.verdicts.verdict;
        if verdict.class != Class::CpuStarved || verdict.detail != Some(Detail::Throttled) {
            return Vec::new();
        }
        let held_back = case.process.times().throttled_ns.unwrap_or(0);
        let held_back = per_second(held_back, case.verdicts.span_ns);
        let mut evidence = verdict.because.clone();
        // The innermost group is the first.
        let quota = case.process.quotas.first();
        evidence.extend(quota.map(|quota| {
            figure(
                format!(
                    "{} may have {:.2} CPUs",
                    quota.cgroup,
                    quota.quota_ns as f64 / quota.period_ns.max(1) as f64
                ),
                "quota_ns",
                quota.quota_ns as f64,
                "ns",
            )
        }));
        vec![Finding {
            evidence,
            cause: "It uses its quota up early in each period and stands still for the rest."
                .to_owned(),
            fix: "raise the CPU quota of its cgroup (cpu.max), or run fewer threads; the code is not the cause"
                .to_owned(),
            ..case.finding(self.name(), verdict.blame.clone(), held_back)
        }]
    }
}
