//! `mem.swap`: memory that has to come back from the disk first.

use super::waited::waited;
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::{Class, say},
    model::Reason,
};

/// The rule.
pub struct Swap;

impl Rule for Swap {
    fn name(&self) -> &'static str {
        "mem.swap"
    }

    fn about(&self) -> &'static str {
        "The program touches memory that was swapped out, and waits until it is back."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Everything is slow by turns, and the disk is busy.",
            evidence: "Time blocked in page faults that swap in, by the function that touched the memory.",
            needs: "Context switches.",
            fix: "Keep less in memory: in parts, from an iterator, in arrays; or give it more memory, or a higher limit. Less swap alone ends in the kernel killing the process.",
            slow: "rows = list(read(path))    # more than there is memory",
            fixed: "for rows in batched(read(path), 10_000):\n    handle(rows)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = waited(case.process, |time, _| {
            time.kind.reason() == Some(Reason::Swap)
        });
        let span_ns = case.verdicts.span_ns;
        let by_reason = case.process.blocked_by_reason();
        let of = |reason| by_reason.get(&reason).copied().unwrap_or(0);
        let swapped_ns = of(Reason::Swap);
        let longest = case.process.threads.iter().map(|thread| {
            let by_reason = thread.blocked_by_reason();
            by_reason.get(&Reason::Swap).copied().unwrap_or(0)
        });
        let busiest_ns = longest.max().unwrap_or(0);
        let is_long = busiest_ns as f64 >= span_ns as f64 * case.thresholds.wait_share / 2.0;
        let is_verdict =
            case.verdicts.verdict.class == Class::MemoryBound && swapped_ns > of(Reason::PageFault);
        if busiest_ns == 0 || !(is_long || is_verdict) {
            return Vec::new();
        }
        let place = found.first().map(|found| found.place.clone());
        let at = place
            .as_ref()
            .map_or(String::new(), |place| format!(" in {}", place.short()));
        let recoverable = per_second(busiest_ns, span_ns);
        vec![Finding {
            evidence: vec![figure(
                format!(
                    "{} waiting for memory that was swapped out",
                    say::part_of(busiest_ns, span_ns)
                ),
                "swap_wait_ns",
                busiest_ns as f64,
                "ns",
            )],
            cause: "What it works on does not fit into the memory that it may have.".to_owned(),
            fix: format!(
                "make its working set fit into memory: work in parts{at}, or raise the memory limit"
            ),
            ..case.finding(self.name(), place, recoverable)
        }]
    }
}
