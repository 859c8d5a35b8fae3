//! What pyobserve itself needs while it watches five busy processes.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    Bench, RATES_HZ,
    table::{Cell, Section},
    target::{Shape, Target},
};
use crate::host;

/// Processes that are watched.
const PROCESSES: usize = 5;
/// Threads of one process more.
const CROWD: u32 = 10_000;
/// What pyobserve may take at most.
const AIM_BYTES: f64 = 40e6;

#[derive(Deserialize)]
struct Document {
    window: Window,
    cost: Cost,
    processes: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Window {
    duration_ns: u64,
}

#[derive(Deserialize)]
struct Cost {
    bpf_run_ns: Option<u64>,
    user_cpu_ns: u64,
    max_rss_bytes: u64,
}

/// What `wait4` said: the kernel's word against pyobserve's own.
#[derive(Deserialize)]
struct Usage {
    user_s: f64,
    system_s: f64,
    max_rss_bytes: u64,
}

/// Measures it at each rate.
pub fn run(bench: &Bench<'_>) -> Result<Section> {
    let seconds = bench.choose(10, 3);
    let made = Shape {
        depth: 25,
        waiting: 0,
        unit_ms: 50,
        pinned: false,
    };
    let targets = (0..PROCESSES)
        .map(|_| Target::start(bench, made))
        .collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for rate_hz in RATES_HZ {
        eprintln!("cost: {PROCESSES} busy processes, {rate_hz} Hz, {seconds} s");
        let (document, usage) = measure(bench, &targets, rate_hz, seconds)?;
        let window_ns = document.window.duration_ns as f64;
        let share = |ns: f64| ns / window_ns * 100.0;
        let mut row =
            |what: &str, said: Option<f64>, checked: Option<f64>, unit, aim: Option<f64>| {
                let number = |value: Option<f64>| value.map_or(Cell::None, |v| Cell::Number(v, 2));
                let worst = checked.into_iter().chain(said).fold(0.0, f64::max);
                rows.push(vec![
                    Cell::Number(f64::from(rate_hz), 0),
                    Cell::text(what),
                    number(said),
                    number(checked),
                    Cell::text(unit),
                    aim.map_or(Cell::None, |aim| Cell::text(format!("< {aim} {unit}"))),
                    Cell::met(worst, aim),
                ]);
            };
        row(
            "CPU while watching",
            Some(share(document.cost.user_cpu_ns as f64)),
            None,
            "% of a CPU",
            None,
        );
        row(
            "CPU from start to exit",
            None,
            Some((usage.user_s + usage.system_s) * 1e3),
            "ms",
            None,
        );
        row(
            "eBPF programs",
            document.cost.bpf_run_ns.map(|ns| share(ns as f64)),
            None,
            "% of a CPU",
            None,
        );
        row(
            "peak memory",
            Some(document.cost.max_rss_bytes as f64 / 1e6),
            Some(usage.max_rss_bytes as f64 / 1e6),
            "MB",
            Some(AIM_BYTES / 1e6),
        );
    }
    drop(targets);
    rows.extend(crowd(bench, seconds)?);
    Ok(Section {
        title: format!("D. What pyobserve needs while it watches {PROCESSES} busy processes for {seconds} s"),
        columns: vec!["Hz", "what", "its report", "wait4", "", "aim", ""],
        rows,
        notes: vec![
            "loading, reading processes and writing the report are in the line from start to exit only; eBPF run time is an estimate of the report's".to_owned(),
        ],
    })
}

/// One process of very many threads that wait.
fn crowd(bench: &Bench<'_>, seconds: u32) -> Result<Vec<Vec<Cell>>> {
    eprintln!("cost: {CROWD} threads that wait, {seconds} s");
    let crowd = Target::start(
        bench,
        Shape {
            depth: 5,
            waiting: CROWD,
            unit_ms: 0,
            pinned: false,
        },
    )?;
    let (document, usage) = measure(bench, &[crowd], RATES_HZ[0], seconds)?;
    let rate = || Cell::Number(f64::from(RATES_HZ[0]), 0);
    Ok(vec![
        vec![
            rate(),
            Cell::text(format!("peak memory, {CROWD} threads")),
            Cell::Number(document.cost.max_rss_bytes as f64 / 1e6, 2),
            Cell::Number(usage.max_rss_bytes as f64 / 1e6, 2),
            Cell::text("MB"),
            Cell::None,
            Cell::None,
        ],
        vec![
            rate(),
            Cell::text(format!("CPU from start to exit, {CROWD} threads")),
            Cell::None,
            Cell::Number((usage.user_s + usage.system_s) * 1e3, 2),
            Cell::text("ms"),
            Cell::None,
            Cell::None,
        ],
    ])
}

fn measure(
    bench: &Bench<'_>,
    targets: &[Target],
    rate_hz: u32,
    seconds: u32,
) -> Result<(Document, Usage)> {
    let mut command = bench.host.as_root(&bench.python, &[])?;
    command
        .arg(bench.script("rusage.py"))
        .arg(&bench.pyobserve)
        .args(["classify", "--quiet", "--json"])
        .args(["-r", &rate_hz.to_string()])
        .args(["-d", &format!("{seconds}s")]);
    for pid in targets.iter().flat_map(|target| &target.pids) {
        command.args(["-p", &pid.to_string()]);
    }
    let line = host::typed(&command);
    let written = host::read(&mut command)?;
    let mut values =
        serde_json::Deserializer::from_slice(&written).into_iter::<serde_json::Value>();
    let mut next = || -> Result<serde_json::Value> {
        values
            .next()
            .with_context(|| format!("`{line}` wrote too little"))?
            .with_context(|| format!("`{line}` wrote no JSON"))
    };
    let document: Document = serde_json::from_value(next()?).context("not a report")?;
    let usage: Usage = serde_json::from_value(next()?).context("not the kernel's charge")?;
    ensure!(
        document.processes.len() == targets.len(),
        "{} processes of {} are in the report",
        document.processes.len(),
        targets.len()
    );
    Ok((document, usage))
}
