//! Functions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::classify::{Class, ProcessVerdicts};
use crate::model::{Code, FunctionTimes, Naming, Process, Reason};

#[derive(Clone, Debug, Serialize)]
pub(super) struct FunctionDto {
    function: String,
    function_id: u32,
    file: String,
    first_line: u32,
    hot_line: Option<u32>,
    interpreter_id: Option<u64>,
    task: Option<String>,
    class: Class,
    confidence: f64,
    samples: u64,
    calls: Option<u64>,
    self_on_cpu_ns: u64,
    total_on_cpu_ns: u64,
    self_blocked_ns: u64,
    self_blocked_estimated_ns: u64,
    total_blocked_ns: u64,
    runnable_ns: u64,
    gil_wait_ns: u64,
    gil_wait_caused_ns: Option<u64>,
    lock_wait_caused_ns: Option<u64>,
    blocked_by_reason: BTreeMap<Reason, u64>,
    native: Option<Vec<NativeDto>>,
    lines: Vec<LineDto>,
}

#[derive(Clone, Debug, Serialize)]
struct NativeDto {
    symbol: Option<String>,
    naming: Naming,
    module: Option<String>,
    code: Code,
    on_cpu_ns: u64,
    page_fault_ns: u64,
    hot_offset: u64,
}

#[derive(Clone, Debug, Serialize)]
struct LineDto {
    line: u32,
    on_cpu_ns: u64,
    blocked_ns: u64,
}

impl FunctionDto {
    pub(super) fn new(
        process: &Process,
        row: &FunctionTimes,
        verdicts: &ProcessVerdicts,
        calls: Option<u64>,
    ) -> Option<Self> {
        let function = process.function(row.function)?;
        let verdict = verdicts.functions.get(&row.function);
        Some(Self {
            function: function.name.clone(),
            function_id: row.function.0,
            file: function.file.clone(),
            first_line: function.first_line,
            hot_line: row.hot_line,
            interpreter_id: None,
            task: None,
            class: verdict.map_or(Class::Unknown, |v| v.class),
            confidence: verdict.map_or(0.0, |v| v.confidence),
            samples: row.samples,
            calls,
            self_on_cpu_ns: row.self_on_cpu_ns,
            total_on_cpu_ns: row.total_on_cpu_ns,
            self_blocked_ns: row.self_blocked_ns,
            self_blocked_estimated_ns: row.self_blocked_estimated_ns,
            total_blocked_ns: row.total_blocked_ns,
            runnable_ns: row.runnable_ns,
            gil_wait_ns: row.gil_wait_ns,
            gil_wait_caused_ns: Some(row.gil_wait_caused_ns),
            lock_wait_caused_ns: Some(row.lock_wait_caused_ns),
            blocked_by_reason: row.blocked_by_reason.clone(),
            native: native(process, row),
            lines: row
                .lines
                .iter()
                .map(|line| LineDto {
                    line: line.line,
                    on_cpu_ns: line.on_cpu_ns,
                    blocked_ns: line.blocked_ns,
                })
                .collect(),
        })
    }
}

/// `None` where nothing is known of what the samples of a function were executing.
fn native(process: &Process, row: &FunctionTimes) -> Option<Vec<NativeDto>> {
    if process.natives.is_empty() {
        return None;
    }
    let rows = row.native.iter().filter_map(|times| {
        let native = process.native(times.native)?;
        Some(NativeDto {
            symbol: native.shown_symbol(),
            naming: native.naming,
            module: native.module.clone(),
            code: native.code,
            on_cpu_ns: times.on_cpu_ns,
            page_fault_ns: times.page_fault_ns,
            hot_offset: times.hot_offset,
        })
    });
    Some(rows.collect())
}
