//! Waits below the user's own code, by the function that answers for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::below::{Lines, called};
use crate::{
    classify::Blame,
    model::{Awaits, Function, FunctionId, Process, Reason, StackTime, StackTimeKind, Thread, Tid},
};

/// Files between a worker and the queue that it takes its work from.
const QUEUES: [&str; 3] = ["/queue.py", "/concurrent/futures/", "/multiprocessing/"];

/// One entry of those waits.
pub(super) struct Entry<'a> {
    pub tid: Tid,
    pub time: &'a StackTime,
    /// Its time.
    pub ns: u64,
    /// What the function called, leaf first.
    pub below: Vec<&'a Function>,
}

/// Waits that one function answers for.
pub(super) struct Waited<'a> {
    pub place: Blame,
    pub entries: Vec<Entry<'a>>,
}

/// Waits that `is_it` says are meant, by function, most time first. Those that hold an event
/// loop are left out: `async.blocking-call` has a better advice.
pub(super) fn waited<'a>(
    process: &'a Process,
    is_it: impl Fn(&StackTime, &[&Function]) -> bool,
) -> Vec<Waited<'a>> {
    let mut by_function: BTreeMap<FunctionId, (Lines, Vec<Entry<'a>>)> = BTreeMap::new();
    for thread in &process.threads {
        for (time, charge) in thread.stack_times.iter().zip(thread.charges()) {
            if time.kind.reason().is_none() || time.in_long_gap {
                continue;
            }
            let Some(called) = called(process, process.stack(time.stack)) else {
                continue;
            };
            let id = called.frame.function.filter(|_| is_it(time, &called.below));
            let Some(id) = id else {
                continue;
            };
            let (lines, entries) = by_function.entry(id).or_default();
            lines.add(called.frame.line, charge.blocked_ns);
            entries.push(Entry {
                tid: thread.tid,
                time,
                ns: charge.blocked_ns,
                below: called.below,
            });
        }
    }
    let mut all: Vec<Waited<'a>> = by_function
        .into_iter()
        .filter_map(|(id, (lines, entries))| {
            let place = lines.place(process, id)?;
            Some(Waited { place, entries })
        })
        .collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.total_ns()));
    all
}

impl Waited<'_> {
    /// Their time.
    pub(super) fn total_ns(&self) -> u64 {
        self.entries.iter().map(|entry| entry.ns).sum()
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.entries.iter().map(|entry| entry.time.count).sum()
    }

    /// The longest.
    pub(super) fn max_ns(&self) -> u64 {
        let longest = self.entries.iter().map(|entry| entry.time.max_blocked_ns);
        longest.max().unwrap_or(0)
    }

    /// The loop over items of something that most of them come from, again and again. The loops
    /// in which a program waits for its work go over none.
    pub(super) fn loop_over_items(&self, process: &Process) -> Option<Blame> {
        let mut by_function: BTreeMap<FunctionId, (Lines, u64)> = BTreeMap::new();
        for entry in &self.entries {
            let mut repeats = process.repeats.iter();
            let of_it = repeats.find(|repeat| repeat.stack == entry.time.stack);
            let frame = of_it.filter(|of| of.over_items).map(|of| of.frame);
            if let Some((frame, id)) = frame.and_then(|frame| Some((frame, frame.function?))) {
                let (lines, count) = by_function.entry(id).or_default();
                lines.add(frame.line, entry.ns);
                *count += entry.time.count;
            }
        }
        let (id, (lines, count)) = by_function
            .into_iter()
            .max_by_key(|(_, (_, count))| *count)?;
        let place = lines.place(process, id)?;
        (count * 2 >= self.count()).then_some(place)
    }

    /// The threads, and how long each waited.
    pub(super) fn threads(&self) -> BTreeMap<Tid, u64> {
        let mut threads = BTreeMap::new();
        for entry in &self.entries {
            *threads.entry(entry.tid).or_default() += entry.ns;
        }
        threads
    }

    /// How long the thread waited that waited longest.
    pub(super) fn busiest_ns(&self) -> u64 {
        self.threads().into_values().max().unwrap_or(0)
    }

    /// Other ends that are known.
    pub(super) fn peers(&self) -> BTreeSet<&str> {
        let peers = self.entries.iter().filter_map(|entry| peer(entry.time));
        peers.collect()
    }

    /// Files that are known.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        let entries = self.entries.iter();
        let files = entries.filter_map(|entry| match &entry.time.kind {
            StackTimeKind::Blocked { file, .. } => file.as_deref(),
            _ => None,
        });
        files.collect()
    }

    /// How often its threads waited for work: a request, or an item of a queue. Who does one
    /// thing for each does not do it in a loop of its own.
    pub(super) fn works_taken(&self, process: &Process) -> u64 {
        let threads = self.threads();
        let threads = process
            .threads
            .iter()
            .filter(|thread| threads.contains_key(&thread.tid));
        let place = self.place.function_id;
        threads
            .map(|thread| works_taken(process, thread, place))
            .sum()
    }
}

/// The other end of a wait.
pub(super) fn peer(time: &StackTime) -> Option<&str> {
    match &time.kind {
        StackTimeKind::Blocked { peer, .. } => peer.as_deref(),
        _ => None,
    }
}

/// Whether bytes are waited for, and not those of a request.
pub(super) fn is_for_answer(time: &StackTime) -> bool {
    time.awaits != Some(Awaits::Work)
        && match time.kind.reason() {
            Some(Reason::NetRecv) => true,
            Some(Reason::PollWait) => peer(time).is_some() || time.awaits == Some(Awaits::Answer),
            _ => false,
        }
}

/// Waits for work of a thread. One for some event in `place` itself is for what that asked for.
pub(super) fn works_taken(process: &Process, thread: &Thread, place: FunctionId) -> u64 {
    let is_elsewhere = |time: &StackTime| {
        let frame = process.own_frame(process.stack(time.stack));
        frame.and_then(|frame| frame.function) != Some(place)
    };
    let takes_work = |time: &&StackTime| match time.kind.reason() {
        Some(Reason::NetAccept) => true,
        Some(Reason::NetRecv) => time.awaits == Some(Awaits::Work),
        Some(Reason::PollWait) => {
            time.awaits == Some(Awaits::Work) || (!is_for_answer(time) && is_elsewhere(time))
        }
        Some(Reason::Lock | Reason::Pipe | Reason::Futex) => {
            let stack = process.stack(time.stack).frames.iter();
            let mut functions = stack.filter_map(|frame| process.function(frame.function?));
            functions.any(|function| QUEUES.iter().any(|mark| function.file.contains(mark)))
        }
        _ => false,
    };
    let times = thread.stack_times.iter().filter(takes_work);
    times.map(|time| time.count).sum()
}
