//! What a target loses by being watched.

use anyhow::{Context as _, Result};

use super::{
    Bench, RATES_HZ,
    table::{Cell, Section},
    target::{Shape, Target},
    watcher::Watcher,
};

/// At this rate the aim holds.
const AIM_RATE_HZ: u32 = 999;
/// Per cent that a target may lose.
const AIM_PCT: f64 = 1.0;
/// Frames of the deep and of the shallow target.
const DEPTHS: [u32; 2] = [52, 5];
/// Threads that wait.
const WAITING: u32 = 150;

/// What was seen of one watcher.
struct Seen {
    watcher: Watcher,
    /// Every repetition of every round.
    took_ns: Vec<f64>,
    /// Repetitions per second of each round.
    per_second: Vec<f64>,
    samples: u64,
    watched_ns: u64,
}

/// A busy target, deep and shallow.
pub fn busy(bench: &Bench<'_>) -> Result<Section> {
    let mut rows = Vec::new();
    for depth in DEPTHS {
        for rate_hz in RATES_HZ {
            let shape = Shape {
                depth,
                waiting: 0,
                unit_ms: 100,
                pinned: true,
            };
            let seen = take_turns(bench, shape, rate_hz)?;
            let (bare_min, bare_median) = least_and_median(&seen[0].took_ns)?;
            for seen in &seen {
                let (min, median) = least_and_median(&seen.took_ns)?;
                let slower_pct = (median / bare_median - 1.0) * 100.0;
                let aim = aim(seen.watcher, rate_hz);
                rows.push(vec![
                    Cell::Number(f64::from(depth), 0),
                    Cell::Number(f64::from(rate_hz), 0),
                    Cell::text(seen.watcher.to_string()),
                    Cell::Number(min / 1e6, 2),
                    Cell::Number(median / 1e6, 2),
                    Cell::Number(min / bare_min, 4),
                    Cell::Number(median / bare_median, 4),
                    seen.samples_per_second(),
                    Cell::Number(slower_pct, 2),
                    aim.map_or(Cell::None, |aim| Cell::text(format!("< {aim}"))),
                    Cell::met(slower_pct, aim),
                ]);
            }
        }
    }
    Ok(Section {
        title: "A. Slowdown of a busy, call-heavy target on one CPU".to_owned(),
        columns: vec![
            "frames",
            "Hz",
            "watched by",
            "min ms",
            "median ms",
            "min ratio",
            "median ratio",
            "samples/s",
            "slower %",
            "aim %",
            "",
        ],
        rows,
        notes: notes(bench),
    })
}

/// A busy target with many waiting threads.
pub fn with_waiting(bench: &Bench<'_>) -> Result<Section> {
    let mut rows = Vec::new();
    for rate_hz in RATES_HZ {
        let shape = Shape {
            depth: 10,
            waiting: WAITING,
            unit_ms: 10,
            pinned: true,
        };
        let seen = take_turns(bench, shape, rate_hz)?;
        let bare = median(&seen[0].per_second)?;
        for seen in &seen {
            let per_second = median(&seen.per_second)?;
            let lost_pct = (1.0 - per_second / bare) * 100.0;
            let aim = aim(seen.watcher, rate_hz);
            rows.push(vec![
                Cell::Number(f64::from(rate_hz), 0),
                Cell::text(seen.watcher.to_string()),
                Cell::Number(most(&seen.per_second), 2),
                Cell::Number(per_second, 2),
                Cell::Number(per_second / bare, 4),
                seen.samples_per_second(),
                Cell::Number(lost_pct, 2),
                aim.map_or(Cell::None, |aim| Cell::text(format!("< {aim}"))),
                Cell::met(lost_pct, aim),
            ]);
        }
    }
    Ok(Section {
        title: format!("B. Throughput of a busy target with {WAITING} waiting threads"),
        columns: vec![
            "Hz",
            "watched by",
            "max rep/s",
            "median rep/s",
            "ratio",
            "samples/s",
            "lost %",
            "aim %",
            "",
        ],
        rows,
        notes: notes(bench),
    })
}

fn notes(bench: &Bench<'_>) -> Vec<String> {
    vec![format!(
        "{} rounds of {} s, in turns; watchers pinned to another CPU if there is one, as a scheduler would roughly place them; `bare again` against `bare` is noise",
        bench.rounds(),
        bench.turn().as_secs(),
    )]
}

/// Only pyobserve has an aim.
fn aim(watcher: Watcher, rate_hz: u32) -> Option<f64> {
    (watcher == Watcher::Pyobserve && rate_hz == AIM_RATE_HZ).then_some(AIM_PCT)
}

/// One target, watched by each in turn, again and again; the first is nobody.
fn take_turns(bench: &Bench<'_>, shape: Shape, rate_hz: u32) -> Result<Vec<Seen>> {
    let target = Target::start(bench, shape)?;
    let mut all: Vec<Seen> = Watcher::all(bench).into_iter().map(Seen::new).collect();
    for round in 1..=bench.rounds() {
        for seen in &mut all {
            eprintln!(
                "{} frames, {} waiting, {rate_hz} Hz, round {round}: {}",
                shape.depth, shape.waiting, seen.watcher
            );
            let watched = seen
                .watcher
                .watch(bench, target.pid, rate_hz, bench.turn())?;
            let took_ns = target.within(watched.window)?;
            seen.per_second
                .push(took_ns.len() as f64 * 1e9 / took_ns.iter().sum::<f64>());
            seen.took_ns.extend(took_ns);
            seen.samples += watched.samples.unwrap_or(0);
            seen.watched_ns += watched.window.end_ns - watched.window.start_ns;
        }
    }
    Ok(all)
}

impl Seen {
    fn new(watcher: Watcher) -> Self {
        Self {
            watcher,
            took_ns: Vec::new(),
            per_second: Vec::new(),
            samples: 0,
            watched_ns: 0,
        }
    }

    /// A watcher that takes no samples costs nothing and is worth nothing.
    fn samples_per_second(&self) -> Cell {
        match self.watcher {
            Watcher::Nobody | Watcher::NobodyAgain => Cell::None,
            _ => Cell::Number(self.samples as f64 * 1e9 / self.watched_ns as f64, 0),
        }
    }
}

fn least_and_median(values: &[f64]) -> Result<(f64, f64)> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    Ok((least, median(values)?))
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn median(values: &[f64]) -> Result<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle).context("nothing was measured")?;
    Ok(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::{least_and_median, median, most};

    #[test]
    fn least_median_and_most() {
        let values = [4.0, 1.0, 3.0, 2.0];
        let (least, middle) = least_and_median(&values).expect("not empty");
        assert!((least - 1.0).abs() < 1e-9);
        assert!((middle - 2.5).abs() < 1e-9);
        assert!((most(&values) - 4.0).abs() < 1e-9);
        assert!(median(&[]).is_err());
    }
}
