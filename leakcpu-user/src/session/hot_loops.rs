//! What the loops do that busy threads are found in: what they fill, and what they look up again
//! and again.

use std::{collections::BTreeMap, ops::Range};

use super::{
    loop_samples::{Leaf, Seen},
    operand_looks::{Wanted, lines},
    watched::Watched,
};
use crate::{
    bytecode::{Append, Loop, SampledCode},
    interpreter::{OperandPlace, PythonProcess},
    model::{Appends, FunctionId, HotLoop, SteadyLookup},
};

/// Fewer samples of a hundred are no hot loop.
const MIN_SHARE_PCT: u64 = 5;
/// Hot loops of a thread that are looked at, those with the most samples.
const MAX_LOOPS: usize = 16;
/// Of so many of them what they fill is looked at.
const MAX_LISTS: usize = 4;

/// Samples by offset.
type Leaves = Vec<(u32, Leaf)>;

/// A loop that a thread was found in, at its own instructions.
struct Found<'a> {
    /// Of its code object.
    number: u32,
    of: &'a SampledCode<'a>,
    function: FunctionId,
    this: &'a Loop,
    leaves: Leaves,
}

/// The hot loops of the thread that was seen like that, as far as there is something to say of
/// them, and what is to be looked at of them.
pub(super) fn hot_loops<'a>(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
    wanted: &mut Wanted,
) -> Vec<HotLoop> {
    let mut told = Vec::new();
    for found in hottest(seen, code) {
        let append = found.of.analysis.only_appends(found.this);
        let lookups = found.lookups();
        if append.is_none() && lookups.is_empty() {
            continue;
        }
        if let Some(append) = &append
            && wanted.lists.len() < MAX_LISTS
            && !watched.exited
            && let Some(lines) = lines(watched, process, seen, found.number)
        {
            let place = OperandPlace {
                lines,
                ranges: found.this.ranges.clone(),
                is_one_instruction: false,
                slots: [append.list].into(),
            };
            wanted.lists.push((told.len(), place, append.name.clone()));
        }
        let (samples, line) = found.samples(&found.this.ranges);
        told.push(HotLoop {
            function: found.function,
            line,
            samples,
            appends: append.map(|append| found.appends(append)),
            lookups,
        });
    }
    told
}

/// The loops with the most samples, those first.
fn hottest<'a>(
    seen: &Seen,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Vec<Found<'a>> {
    let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
    let mut by_code: BTreeMap<u32, Leaves> = BTreeMap::new();
    for ((number, offset), leaf) in seen.leaves() {
        by_code.entry(number).or_default().push((offset, leaf));
    }
    let mut found = Vec::new();
    for (number, leaves) in by_code {
        if sum(&leaves) < least {
            continue;
        }
        let function = seen.codes.get(number as usize).and_then(|of| of.function);
        let (Some(function), Some(of)) = (function, code(number)) else {
            continue;
        };
        let mut by_loop: BTreeMap<u32, (&Loop, Leaves)> = BTreeMap::new();
        for (offset, leaf) in leaves {
            if let Some(this) = of.analysis.own_loop(offset) {
                let (_, leaves) = by_loop.entry(this.header).or_insert((this, Vec::new()));
                leaves.push((offset, leaf));
            }
        }
        let hot = by_loop
            .into_values()
            .filter(|(_, leaves)| sum(leaves) >= least);
        found.extend(hot.map(|(this, leaves)| Found {
            number,
            of,
            function,
            this,
            leaves,
        }));
    }
    found.sort_by_key(|found| std::cmp::Reverse(sum(&found.leaves)));
    found.truncate(MAX_LOOPS);
    found
}

fn sum(leaves: &[(u32, Leaf)]) -> u64 {
    leaves.iter().map(|(_, leaf)| leaf.count).sum()
}

impl Found<'_> {
    /// How many samples are at these instructions, and the line that most of them are at.
    fn samples(&self, ranges: &[Range<u32>]) -> (u64, Option<u32>) {
        let is_in = |offset: &u32| ranges.iter().any(|range| range.contains(offset));
        let mut lines: BTreeMap<Option<u32>, u64> = BTreeMap::new();
        for (_, leaf) in self.leaves.iter().filter(|(offset, _)| is_in(offset)) {
            *lines.entry(leaf.line).or_default() += leaf.count;
        }
        let known = lines.iter().filter(|(line, _)| line.is_some());
        let most = known.max_by_key(|(_, count)| **count);
        (lines.values().sum(), most.and_then(|(line, _)| *line))
    }

    fn appends(&self, append: Append) -> Appends {
        let (samples, line) = self.samples(&append.ranges);
        Appends {
            name: append.name,
            line,
            samples,
            list: None,
        }
    }

    fn lookups(&self) -> Vec<SteadyLookup> {
        let all = self.of.analysis.steady_lookups(self.this).into_iter();
        let told = all.map(|lookup| {
            let (samples, line) = self.samples(&lookup.ranges);
            SteadyLookup {
                name: lookup.name,
                line,
                samples,
            }
        });
        let mut met: Vec<SteadyLookup> = told.filter(|lookup| lookup.samples > 0).collect();
        met.sort_by_key(|lookup| std::cmp::Reverse(lookup.samples));
        met
    }
}
