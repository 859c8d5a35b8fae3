//! A process in a few lines: the verdict with its figures, the functions that
//! matter, the next step.

use unicode_width::UnicodeWidthStr;

use super::Row;
use super::line::{Line, Look, cut_end, cut_middle, wrap};
use super::place::{file_line, frame_short};
use crate::classify::say::{duration, percent};
use crate::classify::{Class, waited_for};
use crate::model::{FunctionTimes, Process, Reason, Rollup, Wait};
use crate::report::clean;

const INDENT: usize = 5;
/// Functions below this share of the process's attributed time are left out.
const MIN_SHARE: f64 = 0.02;

/// At most `room` lines.
pub(super) fn block(row: &Row<'_>, width: usize, room: usize) -> Vec<Line> {
    let steps = step(row, width, room - 1);
    let functions = functions(row, width);
    // The verdict may take a second line if that leaves the functions one.
    let spare = room.saturating_sub(steps.len() + usize::from(!functions.is_empty()));
    let mut lines = verdict(row, width, spare.clamp(1, 2));
    let left = room.saturating_sub(lines.len() + steps.len()).min(5);
    lines.extend(functions.into_iter().take(left));
    lines.extend(steps);
    lines
}

/// `4711 busy-waiting (poll-spin): 9.9 of 10.0 s on a CPU; ...`
fn verdict(row: &Row<'_>, width: usize, max_lines: usize) -> Vec<Line> {
    let verdict = &row.verdicts.verdict;
    let class = verdict.class;
    let pid = format!("{} ", row.process.pid);
    let mut name = match verdict.detail {
        Some(detail) => format!("{class} ({detail})"),
        None => class.to_string(),
    };
    if class == Class::Mixed {
        let mut shares: Vec<_> = verdict.shares.iter().collect();
        shares.sort_by(|a, b| b.1.total_cmp(a.1));
        let two: Vec<&str> = shares
            .iter()
            .take(2)
            .map(|(class, _)| class.name())
            .collect();
        name = format!("{class} ({})", two.join(", "));
    }
    if class != Class::Unknown && verdict.confidence < 0.8 {
        name.push_str(&format!(", {} sure", percent(verdict.confidence)));
    }
    name.push_str(": ");
    let first_room = width.saturating_sub(pid.width() + name.width());
    let rest_room = width - INDENT;

    let mut parts: Vec<String> = Vec::new();
    let mut line = String::new();
    for because in &verdict.because {
        let text = clean(&because.text);
        let room = if parts.is_empty() {
            first_room
        } else {
            rest_room
        };
        if line.is_empty() {
            line = text.into_owned();
        } else if line.width() + 2 + text.width() <= room {
            line.push_str("; ");
            line.push_str(&text);
        } else if parts.len() + 1 < max_lines {
            parts.push(format!("{line};"));
            line = text.into_owned();
        } else {
            break;
        }
    }
    parts.push(line);
    let mut lines = Vec::new();
    for (i, part) in parts.into_iter().enumerate() {
        let mut line = Line::new();
        if i == 0 {
            line.push(&pid, Look::Strong)
                .push(&name, Look::Class(class))
                .push(&cut_end(&part, first_room), Look::Plain);
        } else {
            line.pad_to(INDENT).push(&part, Look::Plain);
        }
        lines.push(line);
    }
    lines
}

/// `-> block instead: ...; frees up to 0.99 of a core`
fn step(row: &Row<'_>, width: usize, max_lines: usize) -> Vec<Line> {
    let room = width - INDENT - 3;
    let mut text = clean(&row.findings.next_step).into_owned();
    let gain = row
        .findings
        .findings
        .first()
        .filter(|finding| finding.fix == row.findings.next_step)
        .and_then(|finding| finding.recoverable_ns_per_s)
        .map(|ns| ns as f64 / 1e9)
        .filter(|cores| *cores >= 0.01);
    if let Some(cores) = gain {
        let longer = format!("{text}; frees up to {cores:.2} of a core");
        if wrap(&longer, room).len() <= 2 {
            text = longer;
        }
    }
    let mut parts = wrap(&text, room);
    if parts.len() > max_lines {
        let rest = parts.split_off(max_lines - 1).join(" ");
        parts.push(cut_end(&rest, room));
    }
    parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let mut line = Line::new();
            line.pad_to(INDENT)
                .push(if i == 0 { "-> " } else { "   " }, Look::Step)
                .push(part, Look::Step);
            line
        })
        .collect()
}

