//! What a thread's time is for, beyond computing or waiting: it collects garbage, imports
//! modules, or keeps its event loop from everything else that is due.

use std::collections::BTreeMap;

use leakcpu_common::event_loop::LONG_GAP_NS;

use super::because::{Subject, reason};
use super::collector::is_collector;
use super::decide::Decision;
use super::say::{duration, grouped, percent};
use super::spent::Spent;
use super::{Because, Class, Detail, Thresholds, waiting};
use crate::model::{EventLoop, FunctionId, LoopKind, Process, StackTime, Thread, Turn};

/// What a part of the time was for. The parts may overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    /// Samples in code that only the cyclic garbage collector runs.
    pub collecting_samples: u64,
    /// On a CPU in imports.
    pub importing_ns: u64,
    /// On a CPU in callbacks of an event loop that kept it for long.
    pub holding_on_cpu_ns: u64,
    /// The samples that this rests on.
    pub holding_samples: u64,
    /// Samples of such a loop that found it between two callbacks.
    pub turning_samples: u64,
    /// Blocked in such callbacks, in waits that make a thread io-bound.
    pub holding_io_ns: u64,
    /// For how long the loop stood still at most, where that is known; else 0.
    pub longest_hold_ns: u64,
}

impl Activity {
    /// What `thread` does.
    pub(super) fn of(process: &Process, thread: &Thread, limits: &Thresholds) -> Self {
        let mut activity = Self {
            collecting_samples: collecting(process, thread),
            importing_ns: importing_ns(process, thread, limits),
            ..Self::default()
        };
        activity.add_holds(process, thread, limits);
        activity
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.collecting_samples += other.collecting_samples;
        self.importing_ns += other.importing_ns;
        self.holding_on_cpu_ns += other.holding_on_cpu_ns;
        self.holding_samples += other.holding_samples;
        self.turning_samples += other.turning_samples;
        self.holding_io_ns += other.holding_io_ns;
        self.longest_hold_ns = self.longest_hold_ns.max(other.longest_hold_ns);
    }

    fn add_holds(&mut self, process: &Process, thread: &Thread, limits: &Thresholds) {
        let event_loop = process
            .event_loop(thread)
            .filter(|of| of.kind != LoopKind::Other);
        let (mut on_cpu_ns, mut samples, mut turning) = (0, 0, 0);
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            let turn = turn(process, event_loop.as_ref(), entry);
            match (turn, entry.kind.is_on_cpu()) {
                (Some(Turn::Callback), true) => {
                    on_cpu_ns += charge.on_cpu_ns;
                    samples += entry.count;
                }
                (Some(Turn::Own), true) => turning += entry.count,
                (Some(Turn::Callback), false) if is_long(entry) => {
                    let bucket = waiting::bucket(process, thread, entry, limits).0;
                    if bucket.class() == Some(Class::IoBound) {
                        self.holding_io_ns += charge.blocked_ns;
                        self.longest_hold_ns = self.longest_hold_ns.max(entry.max_blocked_ns);
                    }
                }
                _ => {}
            }
        }
        // A loop that waits between its callbacks says itself how long they take.
        let gaps = event_loop.map(|of| of.gaps);
        let in_long_gaps_ns = gaps.map_or(u64::MAX, |gaps| gaps.long_times.on_cpu_ns);
        let is_held = samples >= limits.loop_hold_min_samples
            && turning as f64 <= samples as f64 * limits.loop_hold_max_turning_share
            && in_long_gaps_ns as f64 >= on_cpu_ns as f64 * limits.activity_min_share;
        if is_held {
            self.holding_on_cpu_ns = on_cpu_ns;
            self.holding_samples = samples;
            self.turning_samples = turning;
            let longest = gaps.and_then(|gaps| gaps.longest);
            self.longest_hold_ns = longest.map_or(self.longest_hold_ns, |gap| gap.duration_ns);
        }
    }
}

/// Where in a loop's turn a stack was seen: by asyncio's own frames, or, where a loop has
/// none, in a gap that was long by then.
fn turn(process: &Process, event_loop: Option<&EventLoop>, entry: &StackTime) -> Option<Turn> {
    let stack = process.stack(entry.stack);
    process.turn_of_asyncio(stack).or_else(|| {
        let of = event_loop.filter(|_| entry.in_long_gap)?;
        Some(if process.place_in_loop(of, stack).is_own {
            Turn::Own
        } else {
            Turn::Callback
        })
    })
}

