//! The text a person reads: which process, what kind of slow, which function and
//! line, why, what to do next.

mod audit;
mod block;
mod collector;
mod event_loop;
mod finding;
mod functions;
mod head;
mod imports;
mod line;
mod notes;
mod owned;
mod place;
mod spin;
mod table;

use std::io::Write;

pub use functions::write_functions_text;
pub use imports::write_imports_text;
pub use spin::write_spin_text;

use super::ReportError;
use crate::classify::{Class, Classification, ProcessVerdicts};
use crate::diagnose::{Findings, ProcessFindings};
use crate::model::{Process, Profile};

use line::Line;

/// The narrowest layout; a narrower terminal cuts its lines.
const MIN_WIDTH: usize = 60;
/// Lines that a report of few processes should fit in.
const SCREEN_LINES: usize = 25;
/// Processes that get a block of their own, unless all are asked for.
const MAX_BLOCKS: usize = 10;

/// How to write the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Columns.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether idle processes get a line each, and every process a block.
    pub all: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            width: 80,
            color: false,
            all: false,
        }
    }
}

/// A process with everything said of it.
#[derive(Clone, Copy)]
struct Row<'a> {
    process: &'a Process,
    verdicts: &'a ProcessVerdicts,
    findings: &'a ProcessFindings,
}

impl Row<'_> {
    fn class(&self) -> Class {
        self.verdicts.verdict.class
    }
}

/// Writes the report as text.
pub fn write_text(
    profile: &Profile,
    classification: &Classification,
    findings: &Findings,
    options: &TextOptions,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let width = options.width.max(MIN_WIDTH);
    let mut rows = rows(profile, classification, findings);
    let mut lines = Vec::new();
    let active = rows.iter().filter(|row| row.class() != Class::Idle).count();
    lines.push(head::head(profile, active, width));

    let folded: Vec<Row<'_>> = if options.all || (active == 0 && rows.len() <= 5) {
        Vec::new()
    } else {
        let idle = |row: &Row<'_>| row.class() == Class::Idle;
        let folded = rows.iter().copied().filter(idle).collect();
        rows.retain(|row| !idle(row));
        folded
    };
    if !profile.processes.is_empty() {
        lines.push(Line::new());
        lines.extend(table::table(&rows, width));
        lines.extend(table::idle_line(&folded, width));
    }
    let notes = notes::notes(profile, classification, width);

    let wants_block = |row: &&Row<'_>| row.class() != Class::Idle || active == 0;
    let blocks: Vec<&Row<'_>> = rows.iter().filter(wants_block).collect();
    let shown = if options.all {
        blocks.len()
    } else {
        blocks.len().min(MAX_BLOCKS)
    };
    let left = SCREEN_LINES.saturating_sub(lines.len() + 1 + notes.len());
    if let Some(room) = left.checked_div(shown) {
        lines.push(Line::new());
        for (i, row) in blocks.iter().take(shown).enumerate() {
            let most = block::PLAIN_ROOM + finding::LINES * row.findings.findings.len();
            let room = room.clamp(3, most);
            if i > 0 && room >= 5 {
                lines.push(Line::new());
            }
            let room = if room >= 5 { room - 1 } else { room };
            lines.extend(block::block(row, width, room));
        }
        lines.extend(table::more_line(blocks.len() - shown));
    }
    lines.extend(notes);
    for line in lines {
        line.write(out, options.width, options.color)?;
    }
    Ok(())
}

/// What needs attention first: not idle, then by active time.
fn rows<'a>(
    profile: &'a Profile,
    classification: &'a Classification,
    findings: &'a Findings,
) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = profile
        .processes
        .iter()
        .zip(&classification.processes)
        .zip(&findings.processes)
        .map(|((process, verdicts), findings)| Row {
            process,
            verdicts,
            findings,
        })
        .collect();
    rows.sort_by_key(|row| {
        let rank = match row.class() {
            Class::BusyWaiting => 0,
            Class::Idle => 3,
            Class::Unknown => 2,
            _ => 1,
        };
        let active = std::cmp::Reverse(row.verdicts.active_ns);
        (rank, active, row.process.pid)
    });
    rows
}
