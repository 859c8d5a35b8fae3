//! Roll-up of stack times into functions and lines.

use std::collections::{BTreeMap, BTreeSet};

use super::native_sums::NativeSums;
use super::own::leaf;
use super::{Charge, Frame, FunctionId, NativeTimes, Process, Reason, StackTime};

/// Time of one line of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTimes {
    /// The line.
    pub line: u32,
    /// On a CPU, at this line as leaf.
    pub on_cpu_ns: u64,
    /// Blocked at this line as leaf.
    pub blocked_ns: u64,
}

/// Time of one function, over all threads of its process.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionTimes {
    /// Which.
    pub function: FunctionId,
    /// On-CPU samples with this function as leaf.
    pub samples: u64,
    /// On a CPU as leaf Python frame (native code below it included).
    pub self_on_cpu_ns: u64,
    /// On a CPU anywhere on the stack.
    pub total_on_cpu_ns: u64,
    /// Blocked as leaf.
    pub self_blocked_ns: u64,
    /// The part of `self_blocked_ns` that is estimated: of waits that were not walked, to
    /// keep within the budget.
    pub self_blocked_estimated_ns: u64,
    /// Blocked anywhere on the stack.
    pub total_blocked_ns: u64,
    /// Ready but not running, as leaf.
    pub runnable_ns: u64,
    /// Ready but not running, anywhere on the stack.
    pub total_runnable_ns: u64,
    /// Waiting for the GIL, as leaf.
    pub gil_wait_ns: u64,
    /// Estimated: waits of other threads for the GIL while this function, as the innermost
    /// of the user's own code, held it.
    pub gil_wait_caused_ns: u64,
    /// Waits for locks that it ended, as the same: who waits for work at a queue or a
    /// condition waits for a lock too.
    pub lock_wait_caused_ns: u64,
    /// Blocked time as leaf, by reason.
    pub blocked_by_reason: BTreeMap<Reason, u64>,
    /// The line with the most self time.
    pub hot_line: Option<u32>,
    /// Lines, by line number.
    pub lines: Vec<LineTimes>,
    /// Native code under this function as leaf, most time first; the rest of
    /// `self_on_cpu_ns` is the evaluation loop's, or that of samples whose native leaf
    /// was lost.
    pub native: Vec<NativeTimes>,
    /// Where the user's own code called a library function from, at the place that
    /// took the most of its self time; `None` for the user's own functions.
    pub own_caller: Option<Frame>,
}

/// A process' time by function. The selves and the unattributed time sum to the
/// process's time, exactly, in each column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollup {
    /// Functions, most self time (on-CPU and blocked) first.
    pub functions: Vec<FunctionTimes>,
    /// On-CPU time whose samples had no Python leaf, or of threads never sampled.
    pub unattributed_on_cpu_ns: u64,
    /// Blocked time without a Python leaf.
    pub unattributed_blocked_ns: u64,
    /// Runnable time without a Python leaf.
    pub unattributed_runnable_ns: u64,
    /// On-CPU, blocked and runnable time without a Python leaf, of each thread in
    /// the order of [`Process::threads`].
    pub unattributed_by_thread_ns: Vec<u64>,
}

/// A function's sums while they grow.
#[derive(Default)]
struct Sums {
    samples: u64,
    own: Charge,
    total_on_cpu_ns: u64,
    total_blocked_ns: u64,
    total_runnable_ns: u64,
    estimated_ns: u64,
    blocked_by_reason: BTreeMap<Reason, u64>,
    lines: BTreeMap<u32, LineTimes>,
    native: NativeSums,
    gil_wait_caused_ns: u64,
    lock_wait_caused_ns: u64,
    callers: BTreeMap<(Option<FunctionId>, Option<u32>), u64>,
}

