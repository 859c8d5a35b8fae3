//! `cpu.exceptions`: exceptions are how a loop finds out what is common.

use super::spots::spots;
use super::{Case, Explanation, Finding, Rule};
use crate::bytecode::Operation;

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
        let found = spots(case.process, |spot| spot.operation == Operation::Exception);
        let worth_it = found
            .iter()
            .filter(|found| found.are_worth_it(case, case.thresholds.needless_cpu_share));
        worth_it
            .map(|found| {
                found.finding(
                    case,
                    self.name(),
                    vec![found.share(case, "at the handlers of exceptions")],
                    "Each miss makes an exception and looks for its handler.".to_owned(),
                    format!(
                        "ask first, or take a default, in {}: dict.get(key, default), getattr(x, name, default); try is the faster way only where misses are rare",
                        found.place.short()
                    ),
                )
            })
            .collect()
    }
}
