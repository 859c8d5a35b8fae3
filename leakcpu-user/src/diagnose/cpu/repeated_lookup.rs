//! `cpu.repeated-lookup`: a loop looks up on every turn what stays the same.

use std::collections::BTreeMap;

use super::{
    loops::{Part, Parts, parts},
    spots::share_of_cpu,
};
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity, finding::figure};
use crate::{
    classify::{Because, say},
    model::SteadyLookup,
};

/// Look-ups of one function that are named.
const MAX_NAMED: usize = 3;
/// That nothing which the loop calls changes it is likely, not known.
const CONFIDENCE: f64 = 0.8;

/// The rule.
pub struct RepeatedLookup;

impl Rule for RepeatedLookup {
    fn name(&self) -> &'static str {
        "cpu.repeated-lookup"
    }

    fn about(&self) -> &'static str {
        "A loop follows the same attributes on every turn, though it changes none of them."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A loop that does hardly anything takes half as long again as it could.",
            evidence: "Samples at the instructions that look up an attribute of an attribute, or of a global, in a loop that stores neither the variable nor an attribute by any of these names.",
            needs: "Samples; the bytecode of the process, readable.",
            fix: "Keep it in a local variable before the loop. Not where something that the loop calls changes it, or another thread does.",
            slow: "for size in sizes:\n    if size > self.config.limits.maximum: ...",
            fixed: "maximum = self.config.limits.maximum\nfor size in sizes:\n    if size > maximum: ...",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let share = case.thresholds.needless_cpu_share;
        let all = parts(case, |hot_loop| {
            let lookups = hot_loop.lookups.iter();
            lookups.map(part).collect()
        });
        all.iter()
            .filter(|found| found.on_cpu.is_worth_it(case, share))
            .map(|found| finding(self.name(), case, found))
            .collect()
    }
}

const fn part(what: &SteadyLookup) -> Part<'_, SteadyLookup> {
    Part {
        what,
        samples: what.samples,
        line: what.line,
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Parts<'_, SteadyLookup>) -> Finding {
    let names = names(found);
    let mut evidence = vec![share_of_cpu(&found.on_cpu, case, "looking it up")];
    evidence.extend(
        names
            .iter()
            .map(|(name, samples)| told(name, *samples, found)),
    );
    let (first, _) = names.first().copied().unwrap_or_default();
    let local = first.rsplit('.').next().unwrap_or(first);
    let others: Vec<&str> = names.iter().skip(1).map(|(name, _)| *name).collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(" (and so of {})", others.join(", "))
    };
    let all = found.on_cpu.finding(case, rule);
    Finding {
        severity: Severity::Low,
        confidence: all.confidence.min(CONFIDENCE),
        evidence,
        cause: format!("Each turn of the loop looks up {first} anew, name by name."),
        fix: format!(
            "keep it in a local before the loop, {local} = {first}{others}, if nothing that the loop calls changes it"
        ),
        ..all
    }
}

/// What is looked up, with its samples, most first.
fn names<'a>(found: &Parts<'a, SteadyLookup>) -> Vec<(&'a str, u64)> {
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for part in &found.all {
        *by_name.entry(&part.what.name).or_default() += part.samples;
    }
    let mut names: Vec<_> = by_name.into_iter().collect();
    names.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    names.truncate(MAX_NAMED);
    names
}

fn told(name: &str, samples: u64, found: &Parts<'_, SteadyLookup>) -> Because {
    figure(
        format!(
            "`{name}` in {} of {} samples of its loop",
            say::grouped(samples),
            say::grouped(found.loops.samples)
        ),
        "lookup_samples",
        samples as f64,
        "count",
    )
}

#[cfg(test)]
mod tests {
    use super::RepeatedLookup;
    use crate::{
        diagnose::{Severity, testing::Model},
        model::{HotLoop, SteadyLookup},
    };

    /// A loop of 100 samples with these look-ups, of 200 that there are.
    fn model(file: &str, lookups: &[(&str, u64)]) -> Model {
        let mut model = Model::default();
        let check = model.frame("check", file);
        let lookups = lookups.iter().map(|(name, samples)| SteadyLookup {
            name: (*name).to_owned(),
            line: Some(7),
            samples: *samples,
        });
        let hot_loop = HotLoop {
            function: check.function.expect("it has one"),
            line: Some(6),
            samples: 100,
            appends: None,
            lookups: lookups.collect(),
        };
        model.computing(check, 200, vec![hot_loop]);
        model
    }

    #[test]
    fn looking_up_is_summed_and_named() {
        let names = [("self.config.maximum", 16), ("self.config.minimum", 24)];
        let found = model("/srv/app.py", &names).check(&RepeatedLookup);
        let [found] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(found.recoverable_ns_per_s, Some(200_000_000));
        assert_eq!(found.severity, Severity::Low);
        assert!(
            found.fix.contains("minimum = self.config.minimum"),
            "{}",
            found.fix
        );
        assert!(found.fix.contains("self.config.maximum"), "{}", found.fix);
        assert!(
            found
                .fix
                .contains("if nothing that the loop calls changes it")
        );
    }

    #[test]
    fn little_of_the_time_and_libraries_are_left_alone() {
        let few = model("/srv/app.py", &[("self.config.maximum", 19)]);
        assert!(few.check(&RepeatedLookup).is_empty());
        let library = "/usr/lib/python3.12/site-packages/x.py";
        let of_library = model(library, &[("self.config.maximum", 90)]);
        assert!(of_library.check(&RepeatedLookup).is_empty());
    }
}
