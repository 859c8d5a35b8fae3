//! What the samples of a busy thread found, frame by frame, as its loops are judged from it.

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::totals::{Totals, TotalsKey, state};

use super::stacks::Stacks;
use crate::{
    bytecode::{CallKind, NamedCall, Place, Sample, Waiting},
    model::{FunctionId, Look, LookAt, StackId, WaitingLoop},
    symbolize::{CodeId, library_dir},
};

/// A code object that was sampled.
pub(super) struct SeenCode {
    pub id: CodeId,
    pub function: Option<FunctionId>,
    /// Samples at each line.
    lines: BTreeMap<u32, u64>,
}

/// Whether a file is the standard library's, or gevent's, by its name.
pub(super) fn is_standard(file: &str) -> bool {
    let is_installed = |dir: &str| dir.ends_with("-packages");
    file.starts_with("<frozen ")
        || is_gevent(file)
        || library_dir(file).is_some_and(|dir| !is_installed(dir))
}

fn is_gevent(file: &str) -> bool {
    file.contains("/site-packages/gevent/") || file.contains("/dist-packages/gevent/")
}

/// Samples whose innermost frame is at one instruction.
#[derive(Clone, Copy, Default)]
pub(super) struct Leaf {
    pub count: u64,
    pub line: Option<u32>,
}

/// What the samples of one thread found, frame by frame.
#[derive(Default)]
pub(super) struct Seen {
    pub samples: Vec<Sample>,
    /// Of each of these, the line that its leaf is at.
    pub leaf_lines: Vec<Option<u32>>,
    /// All, but those of the hub.
    pub of_samples: u64,
    /// Samples of gevent's hub, which turns from one greenlet to the next.
    in_hub: u64,
    pub codes: Vec<SeenCode>,
}

impl Seen {
    pub(super) fn of(stacks: &Stacks, totals: &[(TotalsKey, Totals)]) -> Self {
        let mut seen = Self::default();
        let mut numbers: HashMap<CodeId, u32> = HashMap::new();
        let mut without_frames = 0;
        for (key, totals) in totals {
            if !matches!(key.wait.kind(), state::ON_CPU_USER | state::ON_CPU_KERNEL) {
                continue;
            }
            let stack = stacks.by_hash(key.stack).unwrap_or(StackId(0));
            if is_hub(stacks, stack) {
                seen.in_hub += totals.count;
                continue;
            }
            if stack == StackId(0) {
                without_frames += totals.count;
                continue;
            }
            seen.of_samples += totals.count;
            let mut sample = Sample {
                places: Vec::new(),
                count: totals.count,
            };
            let mut frames = stacks.spots(stack).peekable();
            let leaf_line = frames.peek().and_then(|(leaf, _)| leaf.line);
            for (frame, spot) in frames {
                let place = spot.and_then(|spot| {
                    let next = u32::try_from(seen.codes.len()).ok()?;
                    let number = *numbers.entry(spot.code).or_insert(next);
                    if number == next {
                        seen.codes.push(SeenCode {
                            id: spot.code,
                            function: frame.function,
                            lines: BTreeMap::new(),
                        });
                    }
                    if let Some(line) = frame.line {
                        let of = &mut seen.codes[number as usize];
                        *of.lines.entry(line).or_default() += totals.count;
                    }
                    Some(Place {
                        code: number,
                        offset: spot.offset?,
                        called_from_c: frame.called_from_c,
                    })
                });
                sample.places.push(place);
            }
            seen.samples.push(sample);
            seen.leaf_lines.push(leaf_line);
        }
        // From one greenlet to the hub and from there to the next there are two moments
        // in which neither has a frame: less than the hub's own.
        if without_frames > seen.in_hub {
            seen.of_samples += without_frames;
        }
        seen
    }

    /// Samples by their innermost instruction: its code object's number, and its offset.
    pub(super) fn leaves(&self) -> BTreeMap<(u32, u32), Leaf> {
        let mut leaves: BTreeMap<(u32, u32), Leaf> = BTreeMap::new();
        for (sample, line) in self.samples.iter().zip(&self.leaf_lines) {
            if let Some(Some(place)) = sample.places.first() {
                let leaf = leaves.entry((place.code, place.offset)).or_default();
                leaf.count += sample.count;
                leaf.line = *line;
            }
        }
        leaves
    }

    pub(super) fn in_model(&self, waiting: &Waiting) -> Option<WaitingLoop> {
        let code = self.codes.get(waiting.code as usize)?;
        let lines = code.lines.iter();
        let mut looks_at: Vec<Look> = waiting.calls.iter().filter_map(look).collect();
        looks_at.sort();
        looks_at.dedup();
        Some(WaitingLoop {
            function: code.function?,
            line: lines
                .max_by_key(|(_, count)| **count)
                .map(|(line, _)| *line),
            text: None,
            samples: waiting.samples,
            of_samples: self.of_samples,
            looks_at,
            sleeps: waiting.sleeps,
            gives_way: waiting.sleeps && self.in_hub > 0,
            functions_below: waiting.functions_below,
            values: None,
        })
    }
}

/// Whether all frames of a stack are gevent's own.
fn is_hub(stacks: &Stacks, stack: StackId) -> bool {
    let mut files = stacks.spots(stack).map(|(frame, _)| {
        let function = frame.function.and_then(|id| stacks.function_name(id));
        function.is_some_and(|function| is_gevent(&function.file))
    });
    files.next().is_some_and(|first| first) && files.all(|one| one)
}

fn look(call: &NamedCall) -> Option<Look> {
    let at = match call.kind {
        CallKind::Clock => LookAt::Clock,
        CallKind::Predicate => LookAt::State,
        CallKind::Attempt => LookAt::Offer,
        CallKind::Sleep | CallKind::Lock => return None,
    };
    Some(Look {
        at,
        name: call.name.clone(),
    })
}
