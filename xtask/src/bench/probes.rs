//! What interpreters' own probes (USDT) take of a target: for each that fires, and of
//! programs that pass them all the time.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Bench,
    figures::{self, COLUMNS},
    slowdown::{Turns, median},
    table::{Cell, Section},
    target::Target,
    watcher::Watcher,
};

/// The program that measures what one takes.
pub const PROGRAM: &str = "probe_bench";
/// Distributions configure their interpreters with probes.
const PYTHON: &str = "/usr/bin/python3";
/// The rate of samples.
const RATE_HZ: u32 = 99;
/// Per cent that a program may lose to the collector's probes and to calls counted for moments.
const AIM_PCT: f64 = 1.0;

/// What targets do, and who watches them.
const KINDS: [(&str, &[Watcher]); 2] = [
    (
        "calls",
        &[
            Watcher::Nobody,
            Watcher::PyobserveNoProbes,
            Watcher::FunctionsMoments,
            Watcher::FunctionsExact,
            Watcher::NobodyAgain,
        ],
    ),
    (
        "garbage",
        &[
            Watcher::Nobody,
            Watcher::PyobserveNoProbes,
            Watcher::Pyobserve,
            Watcher::NobodyAgain,
        ],
    ),
];

/// Measures what each takes that fires.
pub fn prices(bench: &Bench<'_>, binary: &Path) -> Result<Section> {
    let mut command = bench.host.as_root(binary, &[])?;
    command.args(["--python", PYTHON]);
    Ok(Section {
        title: "G. Probes of interpreters: each that fires, and detaching".to_owned(),
        columns: COLUMNS.to_vec(),
        rows: figures::run(command)?
            .into_iter()
            .map(|figure| figure.row(1))
            .collect(),
        notes: Vec::new(),
    })
}

/// Measures what programs lose.
pub fn losses(bench: &Bench<'_>) -> Result<Section> {
    let python = PathBuf::from(PYTHON);
    ensure!(python.exists(), "{PYTHON} is not there");
    let mut rows = Vec::new();
    for (kind, watchers) in KINDS {
        let arguments = |more: &[&str]| -> Vec<String> {
            let cpu = format!("--cpu={}", bench.cpus.target);
            let more = more.iter().map(|word| (*word).to_owned());
            [kind.to_owned(), cpu].into_iter().chain(more).collect()
        };
        let target = Target::spawn_on(bench, &python, "probed.py", &arguments(&[]))?;
        let turns = Turns::of(bench, &target, watchers, RATE_HZ)?;
        drop(target);
        let mut bare_ms = f64::INFINITY;
        for seen in turns.all() {
            let all: Vec<f64> = seen.repetitions().collect();
            let ratios = turns.ratios(seen, median)?;
            let middle_ms = median(&all)? / 1e6;
            if seen.watcher().is_nobody() {
                bare_ms = bare_ms.min(middle_ms);
            }
            let lost_pct = (median(&ratios)? - 1.0) * 100.0;
            let aim = match seen.watcher() {
                Watcher::Pyobserve | Watcher::FunctionsMoments => Some(AIM_PCT),
                _ => None,
            };
            rows.push(row(
                kind,
                seen.watcher().to_string(),
                middle_ms,
                &ratios,
                lost_pct,
                aim,
            )?);
        }
        if kind == "calls" {
            // The rival that counts calls too; from within, so that it takes no turns.
            let target = Target::spawn_on(bench, &python, "probed.py", &arguments(&["--profile"]))?;
            let watched = Watcher::Nobody.watch(bench, &target.pids, 0, Duration::from_secs(4))?;
            let middle_ms = median(&target.within(watched.window)?)? / 1e6;
            let ratio = middle_ms / bare_ms;
            let name = "cProfile, from within".to_owned();
            rows.push(row(
                kind,
                name,
                middle_ms,
                &[ratio],
                (ratio - 1.0) * 100.0,
                None,
            )?);
        }
    }
    Ok(Section {
        title: "H. Slowdown of targets that pass their interpreter's probes".to_owned(),
        columns: vec![
            "target",
            "watched by",
            "median ms",
            "ratio",
            "of the rounds",
            "slower %",
            "aim %",
            "",
        ],
        rows,
        notes: vec![format!(
            "{PYTHON}; {} rounds of {} s in turns; ratio: median over the rounds, each against both bare turns of its round",
            bench.rounds(),
            bench.turn().as_secs(),
        )],
    })
}

fn row(
    kind: &str,
    name: String,
    middle_ms: f64,
    ratios: &[f64],
    lost_pct: f64,
    aim: Option<f64>,
) -> Result<Vec<Cell>> {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Cell::text(kind),
        Cell::text(name),
        Cell::Number(middle_ms, 2),
        Cell::Number(median(ratios).context("no round")?, 4),
        Cell::text(format!("{least:.3}-{most:.3}")),
        Cell::Number(lost_pct, 2),
        aim.map_or(Cell::None, |aim| Cell::text(format!("< {aim}"))),
        Cell::met(lost_pct, aim),
    ])
}
