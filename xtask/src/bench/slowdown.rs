//! What a target loses by being watched.

use anyhow::{Context as _, Result, ensure};

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
pub(super) struct Seen {
    watcher: Watcher,
    /// How long each repetition took, round by round, nanoseconds.
    rounds: Vec<Vec<f64>>,
    samples: u64,
    watched_ns: u64,
}

/// Which figure of a round is compared.
pub(super) type Figure = fn(&[f64]) -> Result<f64>;

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
            let turns = Turns::take(bench, shape, rate_hz)?;
            let bare_min = least(turns.of_nobody().flat_map(Seen::repetitions));
            let noise = turns.noise(median)?;
            for seen in &turns.all {
                let all: Vec<f64> = seen.repetitions().collect();
                let min = least(all.iter().copied());
                let ratios = turns.ratios(seen, median)?;
                let slower_pct = (median(&ratios)? - 1.0) * 100.0;
                let mut row = vec![
                    Cell::Number(f64::from(depth), 0),
                    Cell::Number(f64::from(rate_hz), 0),
                    Cell::text(seen.watcher.to_string()),
                    Cell::Number(min / 1e6, 2),
                    Cell::Number(median(&all)? / 1e6, 2),
                    Cell::Number(min / bare_min, 4),
                ];
                row.extend(seen.outcome(&ratios, slower_pct, rate_hz, noise)?);
                rows.push(row);
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
            "ratio",
            "of the rounds",
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
        let turns = Turns::take(bench, shape, rate_hz)?;
        let noise = turns.noise(per_second)?;
        for seen in &turns.all {
            let speeds = seen
                .rounds
                .iter()
                .map(|round| per_second(round))
                .collect::<Result<Vec<_>>>()?;
            let ratios = turns.ratios(seen, per_second)?;
            let lost_pct = (1.0 - median(&ratios)?) * 100.0;
            let mut row = vec![
                Cell::Number(f64::from(rate_hz), 0),
                Cell::text(seen.watcher.to_string()),
                Cell::Number(speeds.iter().copied().fold(0.0, f64::max), 2),
                Cell::Number(median(&speeds)?, 2),
            ];
            row.extend(seen.outcome(&ratios, lost_pct, rate_hz, noise)?);
            rows.push(row);
        }
    }
    let mut notes = notes(bench);
    notes.push("py-spy counts a sample for each thread that it finds active".to_owned());
    Ok(Section {
        title: format!("B. Throughput of a busy target with {WAITING} waiting threads"),
        columns: vec![
            "Hz",
            "watched by",
            "max rep/s",
            "median rep/s",
            "ratio",
            "of the rounds",
            "samples/s",
            "lost %",
            "aim %",
            "",
        ],
        rows,
        notes,
    })
}

fn notes(bench: &Bench<'_>) -> Vec<String> {
    vec![
        format!(
            "{} rounds of {} s in turns; ratio: median over the rounds, each against both bare turns of its round",
            bench.rounds(),
            bench.turn().as_secs(),
        ),
        "watchers are pinned to another CPU if there is one, about where a scheduler puts them"
            .to_owned(),
        "noisy: the bare turns differ by more than the aim".to_owned(),
    ]
}

/// Only pyobserve has an aim.
fn aim(watcher: Watcher, rate_hz: u32) -> Option<f64> {
    (watcher == Watcher::Pyobserve && rate_hz == AIM_RATE_HZ).then_some(AIM_PCT)
}

/// One target, watched by each in turn, again and again.
pub(super) struct Turns {
    all: Vec<Seen>,
}

impl Turns {
    fn take(bench: &Bench<'_>, shape: Shape, rate_hz: u32) -> Result<Self> {
        let target = Target::start(bench, shape)?;
        eprintln!("{} frames, {} threads wait", shape.depth, shape.waiting);
        Self::of(bench, &target, &Watcher::all(bench), rate_hz)
    }

    /// Each of `watchers` in turn, again and again.
    pub(super) fn of(
        bench: &Bench<'_>,
        target: &Target,
        watchers: &[Watcher],
        rate_hz: u32,
    ) -> Result<Self> {
        let mut all: Vec<Seen> = watchers.iter().copied().map(Seen::new).collect();
        eprintln!(
            "{rate_hz} Hz: {} rounds of {} turns of {} s",
            bench.rounds(),
            all.len(),
            bench.turn().as_secs(),
        );
        for _ in 0..bench.rounds() {
            for seen in &mut all {
                let watched = seen
                    .watcher
                    .watch(bench, &target.pids, rate_hz, bench.turn())?;
                seen.rounds.push(target.within(watched.window)?);
                seen.samples += watched.samples.unwrap_or(0);
                seen.watched_ns += watched.window.end_ns - watched.window.start_ns;
            }
        }
        Ok(Self { all })
    }

