//! Which calls gave the coroutines that were met being dropped.

use super::{code_reads::read_or_kept, watched::Watched};
use crate::{
    bytecode::Analysis,
    model::{DroppedCall, Process},
    symbolize::CodeId,
};

/// Places whose code objects are read for one process.
const MAX_READ: usize = 8;

/// The calls whose coroutines a process dropped, as far as its bytecode tells.
pub(super) fn dropped_calls(watched: &Watched, process: &Process) -> Vec<DroppedCall> {
    let Some(python) = watched.python() else {
        return Vec::new();
    };
    let threads = process.threads.iter();
    let met = threads.flat_map(|thread| {
        let more = thread.loop_samples.iter().map(|of| of.stack);
        more.chain(thread.stack_times.iter().map(|time| time.stack))
    });
    let mut found: Vec<DroppedCall> = Vec::new();
    let mut known: Vec<(CodeId, u32)> = Vec::new();
    for stack in met {
        let Some((number, frame)) = process.coroutine_dropped_in(process.stack(stack)) else {
            continue;
        };
        let spot = watched.stacks.spots(stack).nth(number);
        let spot = spot.and_then(|(_, spot)| spot);
        let place = spot.and_then(|spot| Some((spot.code, spot.offset?)));
        let (Some((code, offset)), Some(function)) = (place, frame.function) else {
            continue;
        };
        if known.contains(&(code, offset)) {
            continue;
        }
        if known.len() >= MAX_READ {
            break;
        }
        known.push((code, offset));
        let parts = read_or_kept(python, watched, code).inspect_err(|why| {
            tracing::debug!(pid = python.pid, %why, "code object not read for its coroutine");
        });
        let Ok(parts) = parts else { continue };
        let analysis = Analysis::of(parts.code()).ok();
        if let Some(name) = analysis.and_then(|analysis| analysis.dropped_call(offset)) {
            found.push(DroppedCall {
                function,
                line: frame.line,
                name,
            });
        }
    }
    found
}
