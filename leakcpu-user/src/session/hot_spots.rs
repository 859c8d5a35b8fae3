//! What the instructions do that busy threads are found at, and what they do it with.

use std::collections::BTreeMap;

use super::{loop_samples::Seen, repeated_calls::PureFunction, watched::Watched};
use crate::{
    bytecode::{Operands, Operation, SampledCode},
    interpreter::{
        CodeLines, Iterated, Operand, OperandPlace, PythonProcess, RemoteError, iterated, operands,
        read_code,
    },
    model::{FunctionId, HotSpot, NestedSeen, OperandSeen, Pid, Process, Tid},
};

/// Fewer samples of a hundred are no hot spot.
const MIN_SHARE_PCT: u64 = 2;
/// Hot spots that are kept of a thread.
const MAX_SPOTS: usize = 32;
/// Of so many of them the operands are looked at ...
const MAX_PLACES: usize = 4;
/// ... if so many samples of a hundred are there.
const MIN_LOOKED_AT_PCT: u64 = 10;

/// What was found of one thread.
#[derive(Default)]
pub(super) struct Found {
    pub spots: Vec<HotSpot>,
    /// What is to be looked at, each of the spot with this number.
    operands: Vec<(usize, OperandPlace, Operands)>,
    nested: Vec<(usize, OperandPlace, [Option<String>; 2])>,
    /// Functions whose calls are.
    pub functions: Vec<PureFunction>,
}

/// One spot while it grows.
struct Spot {
    samples: u64,
    /// Of each instruction, by its code object and offset.
    at: BTreeMap<(u32, u32), u64>,
}

/// The hot spots of the thread that was seen like that.
pub(super) fn hot_spots<'a>(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Found {
    let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
    let mut by_place: BTreeMap<(u32, u32), (u64, Option<u32>)> = BTreeMap::new();
    for (sample, line) in seen.samples.iter().zip(&seen.leaf_lines) {
        if let Some(Some(leaf)) = sample.places.first() {
            let place = by_place.entry((leaf.code, leaf.offset)).or_default();
            place.0 += sample.count;
            place.1 = *line;
        }
    }
    let mut of_code: BTreeMap<u32, u64> = BTreeMap::new();
    for ((number, _), (count, _)) in &by_place {
        *of_code.entry(*number).or_default() += count;
    }
    let mut spots: BTreeMap<(FunctionId, Option<u32>, Operation), Spot> = BTreeMap::new();
    for ((number, offset), (count, line)) in by_place {
        if of_code.get(&number).is_none_or(|count| *count < least) {
            continue;
        }
        let function = seen.codes.get(number as usize).and_then(|of| of.function);
        let operation = code(number).and_then(|of| of.analysis.operation(offset));
        let (Some(function), Some(operation)) = (function, operation) else {
            continue;
        };
        let spot = spots.entry((function, line, operation)).or_insert(Spot {
            samples: 0,
            at: BTreeMap::new(),
        });
        spot.samples += count;
        *spot.at.entry((number, offset)).or_default() += count;
    }
    let mut spots: Vec<_> = spots
        .into_iter()
        .filter(|(_, spot)| spot.samples >= least)
        .collect();
    spots.sort_by_key(|(_, spot)| std::cmp::Reverse(spot.samples));
    spots.truncate(MAX_SPOTS);
    let mut found = Found::default();
    for ((function, line, operation), spot) in spots {
        let Some(((number, offset), _)) = spot.at.iter().max_by_key(|(_, count)| **count) else {
            continue;
        };
        let Some(of) = code(*number) else { continue };
        let spot_number = found.spots.len();
        let mut accumulates = false;
        if spot.samples * 100 >= seen.of_samples * MIN_LOOKED_AT_PCT && !watched.exited {
            if found.operands.len() < MAX_PLACES
                && let Some(operands) = of.analysis.operands(*offset)
                && let Some(place) =
                    place_of_operands(watched, process, seen, *number, of, &operands)
            {
                accumulates = operands.accumulates;
                found.operands.push((spot_number, place, operands));
            }
            if found.nested.len() < MAX_PLACES
                && let Some((place, names)) = nested(watched, process, seen, *number, of, *offset)
            {
                found.nested.push((spot_number, place, names));
            }
        }
        found.spots.push(HotSpot {
            function,
            line,
            operation,
            samples: spot.samples,
            loops: u32::try_from(of.analysis.loop_depth(*offset)).unwrap_or(u32::MAX),
            operands: None,
            nested: None,
            accumulates,
        });
    }
    found
}

fn place_of_operands(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
    of: &SampledCode<'_>,
    operands: &Operands,
) -> Option<OperandPlace> {
    let first = of
        .analysis
        .slots_of_variables()
        .checked_add(operands.below)?;
    Some(OperandPlace {
        lines: lines(watched, process, seen, number)?,
        ranges: [operands.bytes.clone()].into(),
        is_one_instruction: true,
        slots: [first, first.checked_add(1)?].into(),
    })
}

/// The two innermost loops over items around an offset.
fn nested(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
    of: &SampledCode<'_>,
    offset: u32,
) -> Option<(OperandPlace, [Option<String>; 2])> {
    let loops = of.analysis.item_loops(offset);
    let [inner, outer, ..] = loops.as_slice() else {
        return None;
    };
    let variables = of.analysis.slots_of_variables();
    let each = if of.analysis.minor() >= 15 { 2 } else { 1 };
    let slots = [inner, outer]
        .into_iter()
        .flat_map(|one| (0..each).map(move |beside| one.below.checked_add(beside)))
        .map(|slot| variables.checked_add(slot?))
        .collect::<Option<_>>()?;
    let place = OperandPlace {
        lines: lines(watched, process, seen, number)?,
        ranges: inner.ranges.clone(),
        is_one_instruction: false,
        slots,
    };
    Some((place, [inner.name.clone(), outer.name.clone()]))
}

