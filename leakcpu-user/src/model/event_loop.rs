//! Event loops: who keeps them from their turns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Charge, Frame, FunctionId, Process, Reason, Stack, StackId, StackTimeKind, Thread};

/// A loop whose library is not known is one from this many gaps on; a program that asks
/// a few descriptors now and then is none.
const MIN_GAPS: u64 = 10;

/// The one file of uvloop that is written in Python.
pub(super) const UVLOOP: &str = "/uvloop/__init__.py";

/// Where a process of `multiprocessing` begins (`BaseProcess._bootstrap`).
const WORKER: (&str, &str) = ("/multiprocessing/process.py", "_bootstrap");

/// What a gap was spent on. All but the last sum to its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapTimes {
    /// On a CPU.
    pub on_cpu_ns: u64,
    /// Ready but not running.
    pub runnable_ns: u64,
    /// Kept from running by a quota; 0 where that is not measured.
    pub throttled_ns: u64,
    /// Blocked.
    pub blocked_ns: u64,
    /// Waiting for the GIL; overlaps the others.
    pub gil_wait_ns: u64,
}

/// From where a loop's wait ended to where its next one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Start, nanoseconds after the window's.
    pub at_ns: u64,
    /// Length.
    pub duration_ns: u64,
    /// What it was spent on.
    pub times: GapTimes,
    /// A stack seen in it: that of its longest wait if that was half of it, else of a sample.
    pub stack: Option<StackId>,
}

/// The gaps of a thread that waits as event loops do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// Those that ended in the window.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// Those of 20 ms and longer.
    pub long: u64,
    /// Their time.
    pub long_ns: u64,
    /// What that was spent on.
    pub long_times: GapTimes,
    /// Those of 100 ms and longer.
    pub very_long: u64,
    /// The longest.
    pub longest: Option<Gap>,
    /// The one in which the thread was when the window ended, so far.
    pub open: Option<Gap>,
}

/// Whose loop it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopKind {
    /// asyncio's, or one that takes its place.
    Asyncio,
    /// gevent's hub.
    Gevent,
    /// Another.
    Other,
}

/// Code that ran or waited in gaps that were long by then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The outermost function that the loop called: the coroutine of a task, or a callback.
    pub task: Option<FunctionId>,
    /// The function: the innermost of the user's own code in there, else the innermost; with
    /// the line that took the most time.
    pub frame: Option<Frame>,
    /// On a CPU.
    pub on_cpu_ns: u64,
    /// Blocked.
    pub blocked_ns: u64,
    /// Ready but not running.
    pub runnable_ns: u64,
    /// Blocked for the GIL: a part of `blocked_ns`.
    pub gil_ns: u64,
    /// Samples.
    pub samples: u64,
    /// Waits.
    pub waits: u64,
}

impl Holder {
    /// All its time.
    pub const fn total_ns(&self) -> u64 {
        self.on_cpu_ns + self.blocked_ns + self.runnable_ns
    }
}

/// An event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLoop {
    /// Whose.
    pub kind: LoopKind,
    /// Stacks in which it waits for many things.
    pub waits: Vec<StackId>,
    /// Its gaps, the one that was open at the window's end included.
    pub gaps: Gaps,
    /// Who held it, most time first.
    pub holders: Vec<Holder>,
    /// Samples in long gaps that found the loop's own code: between two of its callbacks.
    pub turning_samples: u64,
}

impl Process {
    /// The event loop that `thread` runs, if it does.
    pub fn event_loop(&self, thread: &Thread) -> Option<EventLoop> {
        let mut gaps = thread.gaps?;
        let (kind, waits) = self.loop_kind(thread)?;
        if let Some(open) = gaps.open.take()
            && open
                .stack
                .is_none_or(|stack| self.is_in_loop(kind, self.stack(stack)))
        {
            add_open(&mut gaps, open);
        }
        if kind == LoopKind::Other && gaps.count < MIN_GAPS {
            return None;
        }
        let mut event_loop = EventLoop {
            kind,
            waits,
            gaps,
            holders: Vec::new(),
            turning_samples: 0,
        };
        self.add_holders(thread, &mut event_loop);
        Some(event_loop)
    }

    /// Whose loop waits most often, and the stacks of those waits; `None` if none was seen.
    fn loop_kind(&self, thread: &Thread) -> Option<(LoopKind, Vec<StackId>)> {
        let mut by_kind: BTreeMap<LoopKind, (u64, Vec<StackId>)> = BTreeMap::new();
        for entry in &thread.stack_times {
            let StackTimeKind::Blocked {
                reason, syscall, ..
            } = &entry.kind
            else {
                continue;
            };
            let waits_for_many = syscall.as_deref().is_some_and(|name| {
                // A poll on one descriptor has that one's reason.
                name.starts_with("epoll_")
                    || (matches!(name, "poll" | "ppoll" | "select" | "pselect6")
                        && *reason == Reason::PollWait)
            });
            if !waits_for_many {
                continue;
            }
            let stack = self.stack(entry.stack);
            let kind = if self.is_in_asyncio(stack) {
                LoopKind::Asyncio
            } else if self.has_file(stack, "/gevent/") {
                LoopKind::Gevent
            } else {
                LoopKind::Other
            };
            let (count, stacks) = by_kind.entry(kind).or_default();
            *count += entry.count;
            stacks.push(entry.stack);
        }
        by_kind
            .into_iter()
            .max_by_key(|(_, (count, _))| *count)
            .map(|(kind, (_, stacks))| (kind, stacks))
    }

