//! `async.cpu-in-loop`: a step of a task that computes for long on the thread of its event loop.

use super::held_loop::{self, Held};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::{Class, Detail, say},
    model::LoopKind,
};

const CAUSE: &str = "The loop's only thread computes, and all other tasks wait.";

/// The rule.
pub struct CpuInLoop;

impl Rule for CpuInLoop {
    fn name(&self) -> &'static str {
        "async.cpu-in-loop"
    }

    fn about(&self) -> &'static str {
        "A step of a task computes for 100 ms or more on the event loop's thread, so that every other task waits."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "An async server answers late, although the machine has CPUs to spare.",
            evidence: "Steps of tasks that are on a CPU for 100 ms or more without giving way; time in which the thread was ready and did not run is left out.",
            needs: "Context switches; asyncio (uvloop too) or gevent.",
            fix: "Give the work to a process pool, or split the step. A thread pool is enough for native code that releases the GIL.",
            slow: "async def handle(request):\n    return render(rows)    # 300 ms of Python",
            fixed: "async def handle(request):\n    loop = asyncio.get_running_loop()\n    return await loop.run_in_executor(processes, render, rows)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let loops = held_loop::loops(case);
        let found = held_loop::each(case.process, &loops, |held| {
            finding(self.name(), case, &held)
        });
        if found.is_empty() {
            return never_waits(self.name(), case).into_iter().collect();
        }
        found
    }
}

/// A loop that always has something to do never waits, so that its turns are not told apart: the
/// verdict rests on how seldom samples found it between two callbacks.
fn never_waits(rule: &'static str, case: Case<'_>) -> Option<Finding> {
    let verdict = &case.verdicts.verdict;
    let is_it =
        verdict.class == Class::CpuBound && verdict.detail == Some(Detail::EventLoopBlocked);
    let place = verdict.blame.as_ref().filter(|_| is_it)?;
    let times = case.process.times();
    let recoverable = per_second(times.on_cpu_ns, case.verdicts.span_ns);
    Some(Finding {
        evidence: verdict.because.clone(),
        cause: CAUSE.to_owned(),
        fix: fix(LoopKind::Asyncio, &place.short()),
        ..case.finding(rule, Some(place.clone()), recoverable)
    })
}

fn fix(kind: LoopKind, place: &str) -> String {
    match kind {
        LoopKind::Gevent => format!(
            "take the work of {place} off the hub: gevent.get_hub().threadpool.apply(...) for native code, processes for Python"
        ),
        LoopKind::Asyncio | LoopKind::Other => format!(
            "take the work of {place} off the event loop: loop.run_in_executor() with a ProcessPoolExecutor, or await asyncio.sleep(0) between parts of it"
        ),
    }
}

fn finding(rule: &'static str, case: Case<'_>, held: &Held<'_>) -> Option<Finding> {
    // On a busy machine a step takes long because it does not run.
    let step_ns = held.event_loop.gaps.longest?.times.on_cpu_ns;
    let on_cpu_ns = held.holder.on_cpu_ns;
    let recoverable = per_second(on_cpu_ns, held.thread.times.wall_ns);
    let is_most = on_cpu_ns * 2 >= held.holder.total_ns();
    let limits = case.thresholds;
    let is_long = step_ns >= limits.loop_step_ns && recoverable >= limits.loop_held_ns_per_s;
    if !is_long || !is_most {
        return None;
    }
    let mut evidence = vec![
        figure(
            format!(
                "{} of {} on a CPU in long steps{}",
                say::duration(on_cpu_ns),
                say::duration(held.thread.times.wall_ns),
                held.of_task()
            ),
            "loop_on_cpu_ns",
            on_cpu_ns as f64,
            "ns",
        ),
        figure(
            format!("{} on a CPU in the longest", say::duration(step_ns)),
            "loop_step_on_cpu_ns",
            step_ns as f64,
            "ns",
        ),
    ];
    evidence.extend(held.standstill());
    Some(Finding {
        threads: vec![held.thread.tid],
        evidence,
        cause: CAUSE.to_owned(),
        fix: fix(held.event_loop.kind, &held.place.short()),
        ..case.finding(rule, Some(held.place.clone()), recoverable)
    })
}
