//! Which loops of the user's own code make waits for answers come again and again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use super::{waiting_loops::read_or_kept, watched::Watched};
use crate::{
    bytecode::Analysis,
    interpreter::CodeParts,
    model::{Process, Reason, Repeat, StackId},
    symbolize::CodeId,
};

/// Stacks of one process that are looked at, those that were waited in longest.
const STACKS: usize = 16;
/// Fewer waits are no habit.
const MIN_WAITS: u64 = 5;
/// Code objects that are read for one process.
const MAX_READ: usize = 32;

/// The loops of a process' waits for answers; none is looked for after `until`.
pub(super) fn repeats(watched: &Watched, process: &Process, until: Instant) -> Vec<Repeat> {
    let Some(python) = watched.python() else {
        return Vec::new();
    };
    let mut waits: BTreeMap<StackId, (u64, u64)> = BTreeMap::new();
    for time in process
        .threads
        .iter()
        .flat_map(|thread| &thread.stack_times)
    {
        if matches!(time.kind.reason(), Some(Reason::NetRecv | Reason::PollWait)) {
            let sums = waits.entry(time.stack).or_default();
            *sums = (sums.0 + time.count, sums.1 + time.blocked_ns);
        }
    }
    let mut stacks: Vec<_> = waits
        .into_iter()
        .filter(|(_, (count, _))| *count >= MIN_WAITS)
        .collect();
    stacks.sort_by_key(|(_, (_, ns))| std::cmp::Reverse(*ns));
    let mut read: HashMap<CodeId, Option<Arc<CodeParts>>> = HashMap::new();
    let mut found = Vec::new();
    for (stack, _) in stacks.into_iter().take(STACKS) {
        for (frame, spot) in watched.stacks.spots(stack) {
            if !process.is_own_frame(frame) {
                continue;
            }
            let place = spot.and_then(|spot| Some((spot.code, spot.offset?)));
            let Some((code, offset)) = place else { break };
            if Instant::now() >= until || read.len() >= MAX_READ && !read.contains_key(&code) {
                return found;
            }
            let parts = read.entry(code).or_insert_with(|| {
                let parts = read_or_kept(python, watched, code);
                parts
                    .inspect_err(|why| {
                        tracing::debug!(pid = python.pid, %why, "code object not read for a wait");
                    })
                    .ok()
            });
            // What the loop is cannot be told if a frame on the way to it is not known.
            let Some(analysis) = parts
                .as_ref()
                .and_then(|parts| Analysis::of(parts.code()).ok())
            else {
                break;
            };
            if let Some(over_items) = analysis.repeats(offset) {
                found.push(Repeat {
                    stack,
                    frame,
                    over_items,
                });
                break;
            }
        }
    }
    found
}
