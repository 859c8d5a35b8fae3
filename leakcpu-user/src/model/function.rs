//! Roll-up of stack times into functions and lines.

use std::collections::BTreeMap;

use super::{FunctionId, Process, Reason};

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
    /// Blocked anywhere on the stack.
    pub total_blocked_ns: u64,
    /// Ready but not running, as leaf.
    pub runnable_ns: u64,
    /// Waiting for the GIL, as leaf.
    pub gil_wait_ns: u64,
    /// Blocked time as leaf, by reason.
    pub blocked_by_reason: BTreeMap<Reason, u64>,
    /// The line with the most self time.
    pub hot_line: Option<u32>,
    /// Lines, by line number.
    pub lines: Vec<LineTimes>,
}

/// A process' time by function. The selves and the unattributed time sum to the
/// process's time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollup {
    /// Functions, most self time (on-CPU and blocked) first.
    pub functions: Vec<FunctionTimes>,
    /// On-CPU time whose samples had no Python leaf, or of threads never sampled.
    pub unattributed_on_cpu_ns: u64,
    /// Blocked time without a Python leaf.
    pub unattributed_blocked_ns: u64,
}

impl Rollup {
    /// Rolls up `process`.
    pub fn of(_process: &Process) -> Self {
        Self::default()
    }
}
