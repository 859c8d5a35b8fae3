//! `cpu.string-concat`: a text is made longer bit by bit, and copied each time.

use super::spots::{operand, spots, what_it_is};
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
        let found = spots(case, |spot| grown(spot, least).is_some());
        let worth_it = found
            .iter()
            .filter(|found| found.are_worth_it(case, case.thresholds.needless_cpu_share));
        worth_it
            .filter_map(|found| {
                let mut all = found.all.iter().map(|(spot, _)| grown(spot, least));
                let text = all.next()??;
                let empty = if text.of == OperandType::Bytes { "b\"\"" } else { "\"\"" };
                Some(found.finding(
                    case,
                    self.name(),
                    vec![what_it_is(text), found.share_of_cpu(case, "adding to it")],
                    "What is there already is copied for each part that is added.".to_owned(),
                    format!("append the parts to a list and join them once, {empty}.join(parts), or write them into an io.{}", if text.of == OperandType::Bytes { "BytesIO" } else { "StringIO" }),
                ))
            })
            .collect()
    }
}

/// The text that is made longer, if it is long.
fn grown(spot: &HotSpot, least: u64) -> Option<&OperandSeen> {
    let left = operand(spot, 0).filter(|_| spot.operation == Operation::Add && spot.accumulates)?;
    let is_text = matches!(left.of, OperandType::Text | OperandType::Bytes);
    let is_long = left.sizes.is_some_and(|[_, most]| most >= least);
    (is_text && is_long).then_some(left)
}
