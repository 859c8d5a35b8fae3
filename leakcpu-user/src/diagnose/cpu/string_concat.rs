//! `cpu.string-concat`: a text is made longer bit by bit, and copied each time.

use super::spots::{Spots, operand, spots, what_it_is};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::{
    bytecode::Operation,
    interpreter::OperandType,
    model::{HotSpot, OperandSeen},
};

/// The rule.
pub struct StringConcat;

impl Rule for StringConcat {
    fn name(&self) -> &'static str {
        "cpu.string-concat"
    }

    fn about(&self) -> &'static str {
        "`text += part` in a loop copies all that is there already, each time."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Twice the rows take four times as long to be written out.",
            evidence: "Samples at the instruction of `+` or `+=`, whose result takes the place of the longer text; its size, read from the running frame.",
            needs: "Samples; the bytecode and values of the process, readable.",
            fix: "Collect the parts in a list and join them once (\"\".join(parts)), or write them into an io.StringIO; nothing is to gain where the text stays short.",
            slow: "for row in rows:\n    self.report += render(row)",
            fixed: "parts = [render(row) for row in rows]\nself.report = \"\".join(parts)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let least = case.thresholds.copied_text_chars;
        let share = case.thresholds.needless_cpu_share;
        spots(case, |spot| grown(spot, least).is_some())
            .iter()
            .filter(|found| found.on_cpu.is_worth_it(case, share))
            .filter_map(|found| finding(self.name(), case, found, least))
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Spots<'_>, least: u64) -> Option<Finding> {
    let (spot, _) = found.all.first()?;
    let text = grown(spot, least)?;
    let (empty, file) = if text.of == OperandType::Bytes {
        ("b\"\"", "BytesIO")
    } else {
        ("\"\"", "StringIO")
    };
    Some(Finding {
        evidence: vec![what_it_is(text), found.share_of_cpu(case, "adding to it")],
        cause: "What is there already is copied for each part that is added.".to_owned(),
        fix: format!(
            "append the parts to a list and join them once, {empty}.join(parts), or write them into an io.{file}"
        ),
        ..found.on_cpu.finding(case, rule)
    })
}

/// The text that is made longer, if it is long.
fn grown(spot: &HotSpot, least: u64) -> Option<&OperandSeen> {
    let left = operand(spot, 0).filter(|_| spot.operation == Operation::Add && spot.accumulates)?;
    let is_text = matches!(left.of, OperandType::Text | OperandType::Bytes);
    let is_long = left.sizes.is_some_and(|[_, most]| most >= least);
    (is_text && is_long).then_some(left)
}
