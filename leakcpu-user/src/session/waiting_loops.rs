//! Loops of busy threads that only wait: their code objects are read, and judged.

use std::{
    cell::OnceCell,
    sync::Arc,
    time::{Duration, Instant},
};

use leakcpu_common::totals::{Totals, TotalsKey};

use super::{
    Purpose,
    code_reads::read_or_kept,
    file_looks::FileLook,
    hot_loops::hot_loops,
    hot_spots::hot_spots,
    loop_samples::{Seen, is_standard},
    loop_values::Frames,
    operand_looks::{OperandLooks, Wanted},
    repeated_calls::{CallLooks, PureFunction, look_further, pure_functions},
    watched::Watched,
};
use crate::{
    bytecode::{Analysis, SampledCode, Waiting, leave_results, waiting_loop},
    collect::ThreadRecord,
    discovery::{SourcePlace, source_line},
    interpreter::{CodeParts, MAX_VALUES, PythonProcess},
    model::{HotLoop, HotSpot, Pid, Process, Tid, WaitingLoop, plain_name},
    symbolize::FunctionName,
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
/// Threads whose variables are looked at.
const MAX_VALUE_THREADS: usize = 64;

/// Looks at what instructions work with: fewer hit one that takes only a part of the time.
const OPERAND_LOOKS: u32 = 30;
/// Threads whose operands are looked at.
const MAX_OPERAND_THREADS: usize = 32;

/// What a thread's loops do, where it is known.
pub(super) enum LoopsOf<W = WaitingLoop> {
    /// Wait, in this one.
    OnlyWait(W),
    /// Do more than that, most of the time.
    LeaveResults,
}

/// What hot code does that does not only wait.
#[derive(Default)]
pub(super) struct Hot {
    pub spots: Vec<HotSpot>,
    pub loops: Vec<HotLoop>,
    wanted: Wanted,
    /// Functions whose calls are looked at.
    functions: Vec<PureFunction>,
}

/// Looks at the loops of a window's busy threads.
pub(super) struct LoopLooks {
    pub until: Instant,
    /// Busy-waiting is all that is asked for: nobody wants to know what else instructions do.
    for_spins: bool,
    /// Threads whose variables are to be looked at.
    waiting: Vec<Frames>,
    /// Threads whose operands are.
    operands: Vec<OperandLooks>,
    /// Threads whose calls are.
    calls: Vec<CallLooks>,
    /// Processes whose reads and writes are counted meanwhile.
    files: Vec<FileLook>,
    /// Threads that there was no time for.
    pub left_out: u64,
    /// Code objects that could not be read, or not be understood.
    pub unreadable: u64,
    /// Threads whose operands are not looked at.
    pub without_operands: u64,
}

impl LoopLooks {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self {
            until: Instant::now() + MAX_TIME,
            for_spins: purpose == Purpose::Spins,
            waiting: Vec::new(),
            operands: Vec::new(),
            calls: Vec::new(),
            files: Vec::new(),
            left_out: 0,
            unreadable: 0,
            without_operands: 0,
        }
    }

    /// What the bytecode of a thread's loops says of it, if anything; and what the instructions
    /// do that it is found at, unless that is to wait.
    pub(super) fn look(
        &mut self,
        watched: &Watched,
        record: &ThreadRecord,
        totals: &[(TotalsKey, Totals)],
    ) -> (Option<LoopsOf>, Hot) {
        let nothing = (None, Hot::default());
        if record.state.on_cpu_ns < record.wall_ns() / MIN_ON_CPU_PART {
            return nothing;
        }
        let Some(process) = watched.python() else {
            return nothing;
        };
        let seen = Seen::of(&watched.stacks, totals);
        if seen.of_samples < MIN_SAMPLES {
            return nothing;
        }
        if Instant::now() >= self.until {
            self.left_out += 1;
            return nothing;
        }
        let (loops, mut hot) = self.judge(watched, process, &seen);
        let loops = match loops {
            Some(LoopsOf::OnlyWait(waiting)) => self.waits(watched, record, &seen, waiting),
            Some(LoopsOf::LeaveResults) => Some(LoopsOf::LeaveResults),
            None => None,
        };
        let state = &record.state;
        let thread = (state.pid, state.tid, state.tstate);
        let calls = CallLooks::of(thread, process, std::mem::take(&mut hot.functions));
        let operands = OperandLooks::of(thread, process, std::mem::take(&mut hot.wanted));
        let is_wanted = calls.is_some() || operands.is_some();
        let most = self.operands.len().max(self.calls.len());
        if is_wanted && most >= MAX_OPERAND_THREADS {
            self.without_operands += 1;
        } else {
            self.calls.extend(calls);
            self.operands.extend(operands);
        }
        (loops, hot)
    }

    /// Counts the reads and writes of a process for as long as the other looks take, if they are
    /// what it spends its time on.
    pub(super) fn count_files(&mut self, process: &Process) {
        if !self.for_spins {
            self.files.extend(FileLook::begin(process));
        }
    }

    /// The loop that a thread only waits in, as the model has it.
    fn waits(
        &mut self,
        watched: &Watched,
        record: &ThreadRecord,
        seen: &Seen,
        waiting: Waiting,
    ) -> Option<LoopsOf> {
        let process = watched.python()?;
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
        Some(LoopsOf::OnlyWait(in_model))
    }

    /// Looks several times at the variables of threads whose loops only wait, and at what the
    /// instructions of others work with.
    pub(super) fn look_at_values(mut self, processes: &mut [Process]) {
        let has_no_operands =
            self.operands.is_empty() && self.calls.is_empty() && self.files.is_empty();
        let looks = match (has_no_operands, self.waiting.is_empty()) {
            (false, _) => OPERAND_LOOKS,
            (true, false) => VALUE_LOOKS,
            (true, true) => return,
        };
        for look in 0..looks {
            if look > 0 {
                std::thread::sleep(VALUE_LOOK_GAP);
            }
            if look < VALUE_LOOKS {
                self.waiting.iter_mut().for_each(Frames::look);
            }
            self.operands.iter_mut().for_each(OperandLooks::look);
            self.calls.iter_mut().for_each(CallLooks::look);
        }
        look_further(&mut self.calls, VALUE_LOOK_GAP);
        for operands in self.operands {
            operands.tell(processes);
        }
        for calls in self.calls {
            calls.tell(processes);
        }
        for files in self.files {
            files.tell(processes);
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
    ) -> (Option<LoopsOf<Waiting>>, Hot) {
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
                    name: plain_name(&name.name),
                    is_standard: is_standard(&name.file),
                })
            });
            sampled.as_ref()
        };
        let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
        if let Some(waiting) = waiting_loop(&seen.samples, least, &mut code) {
            return (Some(LoopsOf::OnlyWait(waiting)), Hot::default());
        }
        let most = seen.of_samples / 2 + 1;
        let leave = leave_results(&seen.samples, most, &mut code);
        let mut hot = Hot::default();
        if !self.for_spins {
            hot.spots = hot_spots(watched, process, seen, &mut code, &mut hot.wanted);
            hot.loops = hot_loops(watched, process, seen, &mut code, &mut hot.wanted);
            hot.functions = pure_functions(watched, process, seen, &mut code);
        }
        (leave.then_some(LoopsOf::LeaveResults), hot)
    }
}

/// The loop's line as it is written.
fn text_of(watched: &Watched, waiting: &WaitingLoop) -> Option<String> {
    let function = watched.stacks.function_name(waiting.function)?;
    let place = SourcePlace {
        file: &function.file,
        function: plain_name(&function.name),
        first_line: function.first_line,
        line: waiting.line?,
    };
    source_line(watched.facts.pid, watched.facts.start_boottime_ns, place)
}
