//! `async.never-awaited`: a coroutine is made and dropped, so that what it would do never happens.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::{Case, Explanation, Finding, Rule, Severity, finding::figure, per_second};
use crate::{
    classify::{Blame, say},
    model::{FunctionId, Process, StackId, Thread, in_proportion},
};

/// Where the statement is not known that dropped it, the collector may have done so, in a function
/// that has nothing to do with it.
const CONFIDENCE: f64 = 0.9;

/// The rule.
pub struct NeverAwaited;

impl Rule for NeverAwaited {
    fn name(&self) -> &'static str {
        "async.never-awaited"
    }

    fn about(&self) -> &'static str {
        "A coroutine is made and dropped without being awaited, so that its work is never done."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Something that the code plainly does never happens, and nothing fails.",
            evidence: "The interpreter's own function that warns of such a coroutine, met below the function that dropped it; it is called even where the warning is not shown. Met once, it is proved.",
            needs: "Samples of Python frames. A coroutine that is dropped seldom is seldom met: none found does not mean that there is none.",
            fix: "Await it. To go on meanwhile, make a task of it (asyncio.create_task) and keep that until it is done: the loop has weak references to tasks only.",
            slow: "async def accept(order):\n    mailer.confirm(order)    # makes a coroutine, and sends nothing",
            fixed: "async def accept(order):\n    await mailer.confirm(order)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let dropped = dropped(case.process).into_iter();
        dropped
            .filter_map(|(function, dropped)| finding(self.name(), case, function, &dropped))
            .collect()
    }
}

/// Where coroutines were dropped in one function.
#[derive(Debug, Default)]
struct Dropped {
    /// How often that was met, by line.
    lines: BTreeMap<Option<u32>, u64>,
    /// Time on a CPU, of the warnings alone.
    ns: u64,
}

/// By the function of the user's own code that did so.
fn dropped(process: &Process) -> BTreeMap<FunctionId, Dropped> {
    let mut all: BTreeMap<FunctionId, Dropped> = BTreeMap::new();
    for (stack, count, ns) in process.threads.iter().flat_map(met) {
        let Some((_, frame)) = process.coroutine_dropped_in(process.stack(stack)) else {
            continue;
        };
        if let Some(function) = frame.function {
            let dropped = all.entry(function).or_default();
            *dropped.lines.entry(frame.line).or_default() += count;
            dropped.ns += ns;
        }
    }
    all
}

/// The stacks that a thread was met in, how often, and what that stands for on a CPU. One that is
/// sampled more often than others has its samples apart.
fn met(thread: &Thread) -> Vec<(StackId, u64, u64)> {
    let more: u64 = thread.loop_samples.iter().map(|of| of.count).sum();
    let mut met: Vec<_> = thread
        .loop_samples
        .iter()
        .map(|of| {
            let ns = in_proportion(thread.times.on_cpu_ns, of.count, more);
            (of.stack, of.count, ns)
        })
        .collect();
    let apart: BTreeSet<StackId> = thread.loop_samples.iter().map(|of| of.stack).collect();
    let times = thread.stack_times.iter().zip(thread.charges());
    met.extend(
        times
            .filter(|(time, _)| !(time.kind.is_on_cpu() && apart.contains(&time.stack)))
            .map(|(time, charge)| {
                let ns = if more == 0 { charge.on_cpu_ns } else { 0 };
                (time.stack, time.count, ns)
            }),
    );
    met
}

