//! Which functions busy threads call that do nothing but compute, and whether they are given the
//! same again and again.

use std::time::Duration;

use super::{call_counts::CallCounts, loop_samples::Seen, watched::Watched};
use crate::{
    bytecode::SampledCode,
    interpreter::{CallReader, Callee, MAX_ARGUMENTS, PythonProcess, read_signature, read_witness},
    model::{FunctionId, Pid, Process, RepeatedCall, Tid},
};

/// Fewer samples of a hundred in a function, or below it, are not worth a look.
const MIN_SHARE_PCT: u64 = 20;
/// Functions of a thread that are looked at.
const MAX_FUNCTIONS: usize = 4;
/// Of so many samples in a function one may have another one below it: a finalizer, a torn stack.
const MAX_OTHERS_PART: u64 = 50;
/// A short call is over before it has been looked at, and another one has begun.
const TRIES: usize = 4;
/// Further looks, as long as few calls are seen: a thread that others keep from a CPU is in the same
/// one for a while.
const MORE_LOOKS: u32 = 30;

/// A function that does nothing but compute.
pub(super) struct PureFunction {
    function: FunctionId,
    callee: Callee,
    parameters: Vec<String>,
}

/// What a thread's samples say of one code object.
#[derive(Clone, Copy, Default)]
struct Share {
    /// Samples in it, or below it, that were called by Python code.
    samples: u64,
    /// Those with another function below it, or that nothing but itself called.
    others: u64,
}

/// The functions of the thread that was seen like that.
pub(super) fn pure_functions<'a>(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> Vec<PureFunction> {
    if watched.exited {
        return Vec::new();
    }
    let least = (seen.of_samples * MIN_SHARE_PCT).div_ceil(100);
    let mut shares: Vec<(u32, Share)> = shares(seen)
        .into_iter()
        .zip(0..)
        .filter(|(of, _)| of.samples >= least && of.others * MAX_OTHERS_PART <= of.samples)
        .map(|(of, number)| (number, of))
        .collect();
    shares.sort_by_key(|(_, of)| std::cmp::Reverse(of.samples));
    shares.truncate(MAX_FUNCTIONS);
    shares
        .into_iter()
        .filter_map(|(number, _)| {
            let of = code(number)?;
            if of.is_standard {
                return None;
            }
            pure(watched, process, seen, number, of)
        })
        .collect()
}

/// Of each code object.
fn shares(seen: &Seen) -> Vec<Share> {
    let mut shares = vec![Share::default(); seen.codes.len()];
    for sample in &seen.samples {
        // Innermost first: what only computes is called by others and calls none but itself.
        let number = |at: usize| sample.places.get(at)?.map(|place| place.code);
        let leaf = number(0);
        let own = (0..sample.places.len())
            .take_while(|at| number(*at) == leaf)
            .count();
        if let Some(leaf) = leaf.filter(|_| own < sample.places.len()) {
            shares[leaf as usize].samples += sample.count;
        }
        let mut around: Vec<u32> = (own..sample.places.len()).filter_map(number).collect();
        around.sort_unstable();
        around.dedup();
        for number in around {
            shares[number as usize].others += sample.count;
        }
    }
    shares
}

fn pure(
    watched: &Watched,
    process: &PythonProcess,
    seen: &Seen,
    number: u32,
    of: &SampledCode<'_>,
) -> Option<PureFunction> {
    let seen = seen.codes.get(number as usize)?;
    let (address, witness) = watched.stacks.whereabouts(seen.id)?;
    let signature = read_signature(process, address).ok()?;
    let is_plain = !signature.takes_more && !signature.is_generator;
    if !is_plain || signature.arguments == 0 || signature.arguments > MAX_ARGUMENTS {
        return None;
    }
    let parameters = of.analysis.pure_arguments(of.name, signature.arguments)?;
    // The same object as the one that was sampled.
    let is_there = read_witness(process, address) == Ok(Some(witness));
    is_there.then_some(PureFunction {
        function: seen.function?,
        callee: Callee {
            code: address,
            arguments: signature.arguments,
        },
        parameters,
    })
}

/// A thread whose calls of such functions are looked at.
pub(super) struct CallLooks {
    pid: Pid,
    tid: Tid,
    tstate: u64,
    process: PythonProcess,
    reader: CallReader,
    functions: Vec<(PureFunction, CallCounts)>,
}

impl CallLooks {
    /// `None` if there is none.
    pub(super) fn of(
        (pid, tid, tstate): (u32, u32, u64),
        process: &PythonProcess,
        functions: Vec<PureFunction>,
    ) -> Option<Self> {
        let functions: Vec<_> = functions
            .into_iter()
            .map(|function| (function, CallCounts::default()))
            .collect();
        (!functions.is_empty()).then(|| Self {
            pid: Pid(pid),
            tid: Tid(tid),
            tstate,
            process: process.clone(),
            reader: CallReader::default(),
            functions,
        })
    }

    pub(super) fn look(&mut self) {
        for (function, counts) in &mut self.functions {
            if counts.is_unknown() {
                continue;
            }
            for _ in 0..TRIES {
                let found = self
                    .reader
                    .look(&self.process, self.tstate, &function.callee);
                match found {
                    Ok(None) => {}
                    Ok(Some(calls)) => {
                        counts.add(&calls);
                        // It is in no other one now.
                        return;
                    }
                    // A frame that was gone by then.
                    Err(error) => {
                        tracing::debug!(pid = self.process.pid, %error, "a call was not read");
                    }
                }
            }
        }
    }

    /// Whether more looks would say more.
    fn is_undecided(&self) -> bool {
        self.functions
            .iter()
            .any(|(_, counts)| counts.is_undecided())
    }

    /// Writes into the model what was found.
    pub(super) fn tell(self, processes: &mut [Process]) {
        let mut processes = processes.iter_mut();
        let Some(process) = processes.find(|process| process.pid == self.pid) else {
            return;
        };
        for (function, counts) in self.functions {
            if let Some(looks) = counts.looks() {
                process.repeated_calls.push(RepeatedCall {
                    tid: self.tid,
                    function: function.function,
                    parameters: counts.parameters(function.parameters),
                    looks,
                    by_others: counts.by_others(),
                    all: counts.all(),
                });
            }
        }
    }
}

/// Looks again, so long after each other, where that would say more.
pub(super) fn look_further(threads: &mut [CallLooks], gap: Duration) {
    for _ in 0..MORE_LOOKS {
        if !threads.iter().any(CallLooks::is_undecided) {
            break;
        }
        std::thread::sleep(gap);
        threads.iter_mut().for_each(CallLooks::look);
    }
}
