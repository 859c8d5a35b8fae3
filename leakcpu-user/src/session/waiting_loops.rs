//! Loops of busy threads that only wait: their code objects are read, and judged.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
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
    discovery::{SourcePlace, source_line},
    interpreter::{
        CodeError, CodeParts, FrameValues, MAX_VALUES, PythonProcess, frame_values, read_parts,
        read_witness,
    },
    model::{FunctionId, Look, LookAt, Pid, Process, StackId, SteadyValues, Tid, WaitingLoop},
    symbolize::{CodeId, FunctionName, library_dir},
};

/// Fewer samples say nothing about a loop.
pub(super) const MIN_SAMPLES: u64 = 20;
/// Part of its time that a thread is on a CPU at least; less is no spin, even where others
/// have the CPU most of the time.
const MIN_ON_CPU_PART: u64 = 20;
/// Samples that the loop has to have, of the thread's, in percent.
const MIN_SHARE_PCT: u64 = 80;
/// Code objects that are read for one thread.
const MAX_READ: usize = 64;
/// Time that looking at loops takes at the end of a window.
const MAX_TIME: Duration = Duration::from_millis(100);

/// Looks at the variables of threads whose loops only wait, and the time between two.
const VALUE_LOOKS: u32 = 10;
const VALUE_LOOK_GAP: Duration = Duration::from_millis(2);
/// Fewer looks that find it say nothing.
const MIN_VALUE_LOOKS: u32 = 5;
/// Threads whose variables are looked at.
const MAX_VALUE_THREADS: usize = 64;

/// Looks at the loops of a window's busy threads.
pub(super) struct LoopLooks {
    until: Instant,
    /// Threads whose variables are to be looked at.
    waiting: Vec<Frames>,
    /// Threads that there was no time for.
    pub left_out: u64,
    /// Code objects that could not be read, or not be understood.
    pub unreadable: u64,
}

impl LoopLooks {
    pub(super) fn new() -> Self {
        Self {
            until: Instant::now() + MAX_TIME,
            waiting: Vec::new(),
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
        let process = watched.python()?;
        let seen = Seen::of(&watched.stacks, totals);
        if seen.of_samples < MIN_SAMPLES {
            return None;
        }
        if Instant::now() >= self.until {
            self.left_out += 1;
            return None;
        }
        let waiting = self.judge(watched, process, &seen)?;
        let mut in_model = seen.in_model(&waiting)?;
        in_model.text = text_of(watched, &in_model);
        // Greenlets take turns, each with a frame of its own.
        let code = seen.codes[waiting.code as usize].id;
        let address = watched.stacks.whereabouts(code).map(|(address, _)| address);
        if let Some(address) = address.filter(|_| !watched.exited && !in_model.gives_way)
            && self.waiting.len() < MAX_VALUE_THREADS
        {
            let mut variables = waiting.steady;
            variables.truncate(MAX_VALUES);
            self.waiting.push(Frames {
                pid: Pid(record.state.pid),
                tid: Tid(record.state.tid),
                tstate: record.state.tstate,
                code: address,
                process: process.clone(),
                variables,
                found: Vec::new(),
            });
        }
        Some(in_model)
    }

    /// Looks several times at the variables of threads whose loops only wait.
    pub(super) fn look_at_values(mut self, processes: &mut [Process]) {
        if self.waiting.is_empty() {
            return;
        }
        for look in 0..VALUE_LOOKS {
            if look > 0 {
                std::thread::sleep(VALUE_LOOK_GAP);
            }
            for frames in &mut self.waiting {
                frames.look();
            }
        }
        for frames in &self.waiting {
            let mut threads = processes
                .iter_mut()
                .filter(|process| process.pid == frames.pid)
                .flat_map(|process| &mut process.threads);
            if let Some(waiting) = threads
                .find(|thread| thread.tid == frames.tid)
                .and_then(|thread| thread.waiting_loop.as_mut())
            {
                waiting.values = frames.steady();
            }
        }
    }

    fn judge(
        &mut self,
        watched: &Watched,
        process: &PythonProcess,
        seen: &Seen,
    ) -> Option<Waiting> {
        let parts: Vec<OnceCell<Option<Arc<CodeParts>>>> =
            seen.codes.iter().map(|_| OnceCell::new()).collect();
        let taken_apart: Vec<OnceCell<Option<SampledCode<'_>>>> =
            seen.codes.iter().map(|_| OnceCell::new()).collect();
        let names: Vec<Option<&FunctionName>> = seen
            .codes
            .iter()
            .map(|of| of.function.and_then(|id| watched.stacks.function_name(id)))
            .collect();
        let mut reads = 0;
        let mut code = |number: u32| {
            let number = number as usize;
            let of = seen.codes.get(number)?;
            let parts = parts[number].get_or_init(|| {
                reads += 1;
                if reads > MAX_READ {
                    return None;
                }
                read_or_kept(process, watched, of.id).map_err(|why| {
                    tracing::debug!(pid = process.pid, %why, "code object not read for its loops");
                    self.unreadable += 1;
                }).ok()
            });
            let parts = parts.as_ref()?;
            let sampled = taken_apart[number].get_or_init(|| {
                let analysis = Analysis::of(parts.code()).map_err(|why| {
                    tracing::debug!(pid = process.pid, %why, "instructions not understood");
                    self.unreadable += 1;
                });
                let name = names[number]?;
                Some(SampledCode {
                    analysis: analysis.ok()?,
                    name: last_part(&name.name),
                    is_standard: is_standard(&name.file),
                })
            });
            sampled.as_ref()
        };
        let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
        waiting_loop(&seen.samples, least, &mut code)
    }
}

/// The variables of one thread's loop.
struct Frames {
    pid: Pid,
    tid: Tid,
    tstate: u64,
    /// Address of the loop's code object.
    code: u64,
    process: PythonProcess,
    variables: Vec<u32>,
    found: Vec<FrameValues>,
}

impl Frames {
    fn look(&mut self) {
        match frame_values(&self.process, self.tstate, self.code, &self.variables) {
            Ok(found) => self.found.extend(found),
            Err(error) => tracing::debug!(pid = self.pid.0, %error, "variables not read"),
        }
    }

