//! What keeps an event loop from its turns: common to the rules of it.

use crate::{
    classify::{Because, Blame, say},
    diagnose::finding::figure,
    model::{EventLoop, Holder, LoopKind, Process, Thread},
};

/// A loop of a library that is known, and somebody who held it.
pub(super) struct Held<'a> {
    pub thread: &'a Thread,
    pub event_loop: &'a EventLoop,
    pub holder: &'a Holder,
    /// Where.
    pub place: Blame,
    /// The coroutine or callback that the loop ran, if that is another function.
    pub task: Option<String>,
}

/// Calls `found` with everybody who held a loop of the process' for long, but for threads that are
/// proved to spin.
pub(super) fn each<'a, T>(
    process: &'a Process,
    loops: &'a [(usize, EventLoop)],
    found: impl Fn(Held<'a>) -> Option<T>,
) -> Vec<T> {
    let mut all = Vec::new();
    for (index, event_loop) in loops {
        let Some(thread) = process.threads.get(*index) else {
            continue;
        };
        for holder in &event_loop.holders {
            let Some(place) = place(process, holder) else {
                continue;
            };
            let task = holder.task.and_then(|id| process.function(id));
            let task = task
                .filter(|_| holder.task != Some(place.function_id))
                .map(|function| function.name.clone());
            all.extend(found(Held {
                thread,
                event_loop,
                holder,
                place,
                task,
            }));
        }
    }
    all
}

/// The loops of a process' threads that do not spin, by the thread's index.
pub(super) fn loops(case: crate::diagnose::Case<'_>) -> Vec<(usize, EventLoop)> {
    let threads = case.process.threads.iter().enumerate();
    threads
        .filter(|(index, _)| !case.is_spinning(*index))
        .filter_map(|(index, thread)| Some((index, case.process.event_loop(thread)?)))
        .filter(|(_, event_loop)| event_loop.kind != LoopKind::Other)
        .collect()
}

fn place(process: &Process, holder: &Holder) -> Option<Blame> {
    let frame = holder.frame?;
    Blame::at(process, frame.function?, frame.line)
}

impl Held<'_> {
    /// ` of the task handle_request`.
    pub(super) fn of_task(&self) -> String {
        let task = self.task.as_ref();
        task.map_or(String::new(), |task| format!(" of the task {task}"))
    }

    /// For how long the loop stood still, at most and how often.
    pub(super) fn standstill(&self) -> Vec<Because> {
        let gaps = &self.event_loop.gaps;
        let mut evidence = Vec::new();
        if let Some(longest) = gaps.longest {
            evidence.push(figure(
                format!(
                    "the loop serves nobody meanwhile, for up to {}",
                    say::duration(longest.duration_ns)
                ),
                "loop_held_ns",
                longest.duration_ns as f64,
                "ns",
            ));
        }
        evidence.push(figure(
            format!("{} times for 20 ms or longer", say::grouped(gaps.long)),
            "loop_long_gaps",
            gaps.long as f64,
            "count",
        ));
        evidence
    }
}
