//! What a target loses by being watched that hardly computes: it switches, or calls the
//! kernel in vain.

use anyhow::Result;

use super::{
    Bench,
    slowdown::{Turns, median},
    table::{Cell, Section},
    target::Target,
    watcher::Watcher,
};

/// What the target does, and what one of its repetitions consists of.
const KINDS: [(&str, &str, f64); 3] = [
    ("pingpong", "round trip on one CPU", 2_000.0),
    ("requests", "request to a server on another CPU", 2_000.0),
    ("eagain", "recv that finds nothing", 100_000.0),
];
/// The rate of samples, unless asked otherwise.
const RATE_HZ: u32 = 99;

/// Measures each kind.
pub fn run(bench: &Bench<'_>) -> Result<Section> {
    let watchers = [
        Watcher::Nobody,
        Watcher::PyobserveCounters,
        Watcher::Pyobserve,
        Watcher::PyobserveAllStacks,
        Watcher::NobodyAgain,
    ];
    let mut rows = Vec::new();
    for (kind, what, count) in KINDS {
        let target = Target::spawn(
            bench,
            "switching.py",
            &[
                kind.to_owned(),
                format!("--cpu={}", bench.cpus.target),
                format!("--server-cpu={}", bench.cpus.watcher),
            ],
        )?;
        let turns = Turns::of(bench, &target, &watchers, RATE_HZ)?;
        for seen in turns.all() {
            let all: Vec<f64> = seen.repetitions().collect();
            let ratios = turns.ratios(seen, median)?;
            let each_ns = median(&all)? / count;
            rows.push(vec![
                Cell::text(what),
                Cell::text(seen.watcher().to_string()),
                Cell::Number(each_ns, 0),
                Cell::Number(1e9 / each_ns, 0),
                Cell::Number(median(&ratios)?, 4),
                Cell::text(format!(
                    "{:.3}-{:.3}",
                    ratios.iter().copied().fold(f64::INFINITY, f64::min),
                    ratios.iter().copied().fold(0.0, f64::max)
                )),
            ]);
        }
    }
    Ok(Section {
        title: "E. Slowdown of targets that hardly compute, one after the other in turns"
            .to_owned(),
        columns: vec![
            "each",
            "watched by",
            "ns",
            "a second",
            "ratio",
            "of the rounds",
        ],
        rows,
        notes: vec![
            format!(
                "{} rounds of {} s in turns, {RATE_HZ} Hz; ratio: median over the rounds, each against both bare turns of its round",
                bench.rounds(),
                bench.turn().as_secs(),
            ),
            "counters: a budget that nothing fits in; all stacks: one that everything does"
                .to_owned(),
        ],
    })
}