    fn steady(&self) -> Option<SteadyValues> {
        let distinct: HashSet<&FrameValues> = self.found.iter().collect();
        let looks = u32::try_from(self.found.len()).ok()?;
        (looks >= MIN_VALUE_LOOKS).then_some(SteadyValues {
            looks,
            distinct: u32::try_from(distinct.len()).ok()?,
        })
    }
}

/// Why a code object cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unjudged {
    #[error("its process has ended")]
    Ended,
    #[error("another may have been at its address")]
    Replaced,
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Bytes(#[from] DecodeError),
}

/// Reads a code object, or takes what was read of it while it was there.
fn read_or_kept(
    process: &PythonProcess,
    watched: &Watched,
    code: CodeId,
) -> Result<Arc<CodeParts>, Unjudged> {
    let now = if watched.exited {
        Err(Unjudged::Ended)
    } else {
        read(process, &watched.stacks, code).map(Arc::new)
    };
    now.or_else(|why| watched.hot_code.get(code).ok_or(why))
}

/// Reads the parts of a code object that was sampled.
pub(super) fn read(
    process: &PythonProcess,
    stacks: &Stacks,
    code: CodeId,
) -> Result<CodeParts, Unjudged> {
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

/// The loop's line as it is written.
fn text_of(watched: &Watched, waiting: &WaitingLoop) -> Option<String> {
    let function = watched.stacks.function_name(waiting.function)?;
    let place = SourcePlace {
        file: &function.file,
        function: last_part(&function.name),
        first_line: function.first_line,
        line: waiting.line?,
    };
    source_line(watched.facts.pid, watched.facts.start_boottime_ns, place)
}

/// `co_name` of a qualified name.
fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether a file is the standard library's, or gevent's, by its name.
fn is_standard(file: &str) -> bool {
    let is_installed = |dir: &str| dir.ends_with("-packages");
    file.starts_with("<frozen ")
        || is_gevent(file)
        || library_dir(file).is_some_and(|dir| !is_installed(dir))
}

fn is_gevent(file: &str) -> bool {
    file.contains("/site-packages/gevent/") || file.contains("/dist-packages/gevent/")
}

/// What the samples of one thread found, frame by frame.
#[derive(Default)]
struct Seen {
    samples: Vec<Sample>,
    /// All, but those of the hub.
    of_samples: u64,
    /// Samples of gevent's hub, which turns from one greenlet to the next.
    in_hub: u64,
    codes: Vec<SeenCode>,
}

impl Seen {
    fn of(stacks: &Stacks, totals: &[(TotalsKey, Totals)]) -> Self {
        let mut seen = Self::default();
        let mut numbers: HashMap<CodeId, u32> = HashMap::new();
        for (key, totals) in totals {
            if !matches!(key.wait.kind(), state::ON_CPU_USER | state::ON_CPU_KERNEL) {
                continue;
            }
            let stack = stacks.by_hash(key.stack).unwrap_or(StackId(0));
            if is_hub(stacks, stack) {
                seen.in_hub += totals.count;
                continue;
            }
            seen.of_samples += totals.count;
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
