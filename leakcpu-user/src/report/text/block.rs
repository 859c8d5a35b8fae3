//! A process in a few lines: the verdict with its figures, the functions that
//! matter, the next step.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use super::Row;
use super::audit::audited;
use super::collector::collector;
use super::event_loop::event_loop;
use super::finding::{Told, gain as gain_of, told};
use super::line::{Line, Look, cut_end, wrap};
use super::owned::owned;
use super::place::{file_line, frame_short, short_name};
use crate::classify::say::{duration, percent};
use crate::classify::{Class, caused_by, lock_in_words, waited_for};
use crate::model::{FunctionTimes, Process, Reason, Rollup, Wait};
use crate::report::{clean, native};

const INDENT: usize = 5;
/// Lines that a process has without what findings take.
pub(super) const PLAIN_ROOM: usize = 9;
/// Functions below this share of the process's attributed time are left out.
const MIN_SHARE: f64 = 0.02;

/// Most functions that have a line.
const FUNCTIONS: usize = 5;

/// At most `room` lines.
pub(super) fn block(row: &Row<'_>, width: usize, room: usize) -> Vec<Line> {
    let rows = functions(row);
    let told = told(row, width, room.saturating_sub(PLAIN_ROOM));
    // What is told in full need not be told again below.
    let first = row.findings.findings.first().filter(|_| !told.is_empty());
    let steps = match first {
        Some(finding) if finding.fix == row.findings.next_step => Vec::new(),
        _ => step(row, width, room - 1),
    };
    let room = room - told.iter().map(|one| one.lines.len()).sum::<usize>();
    // The verdict may take a second line if that leaves the functions one.
    let mut held = owned(row.process, INDENT, width);
    held.extend(event_loop(row.process, INDENT, width));
    held.extend(collector(row.process, INDENT, width));
    held.extend(audited(row.process, INDENT, width));
    held.truncate(room.saturating_sub(steps.len() + 1));
    let taken = steps.len() + held.len();
    let spare = room.saturating_sub(taken + usize::from(!rows.is_empty()));
    let mut lines = verdict(row, width, spare.clamp(1, 2));
    lines.extend(held);
    let left = room
        .saturating_sub(lines.len() + steps.len())
        .min(FUNCTIONS);
    let rows = &rows[..rows.len().min(left)];
    let mut told = told;
    for (function, line) in rows.iter().zip(table(row.process, rows, width)) {
        lines.push(line);
        let here = |one: &mut Told| one.function == Some(function.function);
        lines.extend(told.extract_if(.., here).flat_map(|one| one.lines));
    }
    lines.extend(told.into_iter().flat_map(|one| one.lines));
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
    // A wide table has a column for it; a narrow one leaves it to the doubtful.
    if class != Class::Unknown && verdict.confidence < 0.8 && width < super::table::ROOMY {
        let _ = write!(name, ", {} sure", percent(verdict.confidence));
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
        .and_then(gain_of);
    if let Some(gain) = gain {
        let longer = format!("{text}; {gain}");
        // Only where it costs no line that something else needs.
        let lines = wrap(&longer, room).len();
        if lines <= wrap(&text, room).len() || lines + 2 < max_lines {
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

/// The functions that matter, most self time first: those that rest do not.
fn functions(row: &Row<'_>) -> Vec<FunctionTimes> {
    let weight = |f: &FunctionTimes| f.self_on_cpu_ns + f.self_blocked_ns;
    let mut functions = Rollup::of(row.process).functions;
    if row.class() != Class::Idle {
        functions.retain(|f| {
            let verdict = row.verdicts.functions.get(&f.function);
            verdict.is_some_and(|verdict| verdict.class != Class::Idle)
        });
    }
    let total: u64 = functions.iter().map(weight).sum();
    functions.retain(|f| weight(f) > 0 && weight(f) as f64 >= total as f64 * MIN_SHARE);
    functions
}

/// A line per function: name, place, times.
fn table(process: &Process, functions: &[FunctionTimes], width: usize) -> Vec<Line> {
    let waits = process.waits();
    let room = width - INDENT;
    let named: Vec<(String, String, &FunctionTimes)> = functions
        .iter()
        .filter_map(|f| {
            let function = process.function(f.function)?;
            let line = f.hot_line.or(Some(function.first_line));
            let place = file_line(&clean(&function.file), line, room * 2 / 7);
            let name = short_name(&clean(&function.name), room / 4);
            Some((name, place, f))
        })
        .collect();
    let widest = |of: &dyn Fn(&(String, String, &FunctionTimes)) -> usize| {
        named.iter().map(of).max().unwrap_or(0)
    };
    let place_at = INDENT + widest(&|(name, ..)| name.width()) + 2;
    let times_at = place_at + widest(&|(_, place, _)| place.width()) + 2;
    named
        .iter()
        .map(|(name, place, f)| {
            let said = FULLNESS.map(|full| times(process, f, &waits, full));
            let fits = said.iter().find(|text| times_at + text.width() <= width);
            let mut line = Line::new();
            line.pad_to(INDENT)
                .push(name, Look::Strong)
                .pad_to(place_at)
                .push(place, Look::Plain)
                .pad_to(times_at)
                .push(fits.unwrap_or(&said[said.len() - 1]), Look::Plain);
            line
        })
        .collect()
}

/// How much is said in a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fullness {
    /// Times and bare reasons.
    Bare,
    /// For how long others waited for the GIL too.
    Caused,
    /// The native function too.
    Native,
    /// What was waited for too.
    Waits,
    /// The native function's module too.
    All,
}

/// Less is not worth the room.
const MIN_CAUSED_NS: u64 = 50_000_000;

/// The fullest that fits is taken.
const FULLNESS: [Fullness; 5] = [
    Fullness::All,
    Fullness::Waits,
    Fullness::Native,
    Fullness::Caused,
    Fullness::Bare,
];

/// `9.9 s on CPU, 120 ms waiting for postgresql at 10.0.0.5:5432`, or less fully
/// `9.9 s on CPU, 120 ms net-recv`.
fn times(process: &Process, function: &FunctionTimes, waits: &[Wait], full: Fullness) -> String {
    let mut parts = Vec::new();
    if function.self_on_cpu_ns > 0 {
        let on_cpu = duration(function.self_on_cpu_ns);
        let native = native::most_of(process, &function.native, function.self_on_cpu_ns);
        parts.push(match native {
            Some(most) if full == Fullness::All => format!("{on_cpu} on CPU ({})", most.long),
            Some(most) if full >= Fullness::Native => format!("{on_cpu} on CPU ({})", most.short),
            _ => format!("{on_cpu} on CPU"),
        });
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
        let what = match wait {
            _ if full < Fullness::Waits => reason.name().to_owned(),
            Some(wait) => {
                let what = waited_for(
                    *reason,
                    wait.peer.as_deref(),
                    wait.file.as_deref(),
                    wait.child.as_ref(),
                );
                let by = caused_by(process, *reason, &wait.wakers);
                let lock = lock_in_words(process, wait);
                match (lock, by) {
                    _ if full != Fullness::All => what,
                    (Some(lock), Some(by)) => format!("{lock}; {by}"),
                    (Some(lock), None) => lock,
                    (None, Some(by)) => format!("{what} {by}"),
                    (None, None) => what,
                }
            }
            None => waited_for(*reason, None, None, None),
        };
        parts.push(format!("{} {what}", duration(*ns)));
    }
    if function.runnable_ns > function.self_on_cpu_ns / 4 && function.runnable_ns >= 50_000_000 {
        parts.push(format!("{} ready to run", duration(function.runnable_ns)));
    }
    if full > Fullness::Bare && function.gil_wait_caused_ns >= MIN_CAUSED_NS {
        let caused = duration(function.gil_wait_caused_ns);
        parts.push(format!("made others wait {caused} (GIL)"));
    }
    let mut text = parts.join(", ");
    if let Some(caller) = function.own_caller.and_then(|f| frame_short(process, f)) {
        let _ = write!(text, " <- {caller}");
    }
    text
}
