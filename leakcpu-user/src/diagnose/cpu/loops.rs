//! What loops of the user's own code do on every turn: common to the rules of it.

use std::collections::BTreeMap;

use crate::diagnose::{Case, below::OnCpu};
use crate::{
    classify::Blame,
    model::{FunctionId, HotLoop, in_proportion},
};

/// A part of what a loop does.
pub(super) struct Part<'a, T> {
    pub what: &'a T,
    /// Samples at its instructions.
    pub samples: u64,
    /// The line that most of them are at.
    pub line: Option<u32>,
}

/// Parts of one kind in one function.
pub(super) struct Parts<'a, T> {
    /// Their time, at the line of the one with the most samples.
    pub on_cpu: OnCpu,
    /// The loops that they are in, by their own instructions.
    pub loops: OnCpu,
    pub all: Vec<Part<'a, T>>,
}

/// The sums of one function while they grow.
struct Sums<'a, T> {
    ns: u64,
    loops_ns: u64,
    loops_samples: u64,
    all: Vec<Part<'a, T>>,
}

/// What `of` finds in loops, by function, most samples first. Threads that are proved to spin are
/// left out.
pub(super) fn parts<'a, T>(
    case: Case<'a>,
    of: impl Fn(&'a HotLoop) -> Vec<Part<'a, T>>,
) -> Vec<Parts<'a, T>> {
    let process = case.process;
    let mut by_function: BTreeMap<FunctionId, Sums<'a, T>> = BTreeMap::new();
    for (index, thread) in process.threads.iter().enumerate() {
        if case.is_spinning(index) {
            continue;
        }
        let of_samples = thread.samples();
        for hot_loop in &thread.hot_loops {
            let found = of(hot_loop);
            if found.is_empty() {
                continue;
            }
            let sums = by_function.entry(hot_loop.function).or_insert(Sums {
                ns: 0,
                loops_ns: 0,
                loops_samples: 0,
                all: Vec::new(),
            });
            let share = |samples| in_proportion(thread.times.on_cpu_ns, samples, of_samples);
            sums.ns += share(found.iter().map(|part| part.samples).sum());
            sums.loops_ns += share(hot_loop.samples);
            sums.loops_samples += hot_loop.samples;
            sums.all.extend(found);
        }
    }
    let with_place = by_function.into_iter().filter_map(|(function, mut sums)| {
        let of = process.function(function)?;
        if process.is_library_file(&of.file) {
            return None;
        }
        sums.all.sort_by_key(|part| std::cmp::Reverse(part.samples));
        let place = Blame::at(process, function, sums.all.first()?.line)?;
        Some(Parts {
            on_cpu: OnCpu {
                place: place.clone(),
                ns: sums.ns,
                samples: sums.all.iter().map(|part| part.samples).sum(),
            },
            loops: OnCpu {
                place,
                ns: sums.loops_ns,
                samples: sums.loops_samples,
            },
            all: sums.all,
        })
    });
    with_place.collect()
}
