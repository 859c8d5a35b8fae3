//! `cpu.exceptions`: exceptions are how a loop finds out what is common.

use super::spots::{Spots, spots};
use crate::bytecode::Operation;
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity};

/// Fewer samples in handlers say nothing.
const MIN_SAMPLES: u64 = 5;

/// The rule.
pub struct Exceptions;

impl Rule for Exceptions {
    fn name(&self) -> &'static str {
        "cpu.exceptions"
    }

    fn about(&self) -> &'static str {
        "Exceptions are raised and caught in a loop, for what is no exception there."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Rows that lack something take several times as long as those that do not.",
            evidence: "Samples at the instructions that match and leave handlers of exceptions; making them and looking for the handler takes at least as much again.",
            needs: "Samples; the bytecode of the process, readable.",
            fix: "Ask first, or take a default: dict.get(key, default), getattr(x, name, default), str.isdigit(). Where misses are rare, try and except is the faster way.",
            slow: "try:\n    name = names[key]\nexcept KeyError:\n    name = \"unknown\"",
            fixed: "name = names.get(key, \"unknown\")",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let handlers = spots(case, |spot| spot.operation == Operation::Exception);
        let all = spots(case, |_| true);
        handlers
            .iter()
            .filter_map(|handlers| {
                let of_function =
                    |all: &&Spots<'_>| all.place.function_id == handlers.place.function_id;
                let whole = all.iter().find(of_function)?;
                let is_it = handlers.share(case) >= case.thresholds.handlers_cpu_share
                    && handlers.samples >= MIN_SAMPLES
                    && whole.are_worth_it(case, case.thresholds.needless_cpu_share);
                is_it.then(|| finding(self.name(), case, handlers, whole))
            })
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, handlers: &Spots<'_>, whole: &Spots<'_>) -> Finding {
    let evidence = vec![
        whole.share_of_cpu(case, &format!("in {}", whole.place.short())),
        handlers.share_of_cpu(case, "entering and leaving handlers of exceptions"),
    ];
    let mut finding = whole.finding(
        case,
        rule,
        evidence,
        "Each miss makes an exception with its text, and looks for its handler.".to_owned(),
        format!(
            "ask first, or take a default, in {}: dict.get(key, default), getattr(x, name, default), str.isdigit(); try is the faster way only where misses are rare",
            handlers.place.short()
        ),
    );
    // What the function does besides is not known.
    finding.severity = finding.severity.min(Severity::Medium);
    finding
}