/// Whether the waits of an entry keep a loop for long, each or with what was before it.
fn is_long(entry: &StackTime) -> bool {
    entry.in_long_gap || entry.blocked_ns / entry.count.max(1) >= LONG_GAP_NS
}

fn collecting(process: &Process, thread: &Thread) -> u64 {
    let leaves = thread.stack_times.iter().flat_map(|entry| &entry.leaves);
    leaves
        .filter(|leaf| {
            process
                .native(leaf.frame.function)
                .is_some_and(is_collector)
        })
        .map(|leaf| leaf.count)
        .sum()
}

/// Time on a CPU in imports; none if most of it is below one module's body: that is a
/// program, which happens to have been imported.
fn importing_ns(process: &Process, thread: &Thread, limits: &Thresholds) -> u64 {
    let mut all_ns = 0;
    let mut by_body: BTreeMap<FunctionId, u64> = BTreeMap::new();
    for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
        let Some(import) = process.import_in(process.stack(entry.stack)) else {
            continue;
        };
        all_ns += charge.on_cpu_ns;
        if let Some(body) = import.module_body {
            *by_body.entry(body).or_default() += charge.on_cpu_ns;
        }
    }
    let most_ns = by_body.into_values().max().unwrap_or(0);
    if most_ns as f64 > all_ns as f64 * limits.import_max_share_of_module {
        return 0;
    }
    all_ns
}

impl Spent {
    /// What most of the time of `class` is for, if it is one thing.
    pub(super) fn activity_of(&self, class: Class, limits: &Thresholds) -> Option<Detail> {
        let is_most = |part: u64, whole: u64| {
            part > 0 && part as f64 >= whole as f64 * limits.activity_min_share
        };
        let class_ns = self.class_ns(class);
        let it = &self.activity;
        match class {
            Class::IoBound => {
                is_most(it.holding_io_ns, class_ns).then_some(Detail::EventLoopBlocked)
            }
            Class::CpuBound if is_most(it.holding_on_cpu_ns, class_ns) => {
                Some(Detail::EventLoopBlocked)
            }
            Class::CpuBound if is_most(it.importing_ns, class_ns) => Some(Detail::Import),
            Class::CpuBound => {
                let known = self.known_samples();
                let is_known = known >= limits.code_min_samples;
                (is_known && is_most(it.collecting_samples, known)).then_some(Detail::Gc)
            }
            _ => None,
        }
    }

    /// Samples whose native code is known.
    fn known_samples(&self) -> u64 {
        self.code.values().sum()
    }
}

impl Subject<'_> {
    /// What the time is for, where that refines the class.
    pub(super) fn activity(&self, decision: &Decision) -> Option<Because> {
        let it = &self.spent.activity;
        match decision.detail? {
            Detail::Gc => {
                let share = it.collecting_samples as f64 / self.spent.known_samples() as f64;
                let text = format!("{} of that in the garbage collector", percent(share));
                Some(reason(text, "gc_share", share, "ratio"))
            }
            Detail::Import => {
                let share = it.importing_ns as f64 / self.spent.on_cpu_ns.max(1) as f64;
                let text = format!("{} of that in imports", percent(share));
                Some(reason(text, "import_share", share, "ratio"))
            }
            Detail::EventLoopBlocked if it.longest_hold_ns > 0 => {
                let ns = it.longest_hold_ns;
                let text = format!(
                    "its event loop stands still meanwhile, for up to {}",
                    duration(ns)
                );
                Some(reason(text, "loop_held_ns", ns as f64, "ns"))
            }
            Detail::EventLoopBlocked => {
                let text = format!(
                    "{} of {} samples found its event loop between two callbacks",
                    match it.turning_samples {
                        0 => "none".to_owned(),
                        some => grouped(some),
                    },
                    grouped(it.holding_samples + it.turning_samples)
                );
                let turning = it.turning_samples as f64;
                Some(reason(text, "loop_turning_samples", turning, "count"))
            }
            _ => None,
        }
    }
}
