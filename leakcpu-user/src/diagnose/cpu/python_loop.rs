//! `cpu.python-loop`: arithmetic, number by number, in the interpreter.

use super::spots::{operand, spots};
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity};
use crate::{
    bytecode::Operation,
    classify::{Because, say},
    interpreter::OperandType,
    model::HotSpot,
};

/// Of a loop's samples, the part that has to be at arithmetic with numbers.
const NUMERIC_PART: u64 = 5;
/// That the loop could be written otherwise is likely, not known.
const CONFIDENCE: f64 = 0.7;

/// The rule.
pub struct PythonLoop;

impl Rule for PythonLoop {
    fn name(&self) -> &'static str {
        "cpu.python-loop"
    }

    fn about(&self) -> &'static str {
        "A loop computes with one number after the other in the interpreter."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A CPU at 100 % for what a spreadsheet does at once.",
            evidence: "Samples at the instructions of one loop, those of arithmetic and comparison among them, with int or float operands read from the running frame.",
            needs: "Samples; the bytecode and values of the process, readable.",
            fix: "numpy for arrays of some thousands and more (for less, making the array costs more than it saves); sum(), min(), max(), any() and comprehensions; Numba or Cython where each step needs the last one's result.",
            slow: "total = 0.0\nfor price, count in zip(prices, counts):\n    total += price * count",
            fixed: "total = numpy.dot(prices, counts)    # arrays from the start",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = spots(case, |spot| spot.loops > 0);
        let worth_it = found
            .iter()
            .filter(|found| found.are_worth_it(case, case.thresholds.loop_cpu_share));
        worth_it
            .filter_map(|found| {
                let numeric = found.all.iter().filter(|(spot, _)| is_numeric(spot));
                let samples: u64 = numeric.map(|(spot, _)| spot.samples).sum();
                if samples * NUMERIC_PART < found.samples {
                    return None;
                }
                let numeric = Because {
                    text: format!(
                        "{} of {} samples of its loops at arithmetic with numbers",
                        say::grouped(samples),
                        say::grouped(found.samples)
                    ),
                    name: "numeric_samples",
                    value: samples as f64,
                    unit: "count",
                };
                let mut finding = found.finding(
                    case,
                    self.name(),
                    vec![found.share_of_cpu(case, "in its loops"), numeric],
                    "The interpreter takes each number out of its object, computes, and makes a new object.".to_owned(),
                    format!("let one call do the loop of {}: numpy for thousands of numbers and more, sum(), min(), max() or a comprehension for fewer", found.place.short()),
                );
                finding.severity = finding.severity.min(Severity::Medium);
                finding.confidence = finding.confidence.min(CONFIDENCE);
                Some(finding)
            })
            .collect()
    }
}

/// Whether it computes with numbers, or compares them.
fn is_numeric(spot: &HotSpot) -> bool {
    let is_number = |side| {
        operand(spot, side)
            .is_some_and(|seen| matches!(seen.of, OperandType::Int | OperandType::Float))
    };
    matches!(
        spot.operation,
        Operation::Add | Operation::Arithmetic | Operation::Equal | Operation::Compare
    ) && is_number(0)
        && is_number(1)
}
