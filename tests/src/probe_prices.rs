//! What passing a place takes that is listened at, and what ceasing to listen takes, by the ways
//! that kernels have.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use leakcpu_common::usdt::{UsdtSite, probe};
use pyobserve::{
    elf::{CPYTHON, Image, usdt_notes},
    model::PROBES,
    probes::{LoadConfig, ProbeGroup, ProbeGroups, Probes, Scope, UsdtTarget, UsdtWay},
};

/// Times that each is measured; the middle one counts.
const ROUNDS: usize = 5;

/// System calls that are timed together.
const CALLS: u32 = 2000;

/// What one way takes.
#[derive(Clone, Debug)]
pub struct Prices {
    /// `one link` or `an event each`.
    pub way: &'static str,
    /// What passing a place takes, without the program.
    pub passing_ns: f64,
    /// What ceasing to listen at all places takes.
    pub detaching_ms: f64,
    /// How many these are.
    pub places: usize,
}

/// Every way that this kernel has, at all places of an interpreter, of which no process need be.
pub fn prices(python: &Path) -> Result<Vec<Prices>> {
    let targets = targets(python)?;
    let mut all = Vec::new();
    for way in [UsdtWay::Links, UsdtWay::Events] {
        let config = LoadConfig {
            usdt: ProbeGroups::NONE.with(ProbeGroup::Calls),
            usdt_way: way,
            ..LoadConfig::default()
        };
        let mut probes = Probes::load(config)?;
        if way == UsdtWay::Links && !probes.has_probe_links() {
            continue;
        }
        let traps = (0..ROUNDS)
            .map(|_| Ok(probes.trap_ns()? as f64))
            .collect::<Result<Vec<_>>>()?;
        let mut took_ms = Vec::new();
        for _ in 0..ROUNDS {
            let link = probes.attach_usdt(ProbeGroup::Calls, python, &targets, Scope::Everyone)?;
            let began = Instant::now();
            probes.detach_usdt(link);
            took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
        all.push(Prices {
            way: match way {
                UsdtWay::Links => "one link",
                UsdtWay::EventsForCalls | UsdtWay::Events => "an event each",
            },
            passing_ns: middle(traps),
            detaching_ms: middle(took_ms),
            places: targets.len(),
        });
    }
    Ok(all)
}

/// What a system call that does next to nothing takes, to compare with on other machines.
pub fn system_call_ns() -> f64 {
    let round = |_| {
        let began = Instant::now();
        for _ in 0..CALLS {
            // SAFETY: it takes nothing, and says who the parent is.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    middle((0..ROUNDS).map(round).collect())
}

/// Every place of every probe of an interpreter.
fn targets(python: &Path) -> Result<Vec<UsdtTarget>> {
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
