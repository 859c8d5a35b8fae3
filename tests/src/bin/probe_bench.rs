//! What passing a place takes that is listened at, and what ceasing to listen takes, by the ways
//! that kernels have. `cargo xtask bench` builds and runs it as root; docs/bench.md says what each
//! figure means.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use leakcpu_common::usdt::{UsdtSite, probe};
use leakcpu_tests::figure::Figure;
use pyobserve::{
    elf::{CPYTHON, Image, usdt_notes},
    model::PROBES,
    probes::{LoadConfig, ProbeGroup, ProbeGroups, Probes, Scope, UsdtTarget},
};

/// Measures what probes take.
#[derive(Parser)]
struct Arguments {
    /// An interpreter that has probes
    #[arg(long)]
    python: PathBuf,
}

/// Times that each is measured; the middle one counts.
const ROUNDS: usize = 5;
/// What ceasing to listen may take.
const DETACH_AIM_MS: f64 = 100.0;

#[expect(clippy::print_stdout, reason = "the figures are this program's data")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let targets = targets(&arguments.python)?;
    let mut figures = Vec::new();
    for (way, by_events) in [("one link", false), ("an event each", true)] {
        let config = LoadConfig {
            usdt: ProbeGroups::NONE.with(ProbeGroup::Calls),
            usdt_by_events: by_events,
            ..LoadConfig::default()
        };
        let mut probes = Probes::load(config)?;
        let prices = (0..ROUNDS)
            .map(|_| Ok(probes.trap_ns()? as f64))
            .collect::<Result<Vec<_>>>()?;
        figures.push(Figure::ns(
            format!("passing a place, {way}"),
            middle(prices),
            "without what the program takes",
        ));
        let mut took_ms = Vec::new();
        for _ in 0..ROUNDS {
            let link = probes.attach_usdt(
                ProbeGroup::Calls,
                &arguments.python,
                &targets,
                Scope::Everyone,
            )?;
            let began = Instant::now();
            probes.detach_usdt(link);
            took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
        figures.push(Figure {
            what: format!("detaching {} places, {way}", targets.len()),
            value: middle(took_ms),
            unit: "ms",
            aim: Some(DETACH_AIM_MS),
            note: format!("all probes of {}", arguments.python.display()),
        });
    }
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Every place of every probe of an interpreter.
fn targets(python: &PathBuf) -> Result<Vec<UsdtTarget>> {
    let bytes = fs::read(python).with_context(|| format!("cannot read {}", python.display()))?;
    let notes = usdt_notes(&Image::parse(&*bytes)?)?;
    let found = PROBES.iter().filter_map(|name| notes.find(CPYTHON, name));
    let targets: Vec<UsdtTarget> = found
        .flat_map(|found| {
            found.places.iter().map(|place| UsdtTarget {
                site: UsdtSite {
                    probe: probe::FUNCTION_RETURN,
                    ..UsdtSite::default()
                },
                offset: place.offset,
                semaphore: found.semaphore,
            })
        })
        .collect();
    ensure!(!targets.is_empty(), "{} has no probes", python.display());
    Ok(targets)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
