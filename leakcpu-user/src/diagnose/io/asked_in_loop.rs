//! What coroutines ask for and wait for, one answer at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::waited::{peer, works_taken};
use crate::diagnose::below::Lines;
use crate::{
    classify::Blame,
    model::{
        Awaits, EventLoop, Frame, Function, FunctionId, LoopKind, LoopSamples, Process, RoundTrips,
        StackId, StackTime, Thread, Tid, in_proportion,
    },
};

/// Fewer looks at its sockets say nothing of how many answers a loop waits for at a time.
const MIN_LOOKS: u64 = 10;
/// One of so many may have found several: the next request is made as an answer comes.
const LOOKS_OF_ONE: u64 = 20;
/// Fewer samples of what is resumed name no place.
const MIN_SAMPLES: u64 = 10;

/// What the coroutines of one event loop ask for in one loop over items, never two at a time.
pub(super) struct AskedInLoop<'a> {
    pub tid: Tid,
    /// The loop over items.
    pub place: Blame,
    /// Files of what asks for it, which is not the user's own.
    pub files: BTreeSet<&'a str>,
    /// Looks that found it waiting for one answer.
    pub looks: u64,
    /// How long it waited for answers.
    pub waits_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// Who answered.
    pub peers: BTreeSet<&'a str>,
    /// Round trips to them.
    pub trips: u64,
    /// Sent and received in these.
    pub bytes: [u64; 2],
    /// CPU time of its thread ...
    pub on_cpu_ns: u64,
    /// ... and the part of it in coroutines that ask for nothing.
    pub other_cpu_ns: u64,
    /// How often it waited for work, if it serves anybody.
    pub works_taken: u64,
}

/// Those that ask by functions of which `asks` is true.
pub(super) fn asked_in_loops(
    process: &Process,
    asks: impl Fn(&Function) -> bool,
) -> Vec<AskedInLoop<'_>> {
    let threads = process.threads.iter();
    threads
        .filter_map(|thread| asked_in_loop(process, thread, &asks))
        .collect()
}

fn asked_in_loop<'a>(
    process: &'a Process,
    thread: &'a Thread,
    asks: &impl Fn(&Function) -> bool,
) -> Option<AskedInLoop<'a>> {
    let owed = thread.owed?;
    if owed.looks < MIN_LOOKS || owed.of_several * LOOKS_OF_ONE > owed.looks {
        return None;
    }
    let of = process.event_loop(thread)?;
    if of.kind != LoopKind::Asyncio {
        return None;
    }
    let resumed = Resumed::of(process, thread, &of, asks);
    let place = resumed.place(process)?;
    let waits = || {
        let times = thread.stack_times.iter().zip(thread.charges());
        times.filter(|(time, _)| is_for_answer(&of, time))
    };
    let peers: BTreeSet<&str> = waits().filter_map(|(time, _)| peer(time)).collect();
    // Only an event loop waits on these, so they have no place.
    let trips = || {
        let rows = process.round_trips.iter().filter(|row| row.frame.is_none());
        rows.filter(|row| peers.contains(row.peer.as_str()))
    };
    let sum = |of: fn(&RoundTrips) -> Option<u64>| trips().filter_map(of).sum();
    Some(AskedInLoop {
        tid: thread.tid,
        works_taken: if owed.serves {
            works_taken(process, thread, place.function_id)
        } else {
            0
        },
        place,
        looks: owed.looks,
        waits_ns: waits().map(|(_, charge)| charge.blocked_ns).sum(),
        max_ns: waits()
            .map(|(time, _)| time.max_blocked_ns)
            .max()
            .unwrap_or(0),
        trips: sum(|row| row.round_trips),
        bytes: [sum(|row| row.sent_bytes), sum(|row| row.received_bytes)],
        on_cpu_ns: thread.times.on_cpu_ns,
        other_cpu_ns: in_proportion(
            thread.times.on_cpu_ns,
            resumed.in_tasks - resumed.asking,
            resumed.samples,
        ),
        files: resumed.files,
        peers,
    })
}

fn is_for_answer(of: &EventLoop, time: &StackTime) -> bool {
    time.awaits == Some(Awaits::Answer) && of.waits.contains(&time.stack)
}

/// What a loop ran, by samples.
#[derive(Default)]
struct Resumed<'a> {
    samples: u64,
    /// In the user's own code, which it called.
    in_tasks: u64,
    /// Where that asks.
    asking: u64,
    files: BTreeSet<&'a str>,
    /// Loops over items that ask.
    repeats: BTreeMap<FunctionId, (Lines, u64)>,
}

impl<'a> Resumed<'a> {
    fn of(
        process: &'a Process,
        thread: &Thread,
        of: &EventLoop,
        asks: &impl Fn(&Function) -> bool,
    ) -> Self {
        let mut resumed = Self::default();
        for LoopSamples { stack, count } in thread.samples_by_stack() {
            resumed.samples += count;
            let frames = &process.stack(stack).frames;
            let place = process.place_in_loop(of, process.stack(stack));
            let own = frames.iter().position(|frame| process.is_own_frame(*frame));
            let Some(own) = own.filter(|own| place.frame == frames.get(*own).copied()) else {
                continue;
            };
            resumed.in_tasks += count;
            let below = frames[..own].iter().filter_map(|frame| frame.function);
            let below: Vec<&Function> = below.filter_map(|id| process.function(id)).collect();
            if !below.iter().any(|function| asks(function)) {
                continue;
            }
            resumed.asking += count;
            let files = below.iter().map(|function| function.file.as_str());
            resumed.files.extend(files);
            if let Some((id, frame)) = loop_over_items(process, stack) {
                let (lines, samples) = resumed.repeats.entry(id).or_default();
                lines.add(frame.line, count);
                *samples += count;
            }
        }
        resumed
    }

    /// The loop that most of the asking is done in, if asking is most of what is done.
    fn place(&self, process: &Process) -> Option<Blame> {
        let repeats = self.repeats.iter();
        let (id, (lines, samples)) = repeats.max_by_key(|(_, (_, samples))| *samples)?;
        let is_most = self.asking >= MIN_SAMPLES
            && self.asking * 2 >= self.in_tasks
            && samples * 2 >= self.asking;
        lines.place(process, *id).filter(|_| is_most)
    }
}

fn loop_over_items(process: &Process, stack: StackId) -> Option<(FunctionId, Frame)> {
    let mut repeats = process.repeats.iter();
    let of_it = repeats.find(|repeat| repeat.stack == stack && repeat.over_items)?;
    Some((of_it.frame.function?, of_it.frame))
}
