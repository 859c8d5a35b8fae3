//! The answers as the table of docs/kernels.md.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::Result;

use super::answers::{Answers, Kind};
use crate::{
    host::Host,
    marks::Marks,
    origin::Origin,
    table::{probes, reasons},
};

/// The files, and the lines between which their tables stand.
const FILE: &str = "docs/kernels.md";
const REASONS_FILE: &str = "docs/reasons.md";
const PROBES_FILE: &str = "docs/usdt.md";
const MARKS: Marks = Marks {
    begin: "<!-- cargo xtask kernels: begin -->",
    end: "<!-- cargo xtask kernels: end -->",
};

/// Kernel x check. What was not run has no cell of its own: it was not reached.
pub fn of(all: &[Answers]) -> String {
    let mut seen = BTreeSet::new();
    let checks: Vec<&str> = all
        .iter()
        .flat_map(|answers| &answers.checks)
        .map(|answer| answer.check.as_str())
        .filter(|check| seen.insert(*check))
        .collect();
    let mut text = String::from("| kernel");
    for check in &checks {
        let _ = write!(text, " | {check}");
    }
    let _ = writeln!(text, " |\n|---{}|", "|---".repeat(checks.len()));
    for answers in all {
        let _ = write!(text, "| {} ({})", answers.name, answers.release);
        for check in &checks {
            let cell = match answers.of(check) {
                None => "no: not reached".to_owned(),
                Some(answer) => match answer.kind {
                    Kind::Yes => "yes".to_owned(),
                    Kind::No => format!("no: {}", tidy(&answer.why)),
                    Kind::Skipped => format!("skipped: {}", tidy(&answer.why)),
                },
            };
            let _ = write!(text, " | {cell}");
        }
        text.push_str(" |\n");
    }
    text
}

/// What can stand in a cell.
fn tidy(why: &str) -> String {
    why.lines().next().unwrap_or_default().replace('|', "/")
}

/// Writes the tables into their files, with the day and the commit.
pub fn put(host: &Host, all: &[Answers]) -> Result<()> {
    let Origin { day, commit } = Origin::now(host)?;
    let columns: Vec<_> = all
        .iter()
        .map(|answers| (answers.name.clone(), answers.reasons.clone()))
        .collect();
    let prices = all
        .iter()
        .map(|answers| (answers.name.as_str(), answers.prices.as_slice()));
    for (file, table) in [
        (FILE, of(all)),
        (REASONS_FILE, reasons::side_by_side(&columns)),
        (PROBES_FILE, probes::by_kernel(prices)),
    ] {
        let text = format!("Run on {day} at commit {commit}.\n\n{table}");
        MARKS.put(host, &host.workspace.join(file), &text)?;
        eprintln!("wrote the table of {file}");
    }
    Ok(())
}
