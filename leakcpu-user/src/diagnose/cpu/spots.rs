//! Where in the user's own code instructions of one kind take time: common to the rules of them.

use std::collections::BTreeMap;

use crate::diagnose::finding::stable_id;
use crate::diagnose::{Case, Finding, per_second};
use crate::{
    classify::{Because, Blame, say},
    interpreter::OperandType,
    model::{FunctionId, HotSpot, OperandSeen, in_proportion},
};

/// Looks that found the operands; fewer say nothing.
const MIN_LOOKS: u32 = 3;

/// Instructions of one kind in one function.
pub(super) struct Spots<'a> {
    /// Where, with the line that most samples are at.
    pub place: Blame,
    /// The spots, with the time that each stands for.
    pub all: Vec<(&'a HotSpot, u64)>,
    /// Their time on a CPU.
    pub on_cpu_ns: u64,
    /// Their samples.
    pub samples: u64,
}

/// The spots of functions of the user's own that are wanted, by function. Threads that are proved
/// to spin are left out: what they do is needless as a whole.
pub(super) fn spots(case: Case<'_>, is_wanted: impl Fn(&HotSpot) -> bool) -> Vec<Spots<'_>> {
    let process = case.process;
    let mut by_function: BTreeMap<FunctionId, Vec<(&HotSpot, u64)>> = BTreeMap::new();
    for (index, thread) in process.threads.iter().enumerate() {
        if case.is_spinning(index) {
            continue;
        }
        let samples = thread.samples();
        for spot in thread.hot_spots.iter().filter(|spot| is_wanted(spot)) {
            let ns = in_proportion(thread.times.on_cpu_ns, spot.samples, samples);
            by_function
                .entry(spot.function)
                .or_default()
                .push((spot, ns));
        }
    }
    let with_place = by_function.into_iter().filter_map(|(function, all)| {
        let of = process.function(function)?;
        if process.is_library_file(&of.file) {
            return None;
        }
        let hottest = all.iter().max_by_key(|(spot, _)| spot.samples)?;
        let line = hottest.0.line;
        Some(Spots {
            place: Blame {
                function_id: function,
                function: of.name.clone(),
                file: of.file.clone(),
                line,
            },
            on_cpu_ns: all.iter().map(|(_, ns)| ns).sum(),
            samples: all.iter().map(|(spot, _)| spot.samples).sum(),
            all,
        })
    });
    with_place.collect()
}

impl Spots<'_> {
    /// Whether they take so much of the process' CPU time, and of each second, that it matters.
    pub(super) fn are_worth_it(&self, case: Case<'_>, least_share: f64) -> bool {
        let limits = case.thresholds;
        self.samples >= limits.samples
            && self.share(case) >= least_share
            && self.ns_per_s(case) >= limits.needless_cpu_ns_per_s
    }

    /// Their time in each second.
    pub(super) fn ns_per_s(&self, case: Case<'_>) -> u64 {
        per_second(self.on_cpu_ns, case.verdicts.span_ns)
    }

    /// How much of the process' CPU time they take.
    pub(super) fn share(&self, case: Case<'_>) -> f64 {
        let on_cpu_ns = case.process.times().on_cpu_ns;
        self.on_cpu_ns as f64 / on_cpu_ns.max(1) as f64
    }

    /// The same in words: `61 % of its CPU time searching`.
    pub(super) fn share_of_cpu(&self, case: Case<'_>, doing: &str) -> Because {
        let share = self.share(case);
        Because {
            text: format!(
                "{} of its CPU time ({}) {doing}, by {} samples",
                say::percent(share),
                say::duration(self.on_cpu_ns),
                say::grouped(self.samples)
            ),
            name: "cpu_share",
            value: share,
            unit: "ratio",
        }
    }

    /// A finding that would give back all of their time.
    pub(super) fn finding(
        &self,
        case: Case<'_>,
        rule: &'static str,
        evidence: Vec<Because>,
        why: String,
        fix: String,
    ) -> Finding {
        let recoverable = self.ns_per_s(case);
        Finding {
            id: stable_id(case.process, rule, Some(&self.place)),
            rule,
            severity: case.thresholds.severity(recoverable),
            confidence: case.verdicts.verdict.confidence,
            threads: Vec::new(),
            place: Some(self.place.clone()),
            evidence,
            cause: why,
            fix,
            recoverable_ns_per_s: Some(recoverable),
        }
    }
}

/// An operand of a spot that was found often enough.
pub(super) fn operand(spot: &HotSpot, side: usize) -> Option<&OperandSeen> {
    let operands = spot.operands.as_ref()?;
    operands.get(side).filter(|seen| seen.looks >= MIN_LOOKS)
}

/// ``` `seen` is a list of 100,000 items```.
pub(super) fn what_it_is(seen: &OperandSeen) -> Because {
    let [least, most] = seen.sizes.unwrap_or_default();
    let units = match seen.of {
        OperandType::Text => "characters",
        OperandType::Bytes => "bytes",
        _ => "items",
    };
    let size = if least == most {
        say::grouped(most)
    } else {
        format!("{} to {}", say::grouped(least), say::grouped(most))
    };
    let name = seen
        .name
        .as_ref()
        .map_or("it".to_owned(), |name| format!("`{name}`"));
    Because {
        text: format!("{name} is a {} of {size} {units}", seen.type_name),
        name: "operand_size",
        value: most as f64,
        unit: "count",
    }
}
