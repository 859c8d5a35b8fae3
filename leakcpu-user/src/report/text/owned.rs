//! Threads that wait for a lock that is not given back, a line each.

use std::fmt::Write as _;

use super::line::{Line, Look, cut_end};
use super::place::frame_short;
use crate::classify::owner_in_words;
use crate::classify::say::duration;
use crate::model::{LockWait, Process, StackId, Tid};
use crate::report::clean;

/// Waits from this length on are worth a line.
const WORTH_SAYING_NS: u64 = 500_000_000;

/// `thread 4712 waits for an RLock that thread 4713 owns, 9.8 s: take_both app.py:12; its
/// owner is in hold app.py:20`; of a deadlock each of its threads, else the longest wait
/// for a lock that has an owner.
pub(super) fn owned(process: &Process, indent: usize, width: usize) -> Vec<Line> {
    let deadlocks = process.deadlocks();
    let mut waits: Vec<(Tid, LockWait)> = deadlocks
        .first()
        .into_iter()
        .flatten()
        .map(|one| (one.tid, one.wait.clone()))
        .collect();
    let is_deadlock = !waits.is_empty();
    if !is_deadlock {
        let open = process.threads.iter().flat_map(|thread| {
            let waits = thread.lock_waits.iter();
            let open = waits.filter(|wait| wait.is_open && wait.owner.is_some());
            open.map(|wait| (thread.tid, wait.clone()))
        });
        waits.extend(open.max_by_key(|(_, wait)| wait.waited_ns));
    }
    waits.retain(|(_, wait)| wait.waited_ns >= WORTH_SAYING_NS);
    let text = |(tid, wait): &(Tid, LockWait)| one(process, *tid, wait, is_deadlock);
    let line = |text: String| {
        let mut line = Line::new();
        line.pad_to(indent)
            .push(&cut_end(&clean(&text), width - indent), Look::Warning);
        line
    };
    waits.iter().filter_map(text).map(line).collect()
}

fn one(process: &Process, tid: Tid, wait: &LockWait, is_deadlock: bool) -> Option<String> {
    let lock = owner_in_words(process, wait)?;
    let frame = |stack: StackId| {
        let frame = process.own_frame(process.stack(stack))?;
        frame_short(process, frame)
    };
    let mut text = format!(
        "{} waits for {lock}, {}",
        process.thread_in_words(tid),
        duration(wait.waited_ns)
    );
    if let Some(place) = frame(wait.stack) {
        let _ = write!(text, ": {place}");
    }
    // In a deadlock it has a line of its own.
    if let Some(owner) = wait.owner
        && let Some(place) = frame(owner.stack).filter(|_| !is_deadlock)
    {
        let _ = write!(text, "; its owner is in {place}");
    }
    Some(text)
}
