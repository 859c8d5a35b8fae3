//! `cpu.list-membership`: something is looked for in a long list, from its beginning, each time.

use super::spots::{operand, spots, what_it_is};
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
        let found = spots(case, |spot| searched(spot, least).is_some());
        let worth_it = found
            .iter()
            .filter(|found| found.are_worth_it(case, case.thresholds.needless_cpu_share));
        worth_it
            .filter_map(|found| {
                let mut all = found.all.iter().map(|(spot, _)| searched(spot, least));
                let searched = all.next()??;
                let name = searched.name.as_deref().unwrap_or("what is searched");
                Some(found.finding(
                    case,
                    self.name(),
                    vec![what_it_is(searched), found.share_of_cpu(case, "searching")],
                    format!("`in` compares with one item of the {} after the other.", searched.type_name),
                    format!("make {name} a set, once and outside the loop; its items have to be hashable, and lose their order"),
                ))
            })
            .collect()
    }
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
