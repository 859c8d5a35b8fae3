//! `cpu.list-membership`: something is looked for in a long list, from its beginning, each time.

use super::spots::{Spots, operand, spots, what_it_is};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::{
    bytecode::Operation,
    interpreter::OperandType,
    model::{HotSpot, OperandSeen},
};

/// The rule.
pub struct ListMembership;

impl Rule for ListMembership {
    fn name(&self) -> &'static str {
        "cpu.list-membership"
    }

    fn about(&self) -> &'static str {
        "`x in y` compares with one item of a long list after the other, where a set would look once."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "It was fast with the test data, and takes ever longer as there is more of it.",
            evidence: "Samples at the instruction of `in`, and the type and size of what it searches, read from the running frame.",
            needs: "Samples; the bytecode and values of the process, readable.",
            fix: "Make a set of it once, outside the loop: its items have to be hashable, and their order is lost.",
            slow: "known = [row.id for row in rows]\nfor order in orders:\n    if order.id in known: ...",
            fixed: "known = {row.id for row in rows}\nfor order in orders:\n    if order.id in known: ...",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let least = case.thresholds.searched_items;
        let share = case.thresholds.needless_cpu_share;
        spots(case, |spot| searched(spot, least).is_some())
            .iter()
            .filter(|found| found.on_cpu.is_worth_it(case, share))
            .filter_map(|found| finding(self.name(), case, found, least))
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Spots<'_>, least: u64) -> Option<Finding> {
    let (spot, _) = found.all.first()?;
    let searched = searched(spot, least)?;
    let name = searched.name.as_deref().unwrap_or("what is searched");
    Some(Finding {
        evidence: vec![what_it_is(searched), found.share_of_cpu(case, "searching")],
        cause: format!(
            "`in` compares with one item of the {} after the other.",
            searched.type_name
        ),
        fix: format!(
            "make {name} a set, once and outside the loop; its items have to be hashable, and lose their order"
        ),
        ..found.on_cpu.finding(case, rule)
    })
}

/// What `in` searches, if that is a long list or the like.
fn searched(spot: &HotSpot, least: u64) -> Option<&OperandSeen> {
    let right = operand(spot, 1).filter(|_| spot.operation == Operation::Contains)?;
    let is_searched = matches!(
        right.of,
        OperandType::List | OperandType::Tuple | OperandType::Deque
    );
    let is_long = right.sizes.is_some_and(|[fewest, _]| fewest >= least);
    (is_searched && is_long).then_some(right)
}
