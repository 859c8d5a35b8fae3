//! A finding below the function that it is about: what, evidence and cause in a line each, then
//! the fix.

use super::Row;
use super::line::{Line, Look, cut_end, wrap};
use crate::{
    diagnose::{Finding, Gain},
    model::FunctionId,
    report::clean,
};

/// Lines that a finding takes at most: its fix is not cut short.
pub(super) const LINES: usize = 6;
/// Those of them that are the fix.
const FIX_LINES: usize = LINES - 3;
const INDENT: usize = 7;
/// Before what to do.
const MARK: &str = "-> ";

/// A finding in lines.
pub(super) struct Told {
    /// The function that it is about.
    pub function: Option<FunctionId>,
    pub lines: Vec<Line>,
}

/// As many of a process' findings as there is room for, most to gain first.
pub(super) fn told(row: &Row<'_>, width: usize, room: usize) -> Vec<Told> {
    let all = &row.findings.findings;
    let mut left = room;
    let mut told: Vec<Told> = all
        .iter()
        .map(|finding| Told {
            function: finding.place.as_ref().map(|place| place.function_id),
            lines: lines(row, finding, width),
        })
        .take_while(|one| {
            let fits = one.lines.len() <= left;
            left = left.saturating_sub(one.lines.len());
            fits
        })
        .collect();
    let left_out = all.len() - told.len() + row.findings.more;
    if let Some(last) = told.last_mut()
        && left_out > 0
        && let Some(first) = last.lines.first_mut()
    {
        let text = format!("  ({left_out} more: --all-findings --json)");
        if first.width() + text.len() <= width {
            first.push(&text, Look::Faint);
        }
    }
    told
}

fn lines(row: &Row<'_>, finding: &Finding, width: usize) -> Vec<Line> {
    let mut what = Line::new();
    what.pad_to(INDENT - 2)
        .push("* ", Look::Warning)
        .push(finding.rule, Look::Warning)
        .push(&format!(" ({})", finding.severity.name()), Look::Plain);
    if let Some(gain) = gain(finding) {
        what.push(&format!(": {gain}"), Look::Plain);
    }
    let mut lines = vec![what];
    // What the verdict rests on stands above already.
    let said = &row.verdicts.verdict.because;
    let evidence: Vec<&str> = finding
        .evidence
        .iter()
        .filter(|one| !said.iter().any(|because| because.text == one.text))
        .map(|one| one.text.as_str())
        .collect();
    if !evidence.is_empty() {
        lines.push(line("", &evidence.join("; "), Look::Plain, width));
    }
    lines.push(line("", &finding.cause, Look::Faint, width));
    let fix = wrap(
        &clean(&finding.fix),
        width.saturating_sub(INDENT + MARK.len()),
    );
    for (number, part) in fix.iter().take(FIX_LINES).enumerate() {
        let mark = if number == 0 { MARK } else { "   " };
        lines.push(line(mark, part, Look::Step, width));
    }
    lines
}

fn line(mark: &str, text: &str, look: Look, width: usize) -> Line {
    let mut line = Line::new();
    let room = width.saturating_sub(INDENT + mark.len());
    line.pad_to(INDENT)
        .push(mark, look)
        .push(&cut_end(&clean(text), room), look);
    line
}

/// What its fix gives back at most: `frees up to 0.98 of a core`, `saves up to 0.98 s a
/// second`; `None` if that is next to nothing.
pub(super) fn gain(finding: &Finding) -> Option<String> {
    let seconds = finding.recoverable_ns_per_s? as f64 / 1e9;
    if seconds < 0.01 {
        return None;
    }
    Some(match (finding.gain, seconds) {
        (Gain::Time, _) => format!("saves up to {seconds:.2} s a second"),
        (Gain::Cpu, ..0.995) => format!("frees up to {seconds:.2} of a core"),
        (Gain::Cpu, ..1.05) => "frees up to one core".to_owned(),
        (Gain::Cpu, _) => format!("frees up to {seconds:.1} cores"),
    })
}
