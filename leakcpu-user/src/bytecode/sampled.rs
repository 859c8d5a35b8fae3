//! Where a thread was sampled, and whether all that ran there only waits.
//!
//! The loop is the innermost one that most samples are in and that is proved: its own
//! judgement, and that of every function that was seen below it. What was not seen below it
//! took no time worth a sample.

use std::collections::{BTreeMap, BTreeSet};

use super::{Analysis, CallKind, Does, Loop, NamedCall, SeenCallees, calls::is_known};

/// Code objects that are looked at in search of the loop, innermost first.
const MAX_CANDIDATES: usize = 16;

/// Functions below a loop that are judged: what calls more than that does more than wait.
const MAX_BELOW: usize = 24;

/// Of so many samples in a loop one may have a frame without a name, which is not judged.
const MAX_UNNAMED_PART: u64 = 20;

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
    /// It is the standard library's, or gevent's, which has the same names.
    pub is_standard: bool,
}

impl SampledCode<'_> {
    /// It does what its name says, so that neither it nor what it calls has to be judged.
    fn is_trusted(&self) -> bool {
        self.is_standard && is_known(self.name)
    }
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
    /// Indices of local variables whose values stay what they are while it waits: all but
    /// those that a clock may give one.
    pub steady: Vec<u32>,
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
    calls: BTreeSet<SeenCall>,
}

/// A call under which a function was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SeenCall {
    /// Where the call is, in bytes.
    offset: u32,
    callee: u32,
    /// There is no C code between the two.
    is_direct: bool,
}

fn prove<'a>(
    id: u32,
    of: &SampledCode<'a>,
    this: &Loop,
    inside: &[(&Sample, usize)],
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<Waiting> {
    let (own, below) = gather(inside, code)?;
    if of.analysis.never_ends(this) && only_compute(&below, code) {
        return None;
    }
    let does = judge_below(&below, code)?;
    let callees = callees(&own.calls, &does, code);
    let judged = of.analysis.judge(this, &callees);
    let is_quiet = |offset: &u32| {
        let mut quiet = judged.quiet.iter().flatten();
        quiet.any(|range| range.contains(offset))
    };
    if !judged.only_waits() && !own.offsets.keys().all(is_quiet) {
        return None;
    }
    let reads_clock = judged.calls.iter().any(|call| call.kind == CallKind::Clock);
    let unsteady = if reads_clock {
        of.analysis.written(this)?
    } else {
        Vec::new()
    };
    let variables = 0..u32::try_from(of.analysis.variables()).unwrap_or(0);
    Some(Waiting {
        steady: variables.filter(|one| !unsteady.contains(one)).collect(),
        code: id,
        header: this.header,
        samples: inside.iter().map(|(sample, _)| sample.count).sum(),
        offsets: own.offsets,
        sleeps: judged.calls.iter().any(|call| call.kind == CallKind::Sleep),
        calls: judged.calls,
        functions_below: below.len(),
    })
}

/// Whether there are functions below a loop, and all of them depend on their arguments alone. A
/// loop that never ends and calls nothing else waits for nothing, though it leaves nothing behind:
/// it computes for its own sake, as benchmarks do.
fn only_compute<'a>(
    below: &BTreeMap<u32, Seen>,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> bool {
    let computes =
        |id: &u32| code(*id).is_some_and(|of| of.analysis.pure_arguments(of.name, 0).is_some());
    !below.is_empty() && below.keys().all(computes)
}

/// What was seen of the loop itself and, by code object, below it; `None` if that cannot be
/// judged.
fn gather<'a>(
    inside: &[(&Sample, usize)],
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<(Seen, BTreeMap<u32, Seen>)> {
    let mut own = Seen::default();
    let mut below: BTreeMap<u32, Seen> = BTreeMap::new();
    let (mut all, mut unnamed) = (0, 0);
    for &(sample, at) in inside {
        all += sample.count;
        if sample.places[..=at].contains(&None) {
            unnamed += sample.count;
            continue;
        }
        let from = trusted(&sample.places[..at], code).map_or(0, |trusted| trusted + 1);
        for depth in from..=at {
            let place = sample.places[depth]?;
            let of = code(place.code)?;
            let seen = if depth == at {
                &mut own
            } else {
                below.entry(place.code).or_default()
            };
            *seen.offsets.entry(place.offset).or_default() += sample.count;
            let inner = depth.checked_sub(1).filter(|inner| *inner >= from);
            if let Some(inner) = inner.and_then(|inner| sample.places[inner]) {
                seen.calls.insert(SeenCall {
                    offset: of.analysis.instruction_at(place.offset)?.offset,
                    callee: inner.code,
                    // Before 3.11 Python calls Python over C, so that the frames do not
                    // tell what other C code was between them.
                    is_direct: of.analysis.minor() >= 11 && !inner.called_from_c,
                });
            }
        }
        if below.len() > MAX_BELOW {
            return None;
        }
    }
    (unnamed * MAX_UNNAMED_PART <= all).then_some((own, below))
}

/// The outermost of some frames that does what its name says, and in which nothing runs but
/// what comes with it: no method that the program has put in the place of another. The call of
/// it is judged by that name, like one of a function in C.
fn trusted<'a>(
    places: &[Option<Place>],
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<usize> {
    let mut found = None;
    for (depth, place) in places.iter().enumerate() {
        let of = place.and_then(|place| code(place.code));
        let Some(of) = of.filter(|of| of.is_standard) else {
            break;
        };
        if of.is_trusted() {
            found = Some(depth);
        }
    }
    found
}

/// What each function below the loop does; `None` if one of them does more than look. They
/// may call each other, so each is taken to do nothing until it turns out to do more.
fn judge_below<'a>(
    below: &BTreeMap<u32, Seen>,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Option<BTreeMap<u32, Does>> {
    let mut does: BTreeMap<u32, Does> = below.keys().map(|id| (*id, Does::Nothing)).collect();
    loop {
        let mut is_changed = false;
        for (id, seen) in below {
            let callees = callees(&seen.calls, &does, code);
            let judged = code(*id)?.analysis.judge_function(&callees);
            let offsets: Vec<u32> = seen.offsets.keys().copied().collect();
            let now = judged.does(&offsets)?;
            // It only ever grows.
            let known = does.entry(*id).or_insert(now);
            is_changed |= now > *known;
            *known = now.max(*known);
        }
        if !is_changed {
            return Some(does);
        }
    }
}

fn callees<'a>(
    calls: &BTreeSet<SeenCall>,
    does: &BTreeMap<u32, Does>,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> SeenCallees {
    let mut callees = SeenCallees::default();
    for call in calls {
        if let (Some(of), Some(does)) = (code(call.callee), does.get(&call.callee)) {
            callees.add(call.offset, of.name, call.is_direct, *does);
        }
    }
    callees
}
