//! Waits for locks that are waits for an item of a queue.
//!
//! `queue.SimpleQueue` is written in C (`Modules/_queuemodule.c`): a wait in its `get` is one for
//! a lock, in the user's own frame. What that frame calls tells it from a fight for the lock.

use std::{collections::BTreeMap, time::Instant};

use super::{code_reads::read_or_kept, watched::Watched};
use crate::{
    bytecode::Analysis,
    interpreter::PythonProcess,
    model::{Awaits, Process, Reason, StackId, StackTime},
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
    let mut waits: BTreeMap<StackId, u64> = BTreeMap::new();
    for time in times(process).filter(|time| is_for_lock(time)) {
        *waits.entry(time.stack).or_default() += time.blocked_ns;
    }
    let mut stacks: Vec<_> = waits.into_iter().collect();
    stacks.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
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

fn times(process: &Process) -> impl Iterator<Item = &StackTime> {
    process
        .threads
        .iter()
        .flat_map(|thread| &thread.stack_times)
}

fn is_for_lock(time: &StackTime) -> bool {
    matches!(time.kind.reason(), Some(Reason::Lock | Reason::Futex))
}

fn takes_item(watched: &Watched, python: &PythonProcess, code: CodeId, offset: u32) -> bool {
    let parts = match read_or_kept(python, watched, code) {
        Ok(parts) => parts,
        Err(why) => {
            tracing::debug!(pid = python.pid, %why, "code object not read for a wait");
            return false;
        }
    };
    let analysis = Analysis::of(parts.code()).ok();
    analysis.is_some_and(|analysis| analysis.method_called(offset) == Some(TAKES))
}
