//! `cpu.append-loop`: a loop that does nothing but fill a list.

use super::{
    loops::{Part, Parts, parts},
    spots::{MIN_LOOKS, share_of_cpu, what_it_is},
};
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity, finding::figure};
use crate::{
    classify::say,
    model::{Appends, HotLoop, OperandSeen},
};

/// That a comprehension is faster is known; by how much of this is not.
const CONFIDENCE: f64 = 0.8;
/// A single sample at the appending may be chance.
const MIN_SAMPLES: u64 = 2;

/// The rule.
pub struct AppendLoop;

impl Rule for AppendLoop {
    fn name(&self) -> &'static str {
        "cpu.append-loop"
    }

    fn about(&self) -> &'static str {
        "A loop does nothing but append to a list, where a comprehension does the same with less."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A loop over many items takes a tenth longer than it has to, or more on older interpreters.",
            evidence: "Samples in a loop over items whose bytecode stores nothing but these and is not left early, and those at the look-up and the call of append() among them; that it is a list, read from the running frame.",
            needs: "Samples; the bytecode and values of the process, readable.",
            fix: "Write it as a list comprehension; into a list that has something in it already, extend() with a generator or a comprehension. It is worth little where what is appended takes long to compute.",
            slow: "out = []\nfor price in prices:\n    out.append(price * 119 // 100)",
            fixed: "out = [price * 119 // 100 for price in prices]",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let least = case.thresholds.appended_items;
        parts(case, |hot_loop| {
            filled(hot_loop, least).into_iter().collect()
        })
        .iter()
        .filter(|found| is_worth_it(case, found))
        .filter_map(|found| finding(self.name(), case, found))
        .collect()
    }
}

/// Whether such loops are what takes the time, and the appending some of it.
fn is_worth_it(case: Case<'_>, found: &Parts<'_, Appends>) -> bool {
    let limits = case.thresholds;
    found.loops.is_worth_it(case, limits.loop_cpu_share)
        && found.on_cpu.share(case) >= limits.appending_cpu_share
        && found.on_cpu.samples >= MIN_SAMPLES
}

/// What a loop fills, if that is a list which becomes long.
fn filled(hot_loop: &HotLoop, least: u64) -> Option<Part<'_, Appends>> {
    let appends = hot_loop.appends.as_ref()?;
    let is_list = |list: &OperandSeen| {
        list.looks >= MIN_LOOKS
            && list.type_name == "list"
            && list.sizes.is_some_and(|[_, most]| most >= least)
    };
    appends.list.as_ref().is_some_and(is_list).then_some(Part {
        what: appends,
        samples: appends.samples,
        line: appends.line,
    })
}

fn finding(rule: &'static str, case: Case<'_>, found: &Parts<'_, Appends>) -> Option<Finding> {
    let appends = found.all.first()?.what;
    let name = &appends.name;
    let appending = figure(
        format!(
            "{} of it at {name}.append itself, by {} samples",
            say::percent(found.on_cpu.ns as f64 / found.loops.ns.max(1) as f64),
            say::grouped(found.on_cpu.samples)
        ),
        "append_samples",
        found.on_cpu.samples as f64,
        "count",
    );
    let all = found.on_cpu.finding(case, rule);
    Some(Finding {
        severity: Severity::Low,
        confidence: all.confidence.min(CONFIDENCE),
        evidence: vec![
            what_it_is(appends.list.as_ref()?),
            share_of_cpu(&found.loops, case, "in the loop that fills it"),
            appending,
        ],
        cause: "Each turn looks up the method, calls it and drops its result, for what one instruction of a comprehension does."
            .to_owned(),
        fix: format!(
            "write the loop as a comprehension, {name} = [... for ... in ...]; {name}.extend(...) of one if something is in it already"
        ),
        ..all
    })
}

#[cfg(test)]
mod tests {
    use super::AppendLoop;
    use crate::{
        diagnose::{Severity, testing::Model},
        interpreter::OperandType,
        model::{Appends, HotLoop, OperandSeen},
    };

    /// A loop of 100 samples that appends to a value of this type, of 200 that there are.
    fn model(type_name: &str, items: u64, samples: u64) -> Model {
        let mut model = Model::default();
        let gross = model.frame("gross", "/srv/app.py");
        let list = OperandSeen {
            name: Some("out".to_owned()),
            looks: 3,
            of: OperandType::List,
            type_name: type_name.to_owned(),
            sizes: Some([0, items]),
        };
        let hot_loop = HotLoop {
            function: gross.function.expect("it has one"),
            line: Some(3),
            samples: 100,
            appends: Some(Appends {
                name: "out".to_owned(),
                line: Some(4),
                samples,
                list: Some(list),
            }),
            lookups: Vec::new(),
        };
        model.computing(gross, 200, vec![hot_loop]);
        model
    }

    #[test]
    fn no_more_than_the_appending_can_be_won() {
        let found = model("list", 5_000, 40).check(&AppendLoop);
        let [found] = found.as_slice() else {
            panic!("{found:?}");
        };
        // A fifth of the samples of a thread that computes all the time.
        assert_eq!(found.recoverable_ns_per_s, Some(200_000_000));
        assert_eq!(found.severity, Severity::Low);
        let place = found.place.as_ref().expect("it has a place");
        assert_eq!((place.function.as_str(), place.line), ("gross", Some(4)));
    }

    #[test]
    fn what_is_no_long_list_or_no_time_is_left_alone() {
        for (type_name, items, samples) in
            [("Basket", 5_000, 40), ("list", 20, 40), ("list", 5_000, 3)]
        {
            let found = model(type_name, items, samples).check(&AppendLoop);
            assert!(found.is_empty(), "{found:?}");
        }
    }
}
