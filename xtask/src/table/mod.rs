//! `cargo xtask table`: what the end-to-end tests find out, as tables of the
//! documentation: about every interpreter in every form (docs/interpreters.md, README),
//! every reason of blocked time (docs/reasons.md), every probe of interpreters (docs/usdt.md) and
//! every rule (docs/findings.md).

mod findings;
mod interpreters;
pub mod probes;
pub mod reasons;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use crate::{
    host::Host,
    marks::{self, Marks},
    origin::Origin,
    roots, setup,
    tally::Tally,
    test::{everything, kernel},
};

/// Arguments of `table`.
#[derive(Args)]
pub struct Arguments {
    /// Which tables
    #[arg(default_value = "interpreters")]
    subject: Subject,
    /// Write the tables from the rows of an earlier run
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
}

/// What a table is about.
#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// Every interpreter in every form
    Interpreters,
    /// Every reason of blocked time
    Reasons,
    /// Every probe of interpreters
    Probes,
    /// Every rule of findings
    Findings,
}

impl Subject {
    /// The test that finds it out.
    fn test(self) -> &'static str {
        match self {
            Self::Interpreters => "interpreters",
            Self::Reasons => "reasons",
            Self::Probes => "every_probe",
            Self::Findings => "rules",
        }
    }

    /// Arguments for the test.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Interpreters | Self::Findings => &["--ignored", "--nocapture"],
            Self::Reasons => &["--nocapture"],
            Self::Probes => &["--include-ignored", "--nocapture"],
        }
    }

    /// The files and their tables, from rows.
    fn tables(self, rows: &Path) -> Result<Vec<(&'static str, String)>> {
        Ok(match self {
            Self::Interpreters => {
                let rows = read(rows)?;
                vec![
                    ("docs/interpreters.md", interpreters::full(&rows)),
                    ("README.md", interpreters::short(&rows)),
                ]
            }
            Self::Reasons => vec![("docs/reasons.md", reasons::table(read(rows)?))],
            Self::Probes => vec![("docs/usdt.md", probes::table(&read(rows)?))],
            Self::Findings => vec![("docs/findings.md", findings::tables(&read(rows)?))],
        })
    }
}

/// The lines between which a file's table stands.
const MARKS: Marks = Marks {
    begin: "<!-- cargo xtask table: begin -->",
    end: "<!-- cargo xtask table: end -->",
};

/// Runs the task.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    let subject = arguments.subject;
    if let Some(rows) = &arguments.rows {
        put_all(host, subject, rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    setup::ensure(host)?;
    roots::ensure(host, Duration::from_mins(30));
    let built = everything(host)?;
    let named = |name: &str, is_test: bool| {
        built
            .iter()
            .find(|executable| executable.name == name && executable.is_test == is_test)
            .with_context(|| format!("cargo built no {name}"))
    };
    // Absolute, for the tests run in a folder of their own.
    let file = format!("{}.jsonl", subject.test());
    let rows = std::path::absolute(host.target().join(file))?;
    marks::write(host, &rows, "")?;
    let tally = kernel(
        host,
        &named("pyobserve", false)?.path,
        named(subject.test(), true)?,
        subject.arguments(),
        &[("PYOBSERVE_TABLE", rows.as_os_str())],
    )?;
    put_all(host, subject, &rows)?;
    eprintln!("{tally}; the rows are in {}", rows.display());
    Ok(if tally.failed == 0 && tally != Tally::default() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn put_all(host: &Host, subject: Subject, rows: &Path) -> Result<()> {
    let Origin { day, commit } = Origin::now(host)?;
    for (file, table) in subject.tables(rows)? {
        let text = format!("Run on {day} at commit {commit}.\n\n{table}");
        MARKS.put(host, &host.workspace.join(file), &text)?;
        eprintln!("wrote the table of {file}");
    }
    Ok(())
}

fn read<Row: DeserializeOwned>(file: &Path) -> Result<Vec<Row>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let rows: Vec<Row> = text
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no row: {line}")))
        .collect::<Result<_>>()?;
    if rows.is_empty() {
        bail!("the tests wrote no row");
    }
    Ok(rows)
}
