//! Library code below the user's own: what was called, and which line answers for it.

use std::collections::BTreeMap;

use super::finding::figure;
use super::{Case, Finding, Gain, per_second};
use crate::{
    classify::{Blame, say},
    model::{Frame, Function, FunctionId, Process, Stack, StackTime},
};

/// A stack as rules look at it.
pub(super) struct Called<'a> {
    /// The innermost frame of the user's own code, else the leaf.
    pub frame: Frame,
    /// It is the user's own code.
    pub is_own: bool,
    /// What it called, directly or not, leaf first; the whole stack if nothing is its own.
    pub below: Vec<&'a Function>,
}

/// What `stack` says; `None` of one without names.
pub(super) fn called<'a>(process: &'a Process, stack: &Stack) -> Option<Called<'a>> {
    let own = stack
        .frames
        .iter()
        .position(|frame| process.is_own_frame(*frame));
    let below = &stack.frames[..own.unwrap_or(stack.frames.len())];
    Some(Called {
        frame: process.own_frame(stack)?,
        is_own: own.is_some(),
        below: below
            .iter()
            .filter_map(|frame| process.function(frame.function?))
            .collect(),
    })
}

/// Whether `function` is that one of a file whose path contains `mark`.
pub(super) fn is(function: &Function, mark: &str, name: &str) -> bool {
    function.file.contains(mark) && function.plain_name() == name
}

/// Time by line, which names the hottest.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<Option<u32>, u64>);

impl Lines {
    pub(super) fn add(&mut self, line: Option<u32>, ns: u64) {
        *self.0.entry(line).or_default() += ns;
    }

    /// The place of `function` at its hottest line.
    pub(super) fn place(&self, process: &Process, id: FunctionId) -> Option<Blame> {
        let known = self.0.iter().filter(|(line, _)| line.is_some());
        let hottest = known.max_by_key(|(_, ns)| **ns);
        Blame::at(process, id, hottest.and_then(|(line, _)| *line))
    }
}

/// On-CPU time that one function answers for.
pub(super) struct OnCpu {
    pub place: Blame,
    pub ns: u64,
    pub samples: u64,
}

impl OnCpu {
    /// How much of the process' CPU time it is.
    pub(super) fn share(&self, case: Case<'_>) -> f64 {
        self.ns as f64 / case.process.times().on_cpu_ns.max(1) as f64
    }

    /// How much of each second it is.
    pub(super) fn ns_per_s(&self, case: Case<'_>) -> u64 {
        per_second(self.ns, case.verdicts.span_ns)
    }

    /// Whether it is so much of the process' CPU time, and of each second, that it matters.
    pub(super) fn is_worth_it(&self, case: Case<'_>, least_share: f64) -> bool {
        let limits = case.thresholds;
        self.samples >= limits.samples
            && self.share(case) >= least_share
            && self.ns_per_s(case) >= limits.needless_cpu_ns_per_s
    }

    /// A finding that would give back all of it.
    pub(super) fn finding(&self, case: Case<'_>, rule: &'static str) -> Finding {
        Finding {
            gain: Gain::Cpu,
            ..case.finding(rule, Some(self.place.clone()), self.ns_per_s(case))
        }
    }
}

/// On-CPU time by the frame that `blamed` finds for its stack, most first. Threads that are
/// proved to spin are left out.
pub(super) fn on_cpu(case: Case<'_>, blamed: impl Fn(&Stack) -> Option<Frame>) -> Vec<OnCpu> {
    on_cpu_of(case, |time| blamed(case.process.stack(time.stack)))
}

/// The same, by what `blamed` finds for a time.
pub(super) fn on_cpu_of(
    case: Case<'_>,
    blamed: impl Fn(&StackTime) -> Option<Frame>,
) -> Vec<OnCpu> {
    let process = case.process;
    let mut sums: BTreeMap<FunctionId, (Lines, u64, u64)> = BTreeMap::new();
    for (index, thread) in process.threads.iter().enumerate() {
        if case.is_spinning(index) {
            continue;
        }
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            if !entry.kind.is_on_cpu() {
                continue;
            }
            let frame = blamed(entry);
            let Some((frame, id)) = frame.and_then(|frame| Some((frame, frame.function?))) else {
                continue;
            };
            let (lines, ns, samples) = sums.entry(id).or_default();
            lines.add(frame.line, charge.on_cpu_ns);
            *ns += charge.on_cpu_ns;
            *samples += entry.count;
        }
    }
    let mut all: Vec<OnCpu> = sums
        .into_iter()
        .filter_map(|(id, (lines, ns, samples))| {
            let place = lines.place(process, id)?;
            Some(OnCpu { place, ns, samples })
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.ns));
    all
}

/// What a rule says of such time.
pub(super) struct Advice {
    /// What it does: `compiling patterns`.
    pub doing: &'static str,
    /// Why it is slow.
    pub cause: String,
    /// One concrete step.
    pub fix: String,
}

/// The finding of `found`, if that is `min_share` of the process' CPU time and worth it.
pub(super) fn finding(
    case: Case<'_>,
    rule: &'static str,
    found: &OnCpu,
    min_share: f64,
    advice: Advice,
) -> Option<Finding> {
    if !found.is_worth_it(case, min_share) {
        return None;
    }
    let share = found.share(case);
    let evidence = vec![
        figure(
            format!(
                "{} of its CPU time {}, below {}",
                say::percent(share),
                advice.doing,
                found.place.short()
            ),
            "below_cpu_share",
            share,
            "ratio",
        ),
        figure(
            say::count(found.samples, "sample", "samples"),
            "below_samples",
            found.samples as f64,
            "count",
        ),
    ];
    Some(Finding {
        evidence,
        cause: advice.cause,
        fix: advice.fix,
        ..found.finding(case, rule)
    })
}
