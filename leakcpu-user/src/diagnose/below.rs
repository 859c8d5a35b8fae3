//! Library code below the user's own: what was called, and which line answers for it.

use std::collections::BTreeMap;

use super::finding::{figure, stable_id};
use super::{Case, Finding, per_second};
use crate::{
    classify::{Blame, say},
    model::{Frame, Function, FunctionId, Process, Stack},
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
        let function = process.function(id)?;
        Some(Blame {
            function_id: id,
            function: function.name.clone(),
            file: function.file.clone(),
            line: known.max_by_key(|(_, ns)| **ns).and_then(|(line, _)| *line),
        })
    }
}

/// On-CPU time that one function of the user's own code answers for.
pub(super) struct OnCpu {
    pub place: Blame,
    pub ns: u64,
    pub samples: u64,
}

/// On-CPU time by the frame that `blamed` finds for its stack, most first. Threads that are
/// proved to spin are left out.
pub(super) fn on_cpu(case: Case<'_>, blamed: impl Fn(&Stack) -> Option<Frame>) -> Vec<OnCpu> {
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
            let frame = blamed(process.stack(entry.stack));
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
    let limits = case.thresholds;
    let all_ns = case.process.times().on_cpu_ns;
    let share = found.ns as f64 / all_ns.max(1) as f64;
    let recoverable = per_second(found.ns, case.verdicts.span_ns);
    if share < min_share
        || recoverable < limits.needless_cpu_ns_per_s
        || found.samples < limits.samples
    {
        return None;
    }
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
        id: stable_id(case.process, rule, Some(&found.place)),
        rule,
        severity: limits.severity(recoverable),
        confidence: case.verdicts.verdict.confidence,
        threads: Vec::new(),
        place: Some(found.place.clone()),
        evidence,
        cause: advice.cause,
        fix: advice.fix,
        recoverable_ns_per_s: Some(recoverable),
    })
}
