//! What is said of a process, a thread or a function.

use std::collections::BTreeMap;

use super::{Class, Detail, Spin};
use crate::model::{FunctionId, Pid, Process};

/// One reason for a verdict: a sentence, and the figure in it for machines.
#[derive(Clone, Debug, PartialEq)]
pub struct Because {
    /// As an engineer would say it.
    pub text: String,
    /// The figure's name, e.g. `on_cpu_ns`.
    pub name: &'static str,
    /// The figure.
    pub value: f64,
    /// `ns`, `ratio`, `1/s`, `count`.
    pub unit: &'static str,
}

/// The place that answers for a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Its row among the functions.
    pub function_id: FunctionId,
    /// Name.
    pub function: String,
    /// File as the code object has it.
    pub file: String,
    /// Line, where known.
    pub line: Option<u32>,
}

impl Blame {
    /// A line of a function of `process`; `None` if there is no such function.
    pub fn at(process: &Process, function_id: FunctionId, line: Option<u32>) -> Option<Self> {
        let function = process.function(function_id)?;
        Some(Self {
            function_id,
            function: function.name.clone(),
            file: function.file.clone(),
            line,
        })
    }

    /// `fetch (views.py:87)`.
    pub fn short(&self) -> String {
        let file = self.file.rsplit('/').next().unwrap_or(&self.file);
        match self.line {
            Some(line) => format!("{} ({file}:{line})", self.function),
            None => format!("{} ({file})", self.function),
        }
    }
}

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The class.
    pub class: Class,
    /// What refines it.
    pub detail: Option<Detail>,
    /// 0..1.
    pub confidence: f64,
    /// What it would be without the machine's part, if it is starved.
    pub otherwise: Option<Class>,
    /// What each class got of the active time; empty if there was none.
    pub shares: BTreeMap<Class, f64>,
    /// The place to look at.
    pub blame: Option<Blame>,
    /// Why, most telling first.
    pub because: Vec<Because>,
}

/// What is said of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FunctionVerdict {
    /// The class of its own time.
    pub class: Class,
    /// 0..1.
    pub confidence: f64,
}

/// Everything that is said of one process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessVerdicts {
    /// Which.
    pub pid: Pid,
    /// The process as a whole.
    pub verdict: Verdict,
    /// Its threads, in the order of the model.
    pub threads: Vec<Verdict>,
    /// The proof of each thread's busy-wait, in the order of the model.
    pub spins: Vec<Option<Spin>>,
    /// Its functions.
    pub functions: BTreeMap<FunctionId, FunctionVerdict>,
    /// Its longest thread's observed span: what times are compared with.
    pub span_ns: u64,
    /// Time that was not rest, of all threads that vote.
    pub active_ns: u64,
    /// Threads that voted: those that are not idle.
    pub voters: usize,
}

/// What is said of a profile: one entry per process, in the order of the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classification {
    /// Per process.
    pub processes: Vec<ProcessVerdicts>,
}
