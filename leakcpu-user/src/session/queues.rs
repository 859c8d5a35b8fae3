//! Waits for locks that are waits for an item of a queue.
//!
//! `queue.SimpleQueue` is written in C (`Modules/_queuemodule.c`): a wait in its `get` is one for
//! a lock, in the user's own frame. What that frame calls tells it from a fight for the lock.

use std::time::Instant;

use super::{code_reads::read_for_wait, watched::Watched};
use crate::{
    bytecode::Analysis,
    interpreter::PythonProcess,
    model::{Awaits, Process, Reason, StackTime},
    symbolize::CodeId,
};

/// Stacks of one process that are looked at, those that were waited in longest.
const STACKS: usize = 16;
/// What takes an item of a queue is called.
const TAKES: &str = "get";

/// Marks a process' waits for items as waits for work; none is looked at after `until`.
pub(super) fn mark_queues(watched: &Watched, process: &mut Process, until: Instant) {
    let Some(python) = watched.python() else {
        return;
    };
    let mut stacks = process.waited_in(is_for_lock);
    stacks.truncate(STACKS);
    stacks.retain(|(stack, _)| {
        let leaf = watched.stacks.spots(*stack).next();
        let place =
            leaf.and_then(|(_, spot)| spot.and_then(|spot| Some((spot.code, spot.offset?))));
        place.is_some_and(|(code, offset)| {
            Instant::now() < until && takes_item(watched, python, code, offset)
        })
    });
    for thread in &mut process.threads {
        for time in &mut thread.stack_times {
            if is_for_lock(time) && stacks.iter().any(|(stack, _)| *stack == time.stack) {
                time.awaits = Some(Awaits::Work);
            }
        }
    }
}

fn is_for_lock(time: &StackTime) -> bool {
    matches!(time.kind.reason(), Some(Reason::Lock | Reason::Futex))
}

fn takes_item(watched: &Watched, python: &PythonProcess, code: CodeId, offset: u32) -> bool {
    let Some(parts) = read_for_wait(python, watched, code) else {
        return false;
    };
    let analysis = Analysis::of(parts.code()).ok();
    analysis.is_some_and(|analysis| analysis.method_called(offset) == Some(TAKES))
}
