//! Which loops of the user's own code make waits for answers come again and again.
//!
//! The stack of an event loop that waits is the loop's own. A coroutine that is resumed has those
//! that await it on its stack, so what such a loop runs in between is looked at too.

use std::{collections::HashMap, time::Instant};

use super::{code_reads::read_for_wait, watched::Watched};
use crate::{
    bytecode::Analysis,
    interpreter::PythonProcess,
    model::{Process, Reason, Repeat, StackId, Thread},
    symbolize::CodeId,
};

/// Stacks of one process that are looked at, those that were waited in longest ...
const STACKS: usize = 16;
/// ... and those that event loops were most often sampled in, which have callers in common.
const SAMPLED_STACKS: usize = 64;
/// Fewer waits are no habit.
const MIN_WAITS: u64 = 5;
/// Places whose code objects are read for one process.
const MAX_READ: usize = 32;

/// The loops of a process' waits for answers; none is looked for after `until`.
pub(super) fn repeats(watched: &Watched, process: &Process, until: Instant) -> Vec<Repeat> {
    let Some(python) = watched.python() else {
        return Vec::new();
    };
    let mut known: HashMap<(CodeId, u32), Option<Around>> = HashMap::new();
    let mut found = Vec::new();
    for stack in waited_in(process).into_iter().chain(resumed_in(process)) {
        for (frame, spot) in watched.stacks.spots(stack) {
            if !process.is_own_frame(frame) {
                continue;
            }
            let place = spot.and_then(|spot| Some((spot.code, spot.offset?)));
            let Some((code, offset)) = place else { break };
            let is_known = known.contains_key(&(code, offset));
            if !is_known && (Instant::now() >= until || known.len() >= MAX_READ) {
                return found;
            }
            let around = known
                .entry((code, offset))
                .or_insert_with(|| around(watched, python, code, offset));
            match around {
                Some(Around::Loop { over_items }) => {
                    found.push(Repeat {
                        stack,
                        frame,
                        over_items: *over_items,
                    });
                    break;
                }
                Some(Around::Nothing) => {}
                // What the loop is cannot be told if a frame on the way to it is not known.
                None => break,
            }
        }
    }
    found
}

/// The stacks of waits for answers.
fn waited_in(process: &Process) -> Vec<StackId> {
    let waits = process
        .waited_in(|time| matches!(time.kind.reason(), Some(Reason::NetRecv | Reason::PollWait)));
    let often = waits.into_iter().filter(|(_, count)| *count >= MIN_WAITS);
    often.take(STACKS).map(|(stack, _)| stack).collect()
}

/// The stacks of what event loops run that wait for answers.
fn resumed_in(process: &Process) -> Vec<StackId> {
    let loops = process.threads.iter().filter(|of| of.owed.is_some());
    let mut samples: Vec<_> = loops.flat_map(Thread::samples_by_stack).collect();
    samples.sort_by_key(|of| std::cmp::Reverse(of.count));
    let stacks = samples.into_iter().take(SAMPLED_STACKS);
    stacks.map(|of| of.stack).collect()
}

/// What is around a place in a code object.
enum Around {
    Loop { over_items: bool },
    Nothing,
}

/// `None` if the code object cannot be read, or not be understood.
fn around(watched: &Watched, python: &PythonProcess, code: CodeId, offset: u32) -> Option<Around> {
    let parts = read_for_wait(python, watched, code)?;
    let analysis = Analysis::of(parts.code()).ok()?;
    let repeats = analysis.repeats(offset);
    Some(repeats.map_or(Around::Nothing, |over_items| Around::Loop { over_items }))
}
