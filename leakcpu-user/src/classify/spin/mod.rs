//! Proof of busy-waiting: one body of evidence per file.
//!
//! A busy-wait is proved or not said: kernel counters alone cannot tell a spin
//! from arithmetic.

mod micro_sleep;
mod native;
mod poll;
mod waiting_loop;

pub(super) use micro_sleep::{is_timed_wait, most_frequent as most_frequent_sleep};

use std::collections::BTreeMap;

use super::Thresholds;
use crate::model::{Frame, NativeId, Process, Stack, Thread, WaitingLoop};

/// So many samples in tasks tell which of them makes an event loop turn.
pub(super) const MIN_TASK_SAMPLES: u64 = 3;

/// What a thread's busy-wait consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Spin {
    /// Calls that ask without waiting and find nothing.
    Poll {
        /// The call.
        syscall: String,
        /// Useless ones a second.
        rate: f64,
        /// Useless ones of all of that name.
        useless_share: f64,
        /// Calls seen.
        calls: u64,
        /// An event loop makes them between its tasks.
        under_loop: bool,
        /// They read, and found the end: of a file, or of what the other end sends.
        at_end: bool,
    },
    /// Very short sleeps (or waits that time out) from one place.
    MicroSleep {
        /// The call it sleeps in, if known.
        syscall: Option<String>,
        /// Sleeps a second.
        rate: f64,
        /// Their mean length.
        mean_ns: u64,
        /// How many.
        count: u64,
        /// Place in the code.
        frame: Option<Frame>,
    },
    /// Machine code that looks again and again at memory, pausing in between.
    Native {
        /// Where most of that was seen.
        function: NativeId,
        /// Samples at such a pause, of all.
        pause_share: f64,
    },
    /// Python code that looks again and again and does nothing else.
    Loop {
        /// What it looks at.
        of: LoopOf,
        /// Samples in it, of all.
        share: f64,
        /// The loop.
        waiting: WaitingLoop,
    },
}

/// What a loop that only waits looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopOf {
    /// The program's own state.
    Flag,
    /// The time, and nothing else.
    Clock,
    /// What the kernel says.
    SystemCalls,
    /// The program's own state, after other greenlets had their turn.
    Turns,
}

/// The proof that `thread` busy-waits, if there is one.
pub(super) fn prove(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    if thread.times.wall_ns == 0 {
        return None;
    }
    poll::prove(process, thread, limits)
        .or_else(|| native::prove(thread, limits))
        .or_else(|| waiting_loop::prove(thread, limits))
        .or_else(|| micro_sleep::prove(process, thread, limits))
}

impl Spin {
    /// Useless calls or sleeps a second, where they are what is counted.
    pub const fn rate(&self) -> Option<f64> {
        match self {
            Self::Poll { rate, .. } | Self::MicroSleep { rate, .. } => Some(*rate),
            Self::Native { .. } | Self::Loop { .. } => None,
        }
    }

    /// The system call, if it is one and known.
    pub fn syscall(&self) -> Option<&str> {
        match self {
            Self::Poll { syscall, .. } => Some(syscall),
            Self::MicroSleep { syscall, .. } => syscall.as_deref(),
            Self::Native { .. } | Self::Loop { .. } => None,
        }
    }
}

/// The innermost frame of the user's own code that an event loop written in Python has
/// called.
pub(super) fn task_frame(process: &Process, stack: &Stack) -> Option<Frame> {
    let is_loop = |frame: &Frame| {
        let function = frame.function.and_then(|id| process.function(id));
        function.is_some_and(|function| is_event_loop(&function.file))
    };
    let outermost = stack.frames.iter().rposition(is_loop)?;
    let mut inside = stack.frames[..outermost].iter().copied();
    inside.find(|frame| process.is_own_frame(*frame))
}

/// The place in tasks of an event loop in which it was met most often; `None` if that was hardly
/// ever.
fn most_met_in_tasks(process: &Process, thread: &Thread) -> Option<Frame> {
    let on_cpu = thread.stack_times.iter().filter(|e| e.kind.is_on_cpu());
    let on_cpu = on_cpu.map(|entry| (entry.stack, entry.count));
    let more = thread.loop_samples.iter().map(|of| (of.stack, of.count));
    let mut places: BTreeMap<_, (Frame, u64)> = BTreeMap::new();
    for (stack, count) in on_cpu.chain(more) {
        if let Some(frame) = task_frame(process, process.stack(stack)) {
            let place = places.entry((frame.function, frame.line));
            place.or_insert((frame, 0)).1 += count;
        }
    }
    let met: u64 = places.values().map(|(_, count)| count).sum();
    let most = places.into_values().max_by_key(|(_, count)| *count);
    most.filter(|_| met >= MIN_TASK_SAMPLES)
        .map(|(frame, _)| frame)
}

fn is_event_loop(file: &str) -> bool {
    is_asyncio(file) || file.ends_with("/selectors.py")
}

fn is_asyncio(file: &str) -> bool {
    file.contains("/asyncio/")
}

/// Whether a thread wants a CPU for so much of the time that it may spin: on a contended
/// one it does so only while it runs, so what it waits for counts too.
fn wants_cpu(thread: &Thread, limits: &Thresholds) -> bool {
    let times = &thread.times;
    let demand_ns = times.on_cpu_ns + times.runnable_ns + times.throttled_ns.unwrap_or(0);
    let share = demand_ns as f64 / times.wall_ns as f64;
    times.on_cpu_ns > 0 && share >= limits.spin_min_cpu_share
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
