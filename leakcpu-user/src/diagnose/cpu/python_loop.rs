//! `cpu.python-loop`: arithmetic, number by number, in the interpreter.

use super::spots::{Spots, operand, spots};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity};
use crate::{bytecode::Operation, classify::say, interpreter::OperandType, model::HotSpot};

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
        let share = case.thresholds.loop_cpu_share;
        spots(case, |spot| spot.loops > 0)
            .iter()
            .filter(|found| found.on_cpu.is_worth_it(case, share))
            .filter_map(|found| finding(self.name(), case, found))
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Spots<'_>) -> Option<Finding> {
    let numeric = found.all.iter().filter(|(spot, _)| is_numeric(spot));
    let samples: u64 = numeric.map(|(spot, _)| spot.samples).sum();
    if samples * NUMERIC_PART < found.on_cpu.samples {
        return None;
    }
    let numeric = figure(
        format!(
            "{} of {} samples of its loops at arithmetic with numbers",
            say::grouped(samples),
            say::grouped(found.on_cpu.samples)
        ),
        "numeric_samples",
        samples as f64,
        "count",
    );
    let all = found.on_cpu.finding(case, rule);
    Some(Finding {
        severity: all.severity.min(Severity::Medium),
        confidence: all.confidence.min(CONFIDENCE),
        evidence: vec![found.share_of_cpu(case, "in its loops"), numeric],
        cause:
            "The interpreter takes each number out of its object, computes, and makes a new object."
                .to_owned(),
        fix: format!(
            "let one call do the loop of {}: numpy for thousands of numbers and more, sum(), min(), max() or a comprehension for fewer",
            found.on_cpu.place.short()
        ),
        ..all
    })
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
