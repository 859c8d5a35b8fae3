//! Very many of something: processes to be watched at once, frames to be named.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    Bench,
    figures::{self, COLUMNS, Figure},
    table::Section,
    target,
};
use crate::host;

/// The program that names frames.
pub const PROGRAM: &str = "symbolize_bench";

/// Processes that are there when pyobserve starts.
const PROCESSES: usize = 200;
/// How long it may take until all of them are watched.
const AIM_S: f64 = 1.0;

#[derive(Deserialize)]
struct Document {
    window: Window,
    processes: Vec<Process>,
}

#[derive(Deserialize)]
struct Window {
    start_unix_ns: u64,
}

#[derive(Deserialize)]
struct Process {
    pid: u32,
}

/// Measures both.
pub fn run(bench: &Bench<'_>, naming: &Path) -> Result<Section> {
    let mut command = bench.host.as_root(naming, &[])?;
    command
        .arg("--python")
        .arg(&bench.python)
        .arg("--script")
        .arg(bench.script("many_codes.py"))
        .args(["--frames", bench.choose("100000", "10000")]);
    let mut figures = figures::run(command)?;
    figures.push(start(bench)?);
    Ok(Section {
        title: "F. Very many".to_owned(),
        columns: COLUMNS.to_vec(),
        rows: figures.into_iter().map(|figure| figure.row(3)).collect(),
        notes: Vec::new(),
    })
}

/// From the start of pyobserve to the beginning of its window, when all are watched.
fn start(bench: &Bench<'_>) -> Result<Figure> {
    let count = bench.choose(PROCESSES, PROCESSES / 10);
    eprintln!("scale: {count} processes");
    let waiting = (0..count)
        .map(|_| Waiting::start(bench))
        .collect::<Result<Vec<_>>>()?;
    let mut command = bench.host.as_root(&bench.pyobserve, &[])?;
    command.args(["classify", "--quiet", "--json", "-d", "1s"]);
    let line = host::typed(&command);
    let began_ns = target::Window::now_ns();
    let document: Document = serde_json::from_slice(&host::read(&mut command)?)
        .with_context(|| format!("`{line}` wrote no report"))?;
    for pid in waiting.iter().map(|process| process.0.id()) {
        ensure!(
            document.processes.iter().any(|process| process.pid == pid),
            "{pid} is not in the report"
        );
    }
    let took_ns = document.window.start_unix_ns.saturating_sub(began_ns);
    Ok(Figure {
        what: format!("from its start until {count} processes are watched"),
        value: took_ns as f64 / 1e9,
        unit: "s".to_owned(),
        aim: Some(AIM_S),
        note: "the clock before pyobserve is started, and the window's beginning in its report"
            .to_owned(),
    })
}

/// A Python process that waits until it is dropped.
struct Waiting(Child);

impl Waiting {
    fn start(bench: &Bench<'_>) -> Result<Self> {
        let mut command = bench.host.as_user(&bench.python);
        let mut child = command
            .arg(bench.script("many_codes.py"))
            .arg("1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", bench.python.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let waiting = Self(child);
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("a process says nothing")?;
        ensure!(!line.is_empty(), "a process ended at its start");
        Ok(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