/// The code object with this number, where it is still the one that was sampled.
fn lines(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
) -> Option<CodeLines> {
    let code = seen.codes.get(number as usize)?.id;
    let (address, witness) = watched.stacks.whereabouts(code)?;
    let read = read_code(&process.memory(), process, address).ok()?;
    (read.witness == witness).then_some(read.lines)
}

/// A thread whose operands and loops are looked at.
pub(super) struct OperandLooks {
    pid: Pid,
    tid: Tid,
    tstate: u64,
    process: PythonProcess,
    operands: Looks<Operands, Operand>,
    nested: Looks<[Option<String>; 2], Iterated>,
}

/// Places that are looked at, and what was found.
struct Looks<About, Found> {
    places: Vec<OperandPlace>,
    /// Of each place its spot, and what is known of it.
    of: Vec<(usize, About)>,
    found: Vec<(usize, [Found; 2])>,
}

impl<About, Found> Looks<About, Found> {
    fn of(wanted: Vec<(usize, OperandPlace, About)>) -> Self {
        let mut looks = Self {
            places: Vec::with_capacity(wanted.len()),
            of: Vec::with_capacity(wanted.len()),
            found: Vec::new(),
        };
        for (spot, place, about) in wanted {
            looks.places.push(place);
            looks.of.push((spot, about));
        }
        looks
    }

    /// Of each place its spot, what is known of it, and what was found there.
    fn each(&self) -> impl Iterator<Item = (usize, &About, Vec<&[Found; 2]>)> {
        self.of.iter().enumerate().map(|(number, (spot, about))| {
            let here = self.found.iter().filter(move |(place, _)| *place == number);
            (*spot, about, here.map(|(_, both)| both).collect())
        })
    }
}

impl OperandLooks {
    /// `None` if nothing of it is to be looked at.
    pub(super) fn of(
        (pid, tid, tstate): (u32, u32, u64),
        process: &PythonProcess,
        found: &mut Found,
    ) -> Option<Self> {
        let operands = Looks::of(std::mem::take(&mut found.operands));
        let nested = Looks::of(std::mem::take(&mut found.nested));
        let is_any = !operands.places.is_empty() || !nested.places.is_empty();
        is_any.then(|| Self {
            pid: Pid(pid),
            tid: Tid(tid),
            tstate,
            process: process.clone(),
            operands,
            nested,
        })
    }

    pub(super) fn look(&mut self) {
        let (process, tstate) = (&self.process, self.tstate);
        let failed = |error: RemoteError| {
            tracing::debug!(pid = process.pid, %error, "operands not read");
        };
        if !self.operands.places.is_empty() {
            match operands(process, tstate, &self.operands.places) {
                Ok(found) => self.operands.found.extend(found),
                Err(error) => failed(error),
            }
        }
        if !self.nested.places.is_empty() {
            match iterated(process, tstate, &self.nested.places) {
                Ok(found) => self.nested.found.extend(found),
                Err(error) => failed(error),
            }
        }
    }

    /// Writes into the model what was found.
    pub(super) fn tell(self, processes: &mut [Process]) {
        let mut threads = processes
            .iter_mut()
            .filter(|process| process.pid == self.pid)
            .flat_map(|process| &mut process.threads);
        let Some(thread) = threads.find(|thread| thread.tid == self.tid) else {
            return;
        };
        for (spot, about, both) in self.operands.each() {
            if let Some(spot) = thread.hot_spots.get_mut(spot) {
                let [left, right] = [0, 1].map(|side| {
                    let seen = both.iter().map(|both| &both[side]);
                    seen_as(about.names[side].clone(), seen)
                });
                spot.operands = left.zip(right).map(|(left, right)| [left, right]);
            }
        }
        for (spot, names, both) in self.nested.each() {
            if let Some(spot) = thread.hot_spots.get_mut(spot) {
                spot.nested = nested_as(names, &both);
            }
        }
    }
}

/// What two loops went over, by the looks that found the inner one at its most frequent list: it
/// may have come to an end, and its iterator be another's, while it was looked at.
fn nested_as(names: &[Option<String>; 2], found: &[&[Iterated; 2]]) -> Option<NestedSeen> {
    let mut by_container: BTreeMap<u64, Vec<&[Iterated; 2]>> = BTreeMap::new();
    for both in found {
        by_container
            .entry(both[0].container)
            .or_default()
            .push(both);
    }
    let same = by_container.into_values().max_by_key(Vec::len)?;
    let fewest = |side: usize| same.iter().map(|both| both[side].items).min();
    Some(NestedSeen {
        names: names.clone(),
        items: [fewest(0)?, fewest(1)?],
        looks: u32::try_from(same.len()).ok()?,
        is_same: same.len() * 10 >= found.len() * 9,
        reached: same.iter().map(|[inner, _]| inner.index).max()?,
    })
}

/// What an operand was each time; `None` if it was not always the same kind of thing.
fn seen_as<'a>(
    name: Option<String>,
    mut found: impl Iterator<Item = &'a Operand>,
) -> Option<OperandSeen> {
    let first = found.next()?;
    let mut seen = OperandSeen {
        name,
        looks: 1,
        of: first.of,
        type_name: first.type_name.clone(),
        sizes: first.size.map(|size| [size; 2]),
    };
    for one in found {
        if one.of != seen.of || one.type_name != seen.type_name {
            return None;
        }
        seen.looks += 1;
        if let (Some([least, most]), Some(size)) = (&mut seen.sizes, one.size) {
            *least = size.min(*least);
            *most = size.max(*most);
        }
    }
    Some(seen)
}