/// The functions that matter, most self time first.
fn functions(row: &Row<'_>, width: usize) -> Vec<Line> {
    let process = row.process;
    let rollup = Rollup::of(process);
    let waits = process.waits();
    let weight = |f: &FunctionTimes| f.self_on_cpu_ns + active_blocked(row, f);
    let total: u64 = rollup.functions.iter().map(weight).sum();
    let mut rows: Vec<&FunctionTimes> = rollup
        .functions
        .iter()
        .filter(|f| weight(f) > 0 && weight(f) as f64 >= total as f64 * MIN_SHARE)
        .collect();
    rows.sort_by_key(|f| std::cmp::Reverse(weight(f)));
    rows.truncate(5);
    let text_room = width - INDENT;
    let named: Vec<(String, String, String)> = rows
        .iter()
        .filter_map(|f| {
            let function = process.function(f.function)?;
            let line = f.hot_line.or(Some(function.first_line));
            let place = file_line(&clean(&function.file), line, text_room * 2 / 7);
            let name = clean(&function.name).into_owned();
            Some((name, place, times(process, f, &waits)))
        })
        .collect();
    let name_width = named
        .iter()
        .map(|(name, ..)| name.width())
        .max()
        .unwrap_or(0);
    let name_width = name_width.min(text_room / 4);
    let place_width = named
        .iter()
        .map(|(_, place, _)| place.width())
        .max()
        .unwrap_or(0);
    named
        .iter()
        .map(|(name, place, times)| {
            let mut line = Line::new();
            line.pad_to(INDENT)
                .push(&cut_middle(name, name_width), Look::Strong)
                .pad_to(INDENT + name_width + 2)
                .push(place, Look::Plain)
                .pad_to(INDENT + name_width + 2 + place_width + 2)
                .push(times, Look::Plain);
            line
        })
        .collect()
}

/// Blocked time that is not rest, as far as the reason alone tells.
fn active_blocked(row: &Row<'_>, function: &FunctionTimes) -> u64 {
    if row.class() == Class::Idle {
        return function.self_blocked_ns;
    }
    function
        .blocked_by_reason
        .iter()
        .filter(|(reason, _)| {
            !matches!(
                reason,
                Reason::NetAccept | Reason::PollWait | Reason::Stopped | Reason::Signal
            )
        })
        .map(|(_, ns)| ns)
        .sum()
}

/// `9.9 s on CPU, 120 ms net-recv 10.0.0.5:5432`.
fn times(process: &Process, function: &FunctionTimes, waits: &[Wait]) -> String {
    let mut parts = Vec::new();
    if function.self_on_cpu_ns > 0 {
        parts.push(format!("{} on CPU", duration(function.self_on_cpu_ns)));
    }
    let mut reasons: Vec<(&Reason, &u64)> = function.blocked_by_reason.iter().collect();
    reasons.sort_by_key(|(_, ns)| std::cmp::Reverse(**ns));
    for (reason, ns) in reasons.into_iter().take(2) {
        // The place of a wait may be the caller in the user's own code.
        let own = function.own_caller.and_then(|caller| caller.function);
        let wait = waits.iter().find(|wait| {
            let place = wait.frame.and_then(|frame| frame.function);
            wait.reason == *reason && (place == Some(function.function) || place == own)
        });
        let what = wait.map_or_else(
            || waited_for(*reason, None, None),
            |wait| waited_for(*reason, wait.peer.as_deref(), wait.file.as_deref()),
        );
        parts.push(format!("{} {what}", duration(*ns)));
    }
    if function.runnable_ns > function.self_on_cpu_ns / 4 && function.runnable_ns >= 50_000_000 {
        parts.push(format!("{} ready to run", duration(function.runnable_ns)));
    }
    let mut text = parts.join(", ");
    if let Some(caller) = function.own_caller.and_then(|f| frame_short(process, f)) {
        text.push_str(&format!(" <- {caller}"));
    }
    text
}
