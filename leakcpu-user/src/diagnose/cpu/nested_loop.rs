//! `cpu.nested-loop`: all of one list is gone through for each item of another.

use super::spots::{Spots, spots};
use crate::{
    bytecode::Operation,
    classify::say,
    diagnose::{Case, Explanation, Finding, Rule, finding::figure},
    model::{HotSpot, NestedSeen},
};

/// Looks that found both loops; fewer say nothing.
const MIN_LOOKS: u32 = 3;
/// Of the samples in nested loops, the part that has to be at comparisons for equality.
const EQUAL_PART: u64 = 20;
/// Who looks for something stops half-way on average; who stops sooner does not go through it.
const REACHED_PART: u64 = 4;
/// That an index would do the same is likely, not known.
const CONFIDENCE: f64 = 0.8;

/// The rule.
pub struct NestedLoop;

impl Rule for NestedLoop {
    fn name(&self) -> &'static str {
        "cpu.nested-loop"
    }

    fn about(&self) -> &'static str {
        "For each item of one list a loop looks for its like in another one, item by item."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "0.001 s for a hundred rows, a minute for ten thousand.",
            evidence: "Samples in a loop over items within another one, at comparisons for equality among them; the two lists, read from the running frame: their sizes, that the inner one is the same each time, and that it is gone through.",
            needs: "Samples; the bytecode and values of the process, readable; lists or tuples.",
            fix: "Make a dict of the inner list once, by what is compared, and look each item up: for keys that are not unique a dict of lists. What is compared has to be hashable.",
            slow: "for order in orders:\n    for customer in customers:\n        if order.customer_id == customer.id: ...",
            fixed: "by_id = {customer.id: customer for customer in customers}\nfor order in orders:\n    customer = by_id.get(order.customer_id)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let share = case.thresholds.loop_cpu_share;
        spots(case, |spot| spot.loops > 1)
            .iter()
            .filter(|found| found.on_cpu.is_worth_it(case, share) && are_compared(found))
            .filter_map(|found| {
                let nested = joined(found, case.thresholds.searched_items)?;
                Some(finding(self.name(), case, found, nested))
            })
            .collect()
    }
}

/// Whether enough of them are at comparisons for equality.
fn are_compared(found: &Spots<'_>) -> bool {
    let spots = found.all.iter().map(|(spot, _)| *spot);
    let compares = spots.filter(|spot| spot.operation == Operation::Equal);
    let equal: u64 = compares.map(|spot| spot.samples).sum();
    equal * EQUAL_PART >= found.on_cpu.samples
}

/// Two lists of which the inner one is gone through for each item of the outer one.
fn joined<'a>(found: &Spots<'a>, least: u64) -> Option<&'a NestedSeen> {
    let spots = found.all.iter().map(|(spot, _)| *spot);
    let mut nested = spots.filter_map(|spot: &'a HotSpot| spot.nested.as_ref());
    nested.find(|nested| {
        nested.looks >= MIN_LOOKS
            && nested.is_same
            && nested.items.iter().all(|items| *items >= least)
            && nested.reached.saturating_mul(REACHED_PART) >= nested.items[0]
    })
}

fn finding(rule: &'static str, case: Case<'_>, found: &Spots<'_>, nested: &NestedSeen) -> Finding {
    let name = |side: usize| {
        let name = nested.names[side].as_ref();
        name.map_or("another list".to_owned(), |name| format!("`{name}`"))
    };
    let (inner, outer) = (name(0), name(1));
    let [inner_items, outer_items] = nested.items;
    let turns = inner_items.saturating_mul(outer_items);
    let evidence = vec![
        figure(
            format!(
                "the {} items of {inner} for each of the {} of {outer}: up to {} turns",
                say::grouped(inner_items),
                say::grouped(outer_items),
                say::grouped(turns)
            ),
            "turns",
            turns as f64,
            "count",
        ),
        found.share_of_cpu(case, "in both loops"),
    ];
    let all = found.on_cpu.finding(case, rule);
    Finding {
        confidence: all.confidence.min(CONFIDENCE),
        evidence,
        cause: format!(
            "Each item is compared with one of {inner} after the other until its like is found."
        ),
        fix: format!(
            "make a dict of {inner} once, by what is compared, and look each item up; keys have to be hashable, those that are not unique need a list each"
        ),
        ..all
    }
}
