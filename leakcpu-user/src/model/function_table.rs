//! What each function took and how often it was called: the table that profilers of Python
//! print.

use std::collections::BTreeMap;

use super::{CallTable, FunctionId, Process, Rollup};

/// A function's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Which.
    pub function: FunctionId,
    /// How often it was called; `None` if nobody counted.
    pub ncalls: Option<u64>,
    /// Time in itself, on a CPU, waiting for one and blocked: that of all threads.
    pub tottime_ns: u64,
    /// Time in itself and in what it called, each once where it is on a stack several times.
    pub cumtime_ns: u64,
    /// How often its lines were begun; empty if nobody counted.
    pub lines: Vec<(u32, u64)>,
}

/// By what rows are sorted, largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionOrder {
    /// Calls.
    Ncalls,
    /// Time in itself.
    #[default]
    Tottime,
    /// Time with what it called.
    Cumtime,
}

impl FunctionRow {
    fn key(&self, order: FunctionOrder) -> u64 {
        match order {
            FunctionOrder::Ncalls => self.ncalls.unwrap_or(0),
            FunctionOrder::Tottime => self.tottime_ns,
            FunctionOrder::Cumtime => self.cumtime_ns,
        }
    }
}

impl Process {
    /// Every function that was seen, in time or in calls.
    pub fn function_table(&self, order: FunctionOrder) -> Vec<FunctionRow> {
        let counted = self.call_table();
        let has_calls = self.calls.as_ref().is_some_and(|it| it.has_functions);
        let CallTable {
            functions: calls,
            lines: counted_lines,
            ..
        } = counted.unwrap_or_default();
        let row = |function| FunctionRow {
            function,
            ncalls: has_calls.then(|| calls.get(&function).copied().unwrap_or(0)),
            tottime_ns: 0,
            cumtime_ns: 0,
            lines: Vec::new(),
        };
        let mut rows: BTreeMap<FunctionId, FunctionRow> = BTreeMap::new();
        for times in Rollup::of(self).functions {
            let row = rows.entry(times.function).or_insert(row(times.function));
            row.tottime_ns = times.self_on_cpu_ns + times.self_blocked_ns + times.runnable_ns;
            row.cumtime_ns =
                times.total_on_cpu_ns + times.total_blocked_ns + times.total_runnable_ns;
        }
        for function in calls.keys() {
            rows.entry(*function).or_insert(row(*function));
        }
        for ((function, line), count) in counted_lines {
            let row = rows.entry(function).or_insert(row(function));
            row.lines.push((line, count));
        }
        let mut rows: Vec<FunctionRow> = rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.key(order), row.cumtime_ns, row.ncalls)));
        rows
    }
}