fn finding(
    rule: &'static str,
    case: Case<'_>,
    function: FunctionId,
    dropped: &Dropped,
) -> Option<Finding> {
    let process = case.process;
    let count: u64 = dropped.lines.values().sum();
    let known = dropped.lines.iter().filter(|(line, _)| line.is_some());
    let most = known.max_by_key(|(_, count)| **count);
    let line = most.and_then(|(line, _)| *line);
    let place = Blame::at(process, function, line)?;
    let calls = process.dropped_calls.iter();
    let mut calls = calls.filter(|call| call.function == function && call.line == line);
    let call = calls.next().map(|call| call.name.as_str());
    let evidence = vec![figure(
        format!(
            "met {} where Python warns that a coroutine of {} was never awaited",
            say::count(count, "time", "times"),
            place.short()
        ),
        "never_awaited_met",
        count as f64,
        "count",
    )];
    let (why, fix) = match call {
        Some(call) => (
            format!("{call}(...) only makes a coroutine, which is dropped there: its body never runs."),
            format!(
                "await {call}(...), or hand it to asyncio.create_task() and keep the task until it is done"
            ),
        ),
        None => (
            "A call of an async function only makes a coroutine; this one is dropped, and its body never runs."
                .to_owned(),
            format!(
                "await what {} drops, or hand it to asyncio.create_task() and keep the task until it is done",
                place.short()
            ),
        ),
    };
    Some(Finding {
        // What is wrong is the result, however little time it takes: no time says how much is lost.
        severity: Severity::High,
        confidence: if call.is_some() { 1.0 } else { CONFIDENCE },
        evidence,
        cause: why,
        fix,
        // The warnings alone.
        recoverable_ns_per_s: Some(per_second(dropped.ns, case.verdicts.span_ns))
            .filter(|ns| *ns > 0),
        ..case.finding(rule, Some(place), 0)
    })
}

#[cfg(test)]
mod tests {
    use super::NeverAwaited;
    use crate::{
        diagnose::{Severity, testing::Model},
        model::{DroppedCall, Frame, LoopSamples, Reason, StackId},
    };

    const WARNS: &str = "_warn_unawaited_coroutine";

    /// A thread that was met once in a stack, by the samples of a loop.
    fn met_in(model: &mut Model, frames: &[Frame]) {
        model.thread(&[(frames, Reason::PollWait, None, 5, 1_900)]);
        model
            .process
            .stacks
            .push(Model::stack(&[frames[frames.len() - 1]]));
        let thread = &mut model.process.threads[0];
        let stack = thread.stack_times.remove(0).stack;
        thread.loop_samples = vec![
            LoopSamples { stack, count: 1 },
            LoopSamples {
                stack: StackId(stack.0 + 1),
                count: 99,
            },
        ];
    }

    #[test]
    fn one_sample_of_the_warning_is_proof() {
        let mut model = Model::default();
        let warning = model.frame(WARNS, "/usr/lib/python3.12/warnings.py");
        let accept = model.frame("accept", "/srv/app.py");
        let turn = model.frame("_run_once", "/usr/lib/python3.12/asyncio/base_events.py");
        met_in(&mut model, &[warning, accept, turn]);
        let found = model.check(&NeverAwaited);
        assert_eq!(found.len(), 1, "{found:?}");
        let place = found[0].place.as_ref().expect("it has a place");
        assert_eq!((place.function.as_str(), place.line), ("accept", Some(2)));
        assert_eq!(found[0].severity, Severity::High);
        // A hundredth of 100 ms on a CPU in two seconds.
        assert_eq!(found[0].recoverable_ns_per_s, Some(500_000));
        model.process.dropped_calls.push(DroppedCall {
            function: place.function_id,
            line: Some(2),
            name: "mailer.confirm".to_owned(),
        });
        let named = model.check(&NeverAwaited);
        assert!(
            named[0].fix.starts_with("await mailer.confirm(...)"),
            "{named:?}"
        );
    }

    #[test]
    fn others_of_that_name_prove_nothing() {
        for (name, file) in [
            (WARNS, "/srv/warnings.py"),
            (WARNS, "/usr/lib/python3.12/site-packages/x/warnings.py"),
            ("warn", "/usr/lib/python3.12/warnings.py"),
        ] {
            let mut model = Model::default();
            let warning = model.frame(name, file);
            let accept = model.frame("accept", "/srv/app.py");
            met_in(&mut model, &[warning, accept]);
            assert!(model.check(&NeverAwaited).is_empty(), "{name} of {file}");
        }
    }

    #[test]
    fn what_libraries_drop_is_not_the_users() {
        let mut model = Model::default();
        let warning = model.frame(WARNS, "/usr/lib/python3.14/_py_warnings.py");
        let run = model.frame("_run", "/usr/lib/python3.14/asyncio/events.py");
        let main = model.frame("main", "/srv/app.py");
        met_in(&mut model, &[warning, run, main]);
        assert!(model.check(&NeverAwaited).is_empty());
    }
}
