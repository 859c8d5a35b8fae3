//! What the instructions do that busy threads are found at, and what they do it with.

use std::collections::BTreeMap;

use super::{loop_samples::Seen, watched::Watched};
use crate::{
    bytecode::{Operands, Operation, SampledCode},
    interpreter::{Operand, OperandPlace, PythonProcess, operands, read_code},
    model::{FunctionId, HotSpot, OperandSeen, Pid, Process, Tid},
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
    /// Of spots, by their numbers, the operands to look at.
    wanted: Vec<(usize, OperandPlace, Operands)>,
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
        let operands = of.analysis.operands(*offset);
        let is_looked_at = spot.samples * 100 >= seen.of_samples * MIN_LOOKED_AT_PCT
            && found.wanted.len() < MAX_PLACES
            && !watched.exited;
        if is_looked_at
            && let Some(operands) = &operands
            && let Some(place) = place(watched, process, seen, *number, of, operands)
        {
            found
                .wanted
                .push((found.spots.len(), place, operands.clone()));
        }
        found.spots.push(HotSpot {
            function,
            line,
            operation,
            samples: spot.samples,
            loops: u32::try_from(of.analysis.loop_depth(*offset)).unwrap_or(u32::MAX),
            operands: None,
            accumulates: operands.is_some_and(|operands| operands.accumulates),
        });
    }
    found
}

fn place(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
    of: &SampledCode<'_>,
    operands: &Operands,
) -> Option<OperandPlace> {
    let code = seen.codes.get(number as usize)?.id;
    let (address, witness) = watched.stacks.whereabouts(code)?;
    let read = read_code(&process.memory(), process, address).ok()?;
    let variables = u32::try_from(of.analysis.slots_of_variables()).ok()?;
    (read.witness == witness).then_some(OperandPlace {
        lines: read.lines,
        bytes: operands.bytes.clone(),
        slot: variables.checked_add(operands.below)?,
    })
}

/// A thread whose operands are looked at.
pub(super) struct OperandLooks {
    pid: Pid,
    tid: Tid,
    tstate: u64,
    process: PythonProcess,
    places: Vec<OperandPlace>,
    /// Of each place its spot, and what the program calls the operands.
    of: Vec<(usize, Operands)>,
    found: Vec<(usize, [Operand; 2])>,
}

impl OperandLooks {
    /// `None` if nothing of it is to be looked at.
    pub(super) fn of(
        (pid, tid, tstate): (u32, u32, u64),
        process: &PythonProcess,
        found: &mut Found,
    ) -> Option<Self> {
        let wanted = std::mem::take(&mut found.wanted);
        let mut places = Vec::with_capacity(wanted.len());
        let mut of = Vec::with_capacity(wanted.len());
        for (spot, place, operands) in wanted {
            places.push(place);
            of.push((spot, operands));
        }
        (!places.is_empty()).then(|| Self {
            pid: Pid(pid),
            tid: Tid(tid),
            tstate,
            process: process.clone(),
            places,
            of,
            found: Vec::new(),
        })
    }

    pub(super) fn look(&mut self) {
        match operands(&self.process, self.tstate, &self.places) {
            Ok(found) => self.found.extend(found),
            Err(error) => tracing::debug!(pid = self.pid.0, %error, "operands not read"),
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
        for (number, (spot, operands)) in self.of.iter().enumerate() {
            let here = self.found.iter().filter(|(place, _)| *place == number);
            let both: Vec<&[Operand; 2]> = here.map(|(_, both)| both).collect();
            if let Some(spot) = thread.hot_spots.get_mut(*spot) {
                let [left, right] = [0, 1].map(|side| {
                    let seen = both.iter().map(|both| &both[side]);
                    seen_as(operands.names[side].clone(), seen)
                });
                spot.operands = left.zip(right).map(|(left, right)| [left, right]);
            }
        }
    }
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