    fn is_in_asyncio(&self, stack: &Stack) -> bool {
        ["/asyncio/", UVLOOP]
            .iter()
            .any(|mark| self.has_file(stack, mark))
    }

    fn has_file(&self, stack: &Stack, mark: &str) -> bool {
        self.functions_of(stack)
            .any(|(file, _)| file.contains(mark))
    }

    /// File and plain name of each frame, leaf first. A worker that a pool has forked has the
    /// frames of its parent below its own; those are left out, for what runs there is not its.
    pub(super) fn functions_of<'a>(
        &'a self,
        stack: &'a Stack,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut is_parents = false;
        let functions = stack.frames.iter().map(|frame| {
            let function = frame.function.and_then(|id| self.function(id));
            function.map_or(("", ""), |function| {
                (function.file.as_str(), function.plain_name())
            })
        });
        functions.take_while(move |(file, name)| {
            let is_own = !is_parents;
            is_parents |= *name == WORKER.1 && file.ends_with(WORKER.0);
            is_own
        })
    }

    /// Whether a loop of that kind runs further out in the stack. A greenlet's does not.
    fn is_in_loop(&self, kind: LoopKind, stack: &Stack) -> bool {
        kind != LoopKind::Asyncio || self.is_in_asyncio(stack)
    }

    fn add_holders(&self, thread: &Thread, of: &mut EventLoop) {
        let mut holders: BTreeMap<_, (Holder, BTreeMap<Option<u32>, u64>)> = BTreeMap::new();
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            let stack = self.stack(entry.stack);
            if !entry.in_long_gap || !self.is_in_loop(of.kind, stack) {
                continue;
            }
            let place = self.place_in_loop(of, stack);
            if place.is_own && entry.kind.is_on_cpu() {
                of.turning_samples += entry.count;
            }
            let function = place.frame.and_then(|frame| frame.function);
            let (holder, lines) = holders.entry((place.task, function)).or_default();
            holder.task = place.task;
            holder.add(entry.kind.reason(), entry.count, charge);
            let line = place.frame.and_then(|frame| frame.line);
            let ns = lines.entry(line).or_default();
            *ns += charge.on_cpu_ns + charge.blocked_ns + charge.runnable_ns;
            let ns = *ns;
            if lines.values().all(|other| *other <= ns) {
                holder.frame = place.frame;
            }
        }
        of.holders = holders.into_values().map(|(holder, _)| holder).collect();
        of.holders
            .sort_by_key(|holder| std::cmp::Reverse(holder.total_ns()));
    }
}

impl Holder {
    fn add(&mut self, reason: Option<Reason>, count: u64, charge: Charge) {
        self.on_cpu_ns += charge.on_cpu_ns;
        self.blocked_ns += charge.blocked_ns;
        self.runnable_ns += charge.runnable_ns;
        if charge.on_cpu_ns > 0 {
            self.samples += count;
        } else {
            self.waits += count;
        }
        if reason == Some(Reason::Gil) {
            self.gil_ns += charge.blocked_ns;
        }
    }
}

/// Counts the gap that was open at the end as if it had ended there.
fn add_open(gaps: &mut Gaps, open: Gap) {
    const LONG_NS: u64 = leakcpu_common::event_loop::LONG_GAP_NS;
    const VERY_LONG_NS: u64 = leakcpu_common::event_loop::VERY_LONG_GAP_NS;
    gaps.count += 1;
    gaps.total_ns += open.duration_ns;
    if open.duration_ns >= LONG_NS {
        gaps.long += 1;
        gaps.long_ns += open.duration_ns;
        gaps.long_times.on_cpu_ns += open.times.on_cpu_ns;
        gaps.long_times.runnable_ns += open.times.runnable_ns;
        gaps.long_times.throttled_ns += open.times.throttled_ns;
        gaps.long_times.blocked_ns += open.times.blocked_ns;
        gaps.long_times.gil_wait_ns += open.times.gil_wait_ns;
    }
    gaps.very_long += u64::from(open.duration_ns >= VERY_LONG_NS);
    if gaps
        .longest
        .is_none_or(|longest| longest.duration_ns < open.duration_ns)
    {
        gaps.longest = Some(open);
    }
}