impl Rollup {
    /// Rolls up `process`.
    pub fn of(process: &Process) -> Self {
        let mut sums: BTreeMap<FunctionId, Sums> = BTreeMap::new();
        let mut rollup = Self::default();
        for thread in &process.threads {
            let (mut on_cpu, mut blocked, mut runnable) = (0, 0, 0);
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                if charge_stack(process, entry, charge, &mut sums) {
                    on_cpu += charge.on_cpu_ns;
                    blocked += charge.blocked_ns;
                    runnable += charge.runnable_ns;
                }
            }
            let on_cpu = thread.times.on_cpu_ns - on_cpu;
            let blocked = thread.times.blocked_ns - blocked;
            let runnable = thread.times.runnable_ns - runnable;
            rollup.unattributed_on_cpu_ns += on_cpu;
            rollup.unattributed_blocked_ns += blocked;
            rollup.unattributed_runnable_ns += runnable;
            rollup
                .unattributed_by_thread_ns
                .push(on_cpu + blocked + runnable);
        }
        for caused in process.caused_waits() {
            let Some(id) = caused.frame.and_then(|frame| frame.function) else {
                continue;
            };
            let row = sums.entry(id).or_default();
            if caused.reason == Reason::Gil {
                row.gil_wait_caused_ns += caused.waited_ns;
            } else {
                row.lock_wait_caused_ns += caused.waited_ns;
            }
        }
        rollup.functions = sums.into_iter().map(|(id, sums)| sums.finish(id)).collect();
        rollup
            .functions
            .sort_by_key(|f| std::cmp::Reverse(f.self_on_cpu_ns + f.self_blocked_ns));
        rollup
    }

    /// The row of `function`.
    pub fn function(&self, function: FunctionId) -> Option<&FunctionTimes> {
        self.functions.iter().find(|row| row.function == function)
    }
}

/// Adds one entry to the functions of its stack; `false` if it has no Python leaf.
fn charge_stack(
    process: &Process,
    entry: &StackTime,
    charge: Charge,
    sums: &mut BTreeMap<FunctionId, Sums>,
) -> bool {
    let stack = process.stack(entry.stack);
    let on_stack: BTreeSet<FunctionId> = stack.frames.iter().filter_map(|f| f.function).collect();
    for id in on_stack {
        let row = sums.entry(id).or_default();
        row.total_on_cpu_ns += charge.on_cpu_ns;
        row.total_blocked_ns += charge.blocked_ns;
        row.total_runnable_ns += charge.runnable_ns;
    }
    let Some((frame, id)) = leaf(stack).and_then(|f| Some((f, f.function?))) else {
        return false;
    };
    let row = sums.entry(id).or_default();
    row.own.on_cpu_ns += charge.on_cpu_ns;
    row.own.blocked_ns += charge.blocked_ns;
    row.estimated_ns += entry.stack_estimated_ns.min(charge.blocked_ns);
    row.own.runnable_ns += charge.runnable_ns;
    row.own.gil_wait_ns += charge.gil_wait_ns;
    if entry.kind.is_on_cpu() {
        row.samples += entry.count;
    }
    row.native.charge(process, entry, charge);
    if let Some(reason) = entry.kind.reason() {
        *row.blocked_by_reason.entry(reason).or_default() += charge.blocked_ns;
    }
    if let Some(line) = frame.line {
        let times = row.lines.entry(line).or_default();
        times.line = line;
        times.on_cpu_ns += charge.on_cpu_ns;
        times.blocked_ns += charge.blocked_ns;
    }
    if let Some(own) = process.own_frame(stack).filter(|own| *own != frame) {
        *row.callers.entry((own.function, own.line)).or_default() +=
            charge.on_cpu_ns + charge.blocked_ns;
    }
    true
}

impl Sums {
    fn finish(self, function: FunctionId) -> FunctionTimes {
        let hot_line = self
            .lines
            .values()
            .max_by_key(|l| (l.on_cpu_ns + l.blocked_ns, std::cmp::Reverse(l.line)))
            .map(|l| l.line);
        let own_caller =
            self.callers
                .into_iter()
                .max_by_key(|&(_, ns)| ns)
                .map(|((function, line), _)| Frame {
                    function,
                    line,
                    called_from_c: false,
                });
        FunctionTimes {
            function,
            samples: self.samples,
            self_on_cpu_ns: self.own.on_cpu_ns,
            total_on_cpu_ns: self.total_on_cpu_ns,
            self_blocked_ns: self.own.blocked_ns,
            self_blocked_estimated_ns: self.estimated_ns,
            total_blocked_ns: self.total_blocked_ns,
            total_runnable_ns: self.total_runnable_ns,
            runnable_ns: self.own.runnable_ns,
            gil_wait_ns: self.own.gil_wait_ns,
            gil_wait_caused_ns: self.gil_wait_caused_ns,
            lock_wait_caused_ns: self.lock_wait_caused_ns,
            blocked_by_reason: self
                .blocked_by_reason
                .into_iter()
                .filter(|&(_, ns)| ns > 0)
                .collect(),
            hot_line,
            lines: self.lines.into_values().collect(),
            native: self.native.finish(),
            own_caller,
        }
    }
}
