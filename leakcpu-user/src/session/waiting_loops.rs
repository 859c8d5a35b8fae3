//! Loops of busy threads that only wait: their code objects are read, and judged.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use leakcpu_common::totals::{Totals, TotalsKey, state};

use super::{stacks::Stacks, watched::Watched};
use crate::{
    bytecode::{
        Analysis, CallKind, DecodeError, NamedCall, Place, Sample, SampledCode, Waiting,
        waiting_loop,
    },
    collect::ThreadRecord,
    interpreter::{CodeError, CodeParts, PythonProcess, read_parts, read_witness},
    model::{FunctionId, Look, LookAt, StackId, WaitingLoop},
    symbolize::CodeId,
};

/// Fewer samples say nothing about a loop.
const MIN_SAMPLES: u64 = 20;
/// Part of its time that a thread is on a CPU at least; less is no spin, even where others
/// have the CPU most of the time.
const MIN_ON_CPU_PART: u64 = 20;
/// Samples that the loop has to have, of the thread's, in percent.
const MIN_SHARE_PCT: u64 = 80;
/// Code objects that are read for one thread.
const MAX_READ: usize = 64;
/// Time that looking at loops takes at the end of a window.
const MAX_TIME: Duration = Duration::from_millis(100);

/// Looks at the loops of a window's busy threads.
pub(super) struct LoopLooks {
    until: Instant,
    /// Threads that there was no time for.
    pub left_out: u64,
    /// Code objects that could not be read, or not be understood.
    pub unreadable: u64,
}

impl LoopLooks {
    pub(super) fn new() -> Self {
        Self {
            until: Instant::now() + MAX_TIME,
            left_out: 0,
            unreadable: 0,
        }
    }

    /// The loop that a thread only waits in, if its bytecode proves one.
    pub(super) fn look(
        &mut self,
        watched: &Watched,
        record: &ThreadRecord,
        totals: &[(TotalsKey, Totals)],
    ) -> Option<WaitingLoop> {
        if record.state.on_cpu_ns < record.wall_ns() / MIN_ON_CPU_PART {
            return None;
        }
        let process = watched.python().filter(|_| !watched.exited)?;
        let seen = Seen::of(&watched.stacks, totals);
        if seen.of_samples < MIN_SAMPLES {
            return None;
        }
        if Instant::now() >= self.until {
            self.left_out += 1;
            return None;
        }
        self.judge(watched, process, &seen)
    }

    fn judge(
        &mut self,
        watched: &Watched,
        process: &PythonProcess,
        seen: &Seen,
    ) -> Option<WaitingLoop> {
        let cells = || seen.codes.iter().map(|_| OnceCell::new()).collect();
        let parts: Vec<OnceCell<Option<CodeParts>>> = cells();
        let analyses: Vec<OnceCell<Option<SampledCode<'_>>>> =
            seen.codes.iter().map(|_| OnceCell::new()).collect();
        let names: Vec<String> = seen.codes.iter().map(|of| of.name(watched)).collect();
        let mut reads = 0;
        let mut code = |number: u32| {
            let number = number as usize;
            let of = seen.codes.get(number)?;
            let parts = parts[number].get_or_init(|| {
                reads += 1;
                if reads > MAX_READ {
                    return None;
                }
                read(process, &watched.stacks, of.id).map_err(|why| {
                    tracing::debug!(pid = process.pid, %why, "code object not read for its loops");
                    self.unreadable += 1;
                }).ok()
            });
            let parts = parts.as_ref()?;
            let analysis = analyses[number].get_or_init(|| {
                let analysis = Analysis::of(parts.code()).map_err(|why| {
                    tracing::debug!(pid = process.pid, %why, "instructions not understood");
                    self.unreadable += 1;
                });
                Some(SampledCode {
                    analysis: analysis.ok()?,
                    name: &names[number],
                })
            });
            analysis.as_ref()
        };
        let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
        let waiting = waiting_loop(&seen.samples, least, &mut code)?;
        seen.in_model(&waiting)
    }
}

/// Why a code object cannot be judged.
#[derive(Debug, thiserror::Error)]
enum Unjudged {
    #[error("another may have been at its address")]
    Replaced,
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Bytes(#[from] DecodeError),
}

fn read(process: &PythonProcess, stacks: &Stacks, code: CodeId) -> Result<CodeParts, Unjudged> {
    let (address, witness) = stacks.whereabouts(code).ok_or(Unjudged::Replaced)?;
    let parts = read_parts(&process.memory(), process, address)?;
    // The same object as the one that was sampled.
    let there = read_witness(process, address).map_err(CodeError::from)?;
    if there == Some(witness) {
        Ok(parts)
    } else {
        Err(Unjudged::Replaced)
    }
}

/// A code object that was sampled.
struct SeenCode {
    id: CodeId,
    function: Option<FunctionId>,
    /// Samples at each line.
    lines: BTreeMap<u32, u64>,
}

impl SeenCode {
    fn name(&self, watched: &Watched) -> String {
        let function = self.function.and_then(|id| watched.stacks.function_name(id));
        function.map_or_else(String::new, |function| function.name.to_string())
    }
}

/// What the samples of one thread found, frame by frame.
#[derive(Default)]
struct Seen {
    samples: Vec<Sample>,
    of_samples: u64,
    codes: Vec<SeenCode>,
}

impl Seen {
    fn of(stacks: &Stacks, totals: &[(TotalsKey, Totals)]) -> Self {
        let mut seen = Self::default();
        let mut numbers: HashMap<CodeId, u32> = HashMap::new();
        for (key, totals) in totals {
            if !matches!(
                key.wait.kind(),
                state::ON_CPU_USER | state::ON_CPU_KERNEL
            ) {
                continue;
            }
            seen.of_samples += totals.count;
            let stack = stacks.by_hash(key.stack).unwrap_or(StackId(0));
            let mut sample = Sample {
                places: Vec::new(),
                count: totals.count,
            };
            for (frame, spot) in stacks.spots(stack) {
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
        }
        seen
    }

    fn in_model(&self, waiting: &Waiting) -> Option<WaitingLoop> {
        let code = self.codes.get(waiting.code as usize)?;
        let lines = code.lines.iter();
        let mut looks_at: Vec<Look> = waiting.calls.iter().filter_map(look).collect();
        looks_at.sort();
        looks_at.dedup();
        Some(WaitingLoop {
            function: code.function?,
            line: lines.max_by_key(|(_, count)| **count).map(|(line, _)| *line),
            samples: waiting.samples,
            of_samples: self.of_samples,
            looks_at,
            sleeps: waiting.sleeps,
            functions_below: waiting.functions_below,
        })
    }
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
