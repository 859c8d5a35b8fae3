//! Event loops: who keeps them from their turns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Charge, Frame, FunctionId, Process, Reason, Stack, StackId, StackTimeKind, Thread};

/// A loop whose library is not known is one from this many gaps on; a program that asks
/// a few descriptors now and then is none.
const MIN_GAPS: u64 = 10;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let kind = self.loop_kind(thread)?;
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
        let (holders, turning_samples) = self.holders(thread, kind);
        Some(EventLoop {
            kind,
            gaps,
            holders,
            turning_samples,
        })
    }

    /// Whose loop waits most of the time; `None` if no such wait was seen.
    fn loop_kind(&self, thread: &Thread) -> Option<LoopKind> {
        let mut by_kind: BTreeMap<u8, (u64, LoopKind)> = BTreeMap::new();
        for entry in &thread.stack_times {
            let StackTimeKind::Blocked {
                reason, syscall, ..
            } = &entry.kind
            else {
                continue;
            };
            let waits_for_many = syscall.as_deref().is_some_and(|name| {
                name.starts_with("epoll_")
                    || matches!(name, "poll" | "ppoll" | "select" | "pselect6")
            });
            if !waits_for_many || *reason == Reason::Sleep {
                continue;
            }
            let stack = self.stack(entry.stack);
            let (rank, kind) = if self.has_file(stack, "/asyncio/") {
                (0, LoopKind::Asyncio)
            } else if self.has_file(stack, "/gevent/") {
                (1, LoopKind::Gevent)
            } else {
                (2, LoopKind::Other)
            };
            by_kind.entry(rank).or_insert((0, kind)).0 += entry.count;
        }
        by_kind
            .into_values()
            .max_by_key(|(count, _)| *count)
            .map(|(_, kind)| kind)
    }

    fn has_file(&self, stack: &Stack, mark: &str) -> bool {
        self.functions_of(stack)
            .any(|(file, _)| file.contains(mark))
    }

    /// File and plain name of each frame, leaf first.
    fn functions_of<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = (&'a str, &'a str)> {
        stack.frames.iter().map(|frame| {
            let function = frame.function.and_then(|id| self.function(id));
            function.map_or(("", ""), |function| {
                let plain = function.name.rsplit('.').next().unwrap_or_default();
                (function.file.as_str(), plain)
            })
        })
    }

    /// Whether a loop of that kind runs further out in the stack. A greenlet's does not.
    fn is_in_loop(&self, kind: LoopKind, stack: &Stack) -> bool {
        kind != LoopKind::Asyncio || self.has_file(stack, "/asyncio/")
    }

    fn holders(&self, thread: &Thread, kind: LoopKind) -> (Vec<Holder>, u64) {
        let mut holders: BTreeMap<_, (Holder, BTreeMap<Option<u32>, u64>)> = BTreeMap::new();
        let mut turning = 0;
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            let stack = self.stack(entry.stack);
            if !entry.in_long_gap || !self.is_in_loop(kind, stack) {
                continue;
            }
            let place = self.place_in_loop(kind, stack);
            if place.is_own && entry.kind.is_on_cpu() {
                turning += entry.count;
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
        let mut holders: Vec<Holder> = holders.into_values().map(|(holder, _)| holder).collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.total_ns()));
        (holders, turning)
    }

    /// Who held the loop in a gap, of which `stack` was seen.
    pub fn place_in_loop(&self, kind: LoopKind, stack: &Stack) -> PlaceInLoop {
        let functions: Vec<(&str, &str)> = self.functions_of(stack).collect();
        let run = functions
            .iter()
            .position(|(file, name)| file.ends_with("/asyncio/events.py") && *name == "_run");
        let Some(run) = run else {
            let is_own = kind == LoopKind::Asyncio
                && functions.iter().any(|(file, name)| {
                    file.ends_with("/asyncio/base_events.py") && *name == "_run_once"
                });
            let frame = if is_own {
                stack.frames.first().copied()
            } else {
                self.own_frame(stack)
            };
            return PlaceInLoop {
                task: None,
                frame,
                is_own,
            };
        };
        // Tasks that are written in Python step through frames of their own.
        let is_step = |i: usize| {
            let (file, name) = functions[i];
            file.ends_with("/asyncio/tasks.py")
                && (name.starts_with("__step") || name == "__wakeup")
        };
        let called = (0..run).rev().find(|&i| !is_step(i));
        let Some(called) = called else {
            return PlaceInLoop {
                task: None,
                frame: stack.frames.get(run).copied(),
                is_own: false,
            };
        };
        let inside = &stack.frames[..=called];
        let own = inside.iter().find(|frame| self.is_own_frame(**frame));
        PlaceInLoop {
            task: stack.frames[called].function,
            frame: own.or_else(|| inside.first()).copied(),
            is_own: false,
        }
    }
}

/// Where in a loop's turn a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceInLoop {
    /// The outermost function that the loop called.
    pub task: Option<FunctionId>,
    /// The innermost one of the user's own code in there, else the innermost.
    pub frame: Option<Frame>,
    /// It is the loop's own code.
    pub is_own: bool,
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
