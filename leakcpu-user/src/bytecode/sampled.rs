//! Where a thread was sampled, and whether all that ran there only waits.
//!
//! The loop is the innermost one that most samples are in and that is proved: its own
//! judgement, and that of every function that was seen below it. What was not seen below it
//! took no time worth a sample.

use std::collections::{BTreeMap, BTreeSet};

use super::{Analysis, CallKind, Loop, NamedCall, SeenCallees};

/// Code objects that are looked at in search of the loop, innermost first.
const MAX_CANDIDATES: usize = 16;

/// Functions below a loop that are judged: what calls more than that does more than wait.
const MAX_BELOW: usize = 24;

/// Where a sample found a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which code object.
    pub code: u32,
    /// In bytes from its first instruction.
    pub offset: u32,
    /// There are C frames between this frame and the next outer one.
    pub called_from_c: bool,
}

/// Samples of one stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Leaf first; `None` where a frame could not be named.
    pub places: Vec<Option<Place>>,
    /// How many.
    pub count: u64,
}

/// A code object that was sampled.
#[derive(Debug)]
pub struct SampledCode<'a> {
    /// Taken apart.
    pub analysis: Analysis<'a>,
    /// `co_name`.
    pub name: &'a str,
}

/// A loop that only waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The code object it is in.
    pub code: u32,
    /// Where a round begins, in bytes.
    pub header: u32,
    /// Samples in it, those in functions that it calls included.
    pub samples: u64,
    /// Where in it they are, in bytes.
    pub offsets: BTreeMap<u32, u64>,
    /// Calls of the loop that were judged by their names.
    pub calls: Vec<NamedCall>,
    /// It sleeps or gives up the CPU in between.
    pub sleeps: bool,
    /// Functions that were seen below it, and judged.
    pub functions_below: usize,
}

/// The loop in which the thread of these samples only waits, with at least `least` of them.
pub fn waiting_loop<'a>(
    samples: &[Sample],
    least: u64,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<Waiting> {
    for id in candidates(samples, least) {
        let Some(of) = code(id) else { continue };
        for this in of.analysis.loops() {
            let inside: Vec<(&Sample, usize)> = samples
                .iter()
                .filter_map(|sample| Some((sample, innermost(sample, id)?)))
                .filter(|(sample, at)| {
                    sample.places[*at].is_some_and(|place| this.contains(place.offset))
                })
                .collect();
            let weight: u64 = inside.iter().map(|(sample, _)| sample.count).sum();
            if weight >= least.max(1)
                && let Some(waiting) = prove(id, of, this, &inside, code)
            {
                return Some(waiting);
            }
        }
    }
    None
}

/// The code objects that enough samples are in or below, innermost first.
fn candidates(samples: &[Sample], least: u64) -> Vec<u32> {
    // Samples, and how far from the leaf they are in sum.
    let mut found: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for sample in samples {
        let mut met = BTreeSet::new();
        for (depth, place) in (0..).zip(&sample.places) {
            if let Some(place) = place.filter(|place| met.insert(place.code)) {
                let sums = found.entry(place.code).or_default();
                sums.0 += sample.count;
                sums.1 += depth * sample.count;
            }
        }
    }
    let mut found: Vec<(u32, f64)> = found
        .into_iter()
        .filter(|(_, (count, _))| *count >= least.max(1))
        .map(|(code, (count, depths))| (code, depths as f64 / count as f64))
        .collect();
    found.sort_by(|a, b| a.1.total_cmp(&b.1));
    found.truncate(MAX_CANDIDATES);
    found.into_iter().map(|(code, _)| code).collect()
}

fn innermost(sample: &Sample, code: u32) -> Option<usize> {
    let mut places = sample.places.iter();
    places.position(|place| place.is_some_and(|place| place.code == code))
}

/// What was seen of one code object in a loop or below it.
#[derive(Default)]
struct Seen {
    offsets: BTreeMap<u32, u64>,
    callees: SeenCallees,
}

fn prove<'a>(
    id: u32,
    of: &SampledCode<'a>,
    this: &Loop,
    inside: &[(&Sample, usize)],
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<Waiting> {
    let mut own = Seen::default();
    let mut below: BTreeMap<u32, Seen> = BTreeMap::new();
    for &(sample, at) in inside {
        let mut caller: Option<(u32, u32)> = None;
        for depth in (0..=at).rev() {
            // What has no name is not judged.
            let place = sample.places[depth]?;
            let called = code(place.code)?;
            let is_own = depth == at;
            if let Some((caller, call)) = caller {
                let callees = if depth + 1 == at {
                    &mut own.callees
                } else {
                    &mut below.entry(caller).or_default().callees
                };
                note(callees, call, place, called);
            }
            let seen = if is_own {
                &mut own
            } else {
                below.entry(place.code).or_default()
            };
            *seen.offsets.entry(place.offset).or_default() += sample.count;
            let instruction = called.analysis.instruction_at(place.offset)?;
            caller = Some((place.code, instruction.offset));
        }
        if below.len() > MAX_BELOW {
            return None;
        }
    }
    let judged = of.analysis.judge(this, &own.callees);
    let is_quiet = |offset: &u32| {
        let mut quiet = judged.quiet.iter().flatten();
        quiet.any(|range| range.contains(offset))
    };
    if !judged.only_waits() && !own.offsets.keys().all(is_quiet) {
        return None;
    }
    for (id, seen) in &below {
        let judged = code(*id)?.analysis.judge_function(&seen.callees);
        if !seen.offsets.keys().all(|offset| judged.is_quiet_at(*offset)) {
            return None;
        }
    }
    Some(Waiting {
        code: id,
        header: this.header,
        samples: inside.iter().map(|(sample, _)| sample.count).sum(),
        offsets: own.offsets,
        sleeps: judged.calls.iter().any(|call| call.kind == CallKind::Sleep),
        calls: judged.calls,
        functions_below: below.len(),
    })
}

/// Before 3.11 Python calls Python over C, so that the frames do not tell what C code was
/// between them.
fn note(callees: &mut SeenCallees, call: u32, place: Place, called: &SampledCode<'_>) {
    if called.analysis.minor() < 11 {
        callees.add_named(call, called.name);
    } else if !place.called_from_c {
        callees.add_direct(call);
    }
}
