//! What each function took and how often it was called, as the standard library's profiler
//! prints it.

use std::io::Write;

use unicode_width::UnicodeWidthStr as _;

use super::{
    MIN_WIDTH, TextOptions,
    line::{Line, Look, cut_end},
    notes::notes_without_verdicts,
    place::{file_line, short_name},
};
use crate::{
    classify::say::{count, duration, grouped, percent},
    model::{Calls, FunctionRow, Process, Profile},
    report::{ReportError, program_name},
};

/// Rows that are shown unless all are asked for.
const ROWS: usize = 30;
/// Lines of a function that are shown, those executed most.
const LINES: usize = 5;
/// Columns of a number.
const NUMBER_WIDTH: usize = 9;
/// Of the first, which may have more digits.
const CALLS_WIDTH: usize = 13;
/// Of all five.
const NUMBERS_WIDTH: usize = CALLS_WIDTH + 4 * NUMBER_WIDTH;

/// Writes the functions of each process.
pub fn write_functions_text(
    profile: &Profile,
    tables: &[(&Process, Vec<FunctionRow>)],
    options: &TextOptions,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let width = options.width.max(MIN_WIDTH);
    let mut lines = Vec::new();
    let seen = tables.iter().filter(|(_, rows)| !rows.is_empty());
    for (nth, (process, rows)) in seen.enumerate() {
        if nth > 0 {
            lines.push(Line::new());
        }
        table(process, rows, options.all, width, &mut lines);
    }
    if lines.is_empty() {
        let mut line = Line::new();
        line.push("no function was seen", Look::Plain);
        lines.push(line);
    }
    lines.extend(notes_without_verdicts(profile, width));
    for line in lines {
        line.write(out, width, options.color)?;
    }
    Ok(())
}

fn table(process: &Process, rows: &[FunctionRow], all: bool, width: usize, lines: &mut Vec<Line>) {
    let mut head = Line::new();
    head.push(&format!("{} ", process.pid), Look::Strong)
        .push(
            &count(rows.len() as u64, "function", "functions"),
            Look::Strong,
        )
        .push(&format!("  {}", program_name(process)), Look::Plain);
    lines.push(head);
    for text in provenance(process) {
        let mut line = Line::new();
        line.push(&text, Look::Faint);
        lines.push(line);
    }
    lines.push(row(
        ["ncalls", "tottime", "percall", "cumtime", "percall"],
        "filename:lineno(function)",
        Look::Faint,
        width,
    ));
    let shown = if all { rows.len() } else { ROWS };
    for one in rows.iter().take(shown) {
        lines.push(function(process, one, width));
        let mut most = one.lines.clone();
        most.sort_by_key(|(line, times)| (std::cmp::Reverse(*times), *line));
        for (line, times) in most.into_iter().take(LINES) {
            let text = format!("  line {line}");
            let times = grouped(times);
            lines.push(row([&times, "", "", "", ""], &text, Look::Faint, width));
        }
    }
    if rows.len() > shown {
        let mut line = Line::new();
        let text = format!("{} more (--all shows them)", rows.len() - shown);
        line.pad_to(2).push(&text, Look::Faint);
        lines.push(line);
    }
}

/// Which columns were counted, and which are estimated.
fn provenance(process: &Process) -> Vec<String> {
    let mut texts = Vec::new();
    match &process.calls {
        Some(calls) if calls.has_functions => {
            texts.push(format!("ncalls {}", of_calls(calls)));
            if process.misses_calls() {
                texts.push(
                    "ncalls are the least there were: code made at run time, as the JIT's, calls \
                     without a probe"
                        .to_owned(),
                );
            }
        }
        Some(calls) => {
            texts.push(format!("lines {}", of_calls(calls)));
            texts.push("ncalls: nobody counted (--usdt calls does)".to_owned());
        }
        None => texts.push(format!("ncalls: {}", why_none(process))),
    }
    texts.push("tottime, cumtime estimated from samples and waits, of all threads".to_owned());
    texts
}

fn of_calls(calls: &Calls) -> String {
    let lost = percent(calls.lost_share());
    if calls.is_exact {
        return format!("counted; the program lost at least {lost} of its time");
    }
    if calls.armed_ns == 0 {
        return "not known: there was no moment to count in".to_owned();
    }
    format!(
        "estimated from {} of {} in which they were counted (±{}); the \
         program lost about {lost} of its time",
        duration(calls.armed_ns),
        duration(calls.watched_ns),
        percent(calls.uncertainty()),
    )
}

fn why_none(process: &Process) -> &'static str {
    let probes = process.python.as_ref().and_then(|it| it.usdt.as_ref());
    let has = |name: &str| {
        probes.is_some_and(|all| all.iter().any(|one| one.probe == name && one.present))
    };
    match probes {
        Some(_) if has("function__return") => "nobody counted (--usdt calls does)",
        Some(_) => "this interpreter has no probes of calls",
        None => "not known whether this interpreter has probes of calls",
    }
}

fn function(process: &Process, of: &FunctionRow, width: usize) -> Line {
    let function = process.function(of.function);
    let room = width.saturating_sub(NUMBERS_WIDTH + 1);
    let place = function.map_or_else(String::new, |function| {
        // The function has half of the room at most, and the file what is left.
        let name = short_name(&function.name, room / 2);
        let left = room.saturating_sub(name.width() + 2);
        let at = file_line(&function.file, Some(function.first_line), left);
        format!("{at}({name})")
    });
    let is_exact = process.calls.as_ref().is_some_and(|calls| calls.is_exact);
    let ncalls = match of.ncalls {
        None => "-".to_owned(),
        Some(n) if is_exact => grouped(n),
        Some(n) => format!("~{}", grouped(n)),
    };
    let per_call = |ns: u64| match of.ncalls {
        Some(n) if n > 0 => seconds(ns / n, 6),
        _ => "-".to_owned(),
    };
    let cells = [
        ncalls,
        seconds(of.tottime_ns, 3),
        per_call(of.tottime_ns),
        seconds(of.cumtime_ns, 3),
        per_call(of.cumtime_ns),
    ];
    row(
        cells.each_ref().map(String::as_str),
        &place,
        Look::Plain,
        width,
    )
}

fn seconds(ns: u64, digits: usize) -> String {
    format!("{:.digits$}", ns as f64 / 1e9)
}

fn row(cells: [&str; 5], name: &str, look: Look, width: usize) -> Line {
    let mut line = Line::new();
    let mut end = 0;
    for (nth, cell) in cells.into_iter().enumerate() {
        end += if nth == 0 { CALLS_WIDTH } else { NUMBER_WIDTH };
        line.pad_to(end.saturating_sub(cell.len())).push(cell, look);
    }
    line.pad_to(end + 1);
    line.push(&cut_end(name, width.saturating_sub(end + 1)), look);
    line
}
