//! What each function took and how often it was called, as a document of its own.

use std::io::Write;

use serde::Serialize;

use super::{SCHEMA_VERSION, VERSION, identity::IdentityDto};
use crate::{
    model::{Calls, FunctionRow, Host, Loss, Process, Profile, Window},
    report::ReportError,
};

/// A document of kind `functions`.
#[derive(Clone, Debug, Serialize)]
struct FunctionsDto {
    schema_version: u32,
    kind: &'static str,
    pyobserve_version: &'static str,
    host: Host,
    window: Window,
    loss: Loss,
    processes: Vec<CallerDto>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct CallerDto {
    process: IdentityDto,
    calls: Option<CallsDto>,
    functions: Vec<RowDto>,
}

#[derive(Clone, Debug, Serialize)]
struct CallsDto {
    source: &'static str,
    functions: bool,
    lines: bool,
    watched_ns: u64,
    armed_ns: u64,
    lost_ns: u64,
    uncertainty: f64,
    unnamed: u64,
    of_interpreter: u64,
    at_least: bool,
}

#[derive(Clone, Debug, Serialize)]
struct RowDto {
    name: String,
    file: String,
    first_line: u32,
    ncalls: Option<u64>,
    tottime_ns: u64,
    cumtime_ns: u64,
    lines: Vec<LineDto>,
}

#[derive(Clone, Debug, Serialize)]
struct LineDto {
    line: u32,
    count: u64,
}

/// Writes the functions of each process as one line.
pub fn write_functions_json(
    profile: &Profile,
    tables: &[(&Process, Vec<FunctionRow>)],
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let document = FunctionsDto {
        schema_version: SCHEMA_VERSION,
        kind: "functions",
        pyobserve_version: VERSION,
        host: profile.host.clone(),
        window: profile.window.clone(),
        loss: profile.loss.clone(),
        processes: tables
            .iter()
            .map(|(process, rows)| CallerDto {
                process: IdentityDto::from(*process),
                calls: process
                    .calls
                    .as_ref()
                    .map(|calls| calls_dto(process, calls)),
                functions: rows
                    .iter()
                    .filter_map(|row| row_dto(process, row))
                    .collect(),
            })
            .collect(),
        warnings: profile.warnings.clone(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn calls_dto(process: &Process, calls: &Calls) -> CallsDto {
    CallsDto {
        source: if calls.is_exact {
            "counted"
        } else {
            "estimated"
        },
        functions: calls.has_functions,
        lines: calls.has_lines,
        watched_ns: calls.watched_ns,
        armed_ns: calls.armed_ns,
        lost_ns: calls.lost_ns,
        uncertainty: calls.uncertainty(),
        of_interpreter: calls.of_interpreter,
        at_least: process.misses_calls(),
        unnamed: process.call_table().map_or(0, |table| table.unnamed),
    }
}

fn row_dto(process: &Process, row: &FunctionRow) -> Option<RowDto> {
    let function = process.function(row.function)?;
    let lines = row.lines.iter();
    Some(RowDto {
        name: function.name.clone(),
        file: function.file.clone(),
        first_line: function.first_line,
        ncalls: row.ncalls,
        tottime_ns: row.tottime_ns,
        cumtime_ns: row.cumtime_ns,
        lines: lines
            .map(|&(line, count)| LineDto { line, count })
            .collect(),
    })
}