    pub(super) fn all(&self) -> &[Seen] {
        &self.all
    }

    fn of_nobody(&self) -> impl Iterator<Item = &Seen> {
        self.all.iter().filter(|seen| seen.watcher.is_nobody())
    }

    /// A watcher's figure of each round by that of nobody in the same round.
    pub(super) fn ratios(&self, seen: &Seen, figure: Figure) -> Result<Vec<f64>> {
        seen.rounds
            .iter()
            .enumerate()
            .map(|(number, round)| {
                let bare: Vec<f64> = self
                    .of_nobody()
                    .flat_map(|nobody| nobody.rounds[number].iter().copied())
                    .collect();
                Ok(figure(round)? / figure(&bare)?)
            })
            .collect()
    }

    /// By how many per cent nobody's turns differ from each other.
    fn noise(&self, figure: Figure) -> Result<f64> {
        let mut noise: f64 = 0.0;
        for nobody in self.of_nobody() {
            let ratio = median(&self.ratios(nobody, figure)?)?;
            noise = noise.max((ratio - 1.0).abs() * 200.0);
        }
        Ok(noise)
    }
}

impl Seen {
    fn new(watcher: Watcher) -> Self {
        Self {
            watcher,
            rounds: Vec::new(),
            samples: 0,
            watched_ns: 0,
        }
    }

    pub(super) const fn watcher(&self) -> Watcher {
        self.watcher
    }

    pub(super) fn repetitions(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().flatten().copied()
    }

    /// The columns that both tables end with.
    fn outcome(
        &self,
        ratios: &[f64],
        lost_pct: f64,
        rate_hz: u32,
        noise: f64,
    ) -> Result<Vec<Cell>> {
        let most = ratios.iter().copied().fold(0.0, f64::max);
        let aim = aim(self.watcher, rate_hz);
        Ok(vec![
            Cell::Number(median(ratios)?, 4),
            Cell::text(format!("{:.3}-{most:.3}", least(ratios.iter().copied()))),
            // A watcher that takes no samples costs nothing and is worth nothing.
            if self.watcher.is_nobody() {
                Cell::None
            } else {
                Cell::Number(self.samples as f64 * 1e9 / self.watched_ns as f64, 0)
            },
            Cell::Number(lost_pct, 2),
            aim.map_or(Cell::None, |aim| Cell::text(format!("< {aim}"))),
            match aim {
                Some(aim) if noise >= aim => Cell::text("noisy"),
                aim => Cell::met(lost_pct, aim),
            },
        ])
    }
}

fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min)
}

/// Repetitions per second, from how long each took.
fn per_second(took_ns: &[f64]) -> Result<f64> {
    ensure!(!took_ns.is_empty(), "nothing was measured");
    Ok(took_ns.len() as f64 * 1e9 / took_ns.iter().sum::<f64>())
}

pub(super) fn median(values: &[f64]) -> Result<f64> {
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
    use super::{Seen, Turns, median, per_second};
    use crate::bench::watcher::Watcher;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn median_and_throughput() {
        assert!(close(
            median(&[4.0, 1.0, 3.0, 2.0]).expect("not empty"),
            2.5
        ));
        assert!(close(median(&[9.0, 1.0, 3.0]).expect("not empty"), 3.0));
        assert!(median(&[]).is_err());
        assert!(close(per_second(&[5e8, 1.5e9]).expect("not empty"), 1.0));
        assert!(per_second(&[]).is_err());
    }

    #[test]
    fn a_round_is_compared_with_itself() {
        let seen = |watcher, rounds: [f64; 2]| Seen {
            rounds: rounds.iter().map(|ns| vec![*ns]).collect(),
            ..Seen::new(watcher)
        };
        // The machine became twice as slow between the rounds.
        let turns = Turns {
            all: vec![
                seen(Watcher::Nobody, [99.0, 198.0]),
                seen(Watcher::PySpy, [150.0, 300.0]),
                seen(Watcher::NobodyAgain, [101.0, 202.0]),
            ],
        };
        let ratios = turns.ratios(&turns.all[1], median).expect("two rounds");
        assert!(ratios.iter().all(|ratio| close(*ratio, 1.5)), "{ratios:?}");
        assert!(close(turns.noise(median).expect("two rounds"), 2.0));
    }
}
