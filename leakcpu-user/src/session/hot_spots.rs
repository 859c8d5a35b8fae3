//! What the instructions do that busy threads are found at, and what they do it with.

use std::collections::BTreeMap;

use super::{
    loop_samples::{Leaf, Seen},
    operand_looks::{Wanted, lines},
    watched::Watched,
};
use crate::{
    bytecode::{Operands, Operation, SampledCode},
    interpreter::{OperandPlace, PythonProcess},
    model::{FunctionId, HotSpot},
};

/// Fewer samples of a hundred are no hot spot.
const MIN_SHARE_PCT: u64 = 2;
/// Hot spots that are kept of a thread.
const MAX_SPOTS: usize = 32;
/// Of so many of them the operands are looked at ...
const MAX_PLACES: usize = 4;
/// ... if so many samples of a hundred are there.
const MIN_LOOKED_AT_PCT: u64 = 10;

/// One spot while it grows.
struct Spot {
    samples: u64,
    /// Of each instruction, by its code object and offset.
    at: BTreeMap<(u32, u32), u64>,
}

/// The hot spots of the thread that was seen like that, and what is to be looked at of them.
pub(super) fn hot_spots<'a>(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
    wanted: &mut Wanted,
) -> Vec<HotSpot> {
    let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
    let by_place = seen.leaves();
    let mut of_code: BTreeMap<u32, u64> = BTreeMap::new();
    for ((number, _), leaf) in &by_place {
        *of_code.entry(*number).or_default() += leaf.count;
    }
    let mut spots: BTreeMap<(FunctionId, Option<u32>, Operation), Spot> = BTreeMap::new();
    for ((number, offset), Leaf { count, line }) in by_place {
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
    let mut found = Vec::with_capacity(spots.len());
    for ((function, line, operation), spot) in spots {
        let Some(((number, offset), _)) = spot.at.iter().max_by_key(|(_, count)| **count) else {
            continue;
        };
        let Some(of) = code(*number) else { continue };
        let spot_number = found.len();
        let mut accumulates = false;
        if spot.samples * 100 >= seen.of_samples * MIN_LOOKED_AT_PCT && !watched.exited {
            if wanted.operands.len() < MAX_PLACES
                && let Some(operands) = of.analysis.operands(*offset)
                && let Some(place) =
                    place_of_operands(watched, process, seen, *number, of, &operands)
            {
                accumulates = operands.accumulates;
                wanted.operands.push((spot_number, place, operands));
            }
            if wanted.nested.len() < MAX_PLACES
                && let Some((place, names)) = nested(watched, process, seen, *number, of, *offset)
            {
                wanted.nested.push((spot_number, place, names));
            }
        }
        found.push(HotSpot {
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
