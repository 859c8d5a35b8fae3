//! What a program measured of itself, and what follows from that.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{
    labels::Label,
    row::{Class, Detail, Judgement},
};
use crate::clocks::Schedstat;

/// More of the time that a program wanted a CPU than this, and it is starved ...
const STARVED_FROM: f64 = 0.3;
/// ... less than this, and it is not; what lies between is left out.
const NOT_STARVED_BELOW: f64 = 0.2;
/// It must have waited for a CPU for this share of the wall time besides.
const STARVED_MIN_OF_WALL: f64 = 0.05;

/// What it means that a program waited for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starvation {
    /// It was made to: right is to say so.
    Made,
    /// An accident: the run is not valid, except of spins, which must be seen nevertheless.
    Accident,
    /// An accident that excuses everything.
    Excused,
}

/// Waits by who was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sockets.
    Network,
    /// Block devices.
    Disk,
    /// Child processes.
    Child,
    /// Pipes, and the socket pairs that stand for them.
    Pipe,
    /// Locks.
    Lock,
}

/// Times of one thread, nanoseconds.
#[derive(Clone, Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "units are part of names")]
pub struct ThreadTruth {
    wall_ns: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
}

/// Waits that a program timed itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Timed {
    /// How many.
    pub count: u64,
    /// How long in all.
    pub total_ns: u64,
}

/// A program's last line.
#[derive(Clone, Debug, Deserialize)]
pub struct Truth {
    wall_ns: u64,
    cpu_ns: u64,
    threads: Vec<ThreadTruth>,
    waits: BTreeMap<Kind, Timed>,
    major_faults: u64,
    /// For how long its control group's quota held it back, as the kernel says: not a
    /// program's own figure.
    #[serde(default)]
    pub held_back_ns: u64,
}

/// Shares of the time of all threads, which sum to one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeVector {
    /// On a CPU.
    pub on_cpu: f64,
    /// Ready to run and not run.
    pub for_cpu: f64,
    /// Blocked, as far as the program timed it.
    pub waits: BTreeMap<Kind, f64>,
    /// Blocked otherwise.
    pub other: f64,
}

impl TimeVector {
    /// Half the sum of the differences: 0 if they agree, 1 if they have nothing in common.
    pub fn distance(&self, other: &Self) -> f64 {
        let wait = |vector: &Self, kind| vector.waits.get(kind).copied().unwrap_or(0.0);
        let kinds: std::collections::BTreeSet<_> =
            self.waits.keys().chain(other.waits.keys()).collect();
        let waits: f64 = kinds
            .into_iter()
            .map(|kind| (wait(self, kind) - wait(other, kind)).abs())
            .sum();
        let rest = (self.on_cpu - other.on_cpu).abs()
            + (self.for_cpu - other.for_cpu).abs()
            + (self.other - other.other).abs();
        f64::midpoint(waits, rest)
    }
}

impl Truth {
    /// CPU time of the process over wall time.
    pub fn cpu_over_wall(&self) -> f64 {
        self.cpu_ns as f64 / self.wall_ns.max(1) as f64
    }

    /// Time in waits of these kinds that it timed, of wall time; more than one if threads
    /// wait at once.
    fn timed_share(&self, kinds: &[Kind]) -> f64 {
        let timed: u64 = kinds
            .iter()
            .filter_map(|kind| Some(self.waits.get(kind)?.total_ns))
            .sum();
        timed as f64 / self.wall_ns.max(1) as f64
    }

    /// The kinds of waits that it timed.
    pub fn kinds(&self) -> Vec<Kind> {
        self.waits.keys().copied().collect()
    }

    /// Where the time of its threads went.
    pub fn vector(&self, has_quota: bool) -> TimeVector {
        let sum = |part: fn(&ThreadTruth) -> u64| self.threads.iter().map(part).sum::<u64>() as f64;
        let wall_ns = sum(|thread| thread.wall_ns).max(1.0);
        let cpu_ns = sum(|thread| thread.cpu_ns).min(wall_ns);
        let timed_ns: u64 = self.waits.values().map(|timed| timed.total_ns).sum();
        let off_ns = wall_ns - cpu_ns;
        let for_cpu_ns = if has_quota {
            // The scheduler's figure leaves out on some kernels for how long a group is held
            // back. What is no wait of the program's own is the machine's.
            (off_ns - timed_ns as f64).max(0.0)
        } else {
            sum(|thread| thread.run_delay_ns).min(off_ns)
        };
        self.shares(wall_ns, cpu_ns, for_cpu_ns)
    }

    /// The same of a part of its life, from `begin` to `end` (nanoseconds since 1970), by the
    /// kernel's clocks of its threads: what it waited for is shared out as in its whole life.
    /// `None` if no thread was there.
    pub fn vector_in(
        &self,
        clocks: &HashMap<i64, Schedstat>,
        (begin, end): (i64, i64),
    ) -> Option<TimeVector> {
        let (mut wall_ns, mut cpu_ns, mut for_cpu_ns) = (0, 0, 0);
        for clock in clocks.values() {
            let readings = &clock.on_cpu.0;
            let (Some((first, _)), Some((last, _))) = (readings.first(), readings.last()) else {
                continue;
            };
            let (from, until) = (begin.max(*first), end.min(*last));
            if from < until {
                wall_ns += until - from;
                cpu_ns += clock.on_cpu.grown(from, until);
                for_cpu_ns += clock.run_delay.grown(from, until);
            }
        }
        if wall_ns == 0 {
            return None;
        }
        let cpu_ns = cpu_ns.min(wall_ns);
        let for_cpu_ns = for_cpu_ns.min(wall_ns - cpu_ns);
        Some(self.shares(wall_ns as f64, cpu_ns as f64, for_cpu_ns as f64))
    }

    /// What is neither on a CPU nor waits for one is blocked: for what, the program has timed.
    fn shares(&self, wall_ns: f64, cpu_ns: f64, for_cpu_ns: f64) -> TimeVector {
        let timed_ns: u64 = self.waits.values().map(|timed| timed.total_ns).sum();
        // What it timed in its whole life, in this part of it.
        let life_ns = self
            .threads
            .iter()
            .map(|thread| thread.wall_ns)
            .sum::<u64>();
        let part = wall_ns / (life_ns as f64).max(1.0);
        let timed_ns = timed_ns as f64 * part;
        let blocked_ns = wall_ns - cpu_ns - for_cpu_ns;
        // A stop-watch also runs while a thread waits for a CPU, and for the GIL.
        let scale = (blocked_ns / timed_ns.max(1.0)).min(1.0) * part;
        let waits: BTreeMap<Kind, f64> = self
            .waits
            .iter()
            .map(|(kind, timed)| (*kind, timed.total_ns as f64 * scale / wall_ns))
            .collect();
        let waited: f64 = waits.values().sum();
        TimeVector {
            on_cpu: cpu_ns / wall_ns,
            for_cpu: for_cpu_ns / wall_ns,
            other: (blocked_ns / wall_ns - waited).max(0.0),
            waits,
        }
    }

    /// The share that its threads had no CPU of the time that they wanted one; of a program that is
    /// to wait for others, of all their time. And that time as a share of wall time.
    fn starvation(&self, class: Class) -> (f64, f64) {
        let delay_ns: u64 = self.threads.iter().map(|thread| thread.run_delay_ns).sum();
        let of_ns = match class {
            Class::IoBound | Class::LockBound | Class::MemoryBound => {
                self.threads.iter().map(|thread| thread.wall_ns).sum()
            }
            _ => delay_ns + self.cpu_ns,
        };
        (
            delay_ns as f64 / of_ns.max(1) as f64,
            delay_ns as f64 / self.wall_ns.max(1) as f64,
        )
    }

    /// Whether its group's quota kept it from a CPU more than others did. The scheduler's
    /// delay has that time on some kernels, on others not.
    fn is_held_back(&self) -> bool {
        let on_cpu_or_waits = self.cpu_over_wall() + self.timed_share(&self.kinds());
        let held_back = self.held_back_ns as f64 / self.wall_ns.max(1) as f64;
        held_back >= (1.0 - on_cpu_or_waits) / 2.0
    }

    /// What would be right to say of this run, or why nothing would be.
    pub fn right(&self, label: &Label, starvation: Starvation) -> Result<Judgement, String> {
        let mut right = label.judgement();
        let (of_wanted, of_wall) = self.starvation(label.class);
        let may_starve = match label.class {
            Class::CpuStarved => false,
            // A proved busy-wait is one whatever the machine does.
            Class::BusyWaiting => starvation == Starvation::Excused,
            _ => true,
        };
        if may_starve && of_wanted >= NOT_STARVED_BELOW && of_wall >= STARVED_MIN_OF_WALL {
            let waited = format!(
                "waited for a CPU {:.0} % of the time {}",
                of_wanted * 100.0,
                match label.class {
                    Class::IoBound | Class::LockBound | Class::MemoryBound => "of its threads",
                    _ => "it wanted one",
                }
            );
            if starvation != Starvation::Made {
                return Err(format!("the machine was too busy: it {waited}"));
            }
            if of_wanted < STARVED_FROM {
                return Err(format!("neither starved nor not: it {waited}"));
            }
            right.otherwise = Some(right.class);
            right.class = Class::CpuStarved;
            right.detail = None;
        }
        if right.detail == Some(Detail::Throttled) && !self.is_held_back() {
            if starvation != Starvation::Made {
                return Err("the machine was too busy to tell its quota by".to_owned());
            }
            right.detail = None;
        }
        self.contradiction(label).map_or(Ok(right), Err)
    }

    /// Where its own clocks say that it was not what its label says.
    fn contradiction(&self, label: &Label) -> Option<String> {
        let cpu = self.cpu_over_wall();
        let delayed = self.starvation(label.class).1;
        // What it used of what it could have had.
        let had = (1.0 - delayed).max(0.05);
        let quota = label.quota_pct.map_or(1.0, |pct| f64::from(pct) / 100.0);
        let io = self.timed_share(&[Kind::Network, Kind::Disk, Kind::Child, Kind::Pipe]);
        let locked = self.timed_share(&[Kind::Lock]);
        let wants = |holds: bool, what: String| (!holds).then_some(what);
        match label.class {
            Class::BusyWaiting if label.detail == Some(Detail::MicroSleep) => None,
            Class::BusyWaiting | Class::CpuBound => wants(
                cpu >= 0.6 * had.min(quota),
                format!("it was on a CPU for {:.0} % of the time only", cpu * 100.0),
            ),
            Class::IoBound => wants(
                cpu <= 0.35 && (self.waits.is_empty() || io >= 0.5),
                format!(
                    "it waited for {:.0} % of the time and computed for {:.0} %",
                    io * 100.0,
                    cpu * 100.0
                ),
            ),
            Class::LockBound if label.detail == Some(Detail::Gil) => {
                let busy = self
                    .threads
                    .iter()
                    .filter(|thread| thread.cpu_ns as f64 >= 0.05 * self.wall_ns as f64);
                wants(
                    busy.count() >= 2 && (0.6 * had..1.4).contains(&cpu),
                    format!("its threads did not fight: {:.0} % of a CPU", cpu * 100.0),
                )
            }
            Class::LockBound => wants(
                locked >= 0.5,
                format!(
                    "it waited for locks for {:.0} % of the time",
                    locked * 100.0
                ),
            ),
            Class::CpuStarved => wants(
                1.0 - cpu - io - locked >= 0.25,
                format!("it had a CPU for {:.0} % of the time", cpu * 100.0),
            ),
            Class::MemoryBound => {
                let rate = self.major_faults as f64 / (self.wall_ns as f64 / 1e9);
                wants(
                    rate >= 20.0 && cpu <= 0.7,
                    format!(
                        "{rate:.0} major faults a second, {:.0} % on a CPU",
                        cpu * 100.0
                    ),
                )
            }
            Class::Idle => wants(
                cpu < 0.05,
                format!("it was on a CPU for {:.0} % of the time", cpu * 100.0),
            ),
            Class::Mixed => {
                let share = cpu / (cpu + io).max(f64::MIN_POSITIVE);
                wants(
                    (0.425..0.575).contains(&share),
                    format!(
                        "{:.0} % computing, {:.0} % waiting",
                        cpu * 100.0,
                        io * 100.0
                    ),
                )
            }
            Class::Unknown => Some("no program is that".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Kind, Starvation, TimeVector, Truth};
    use crate::{
        clocks::{Clock, Schedstat},
        corpus::{
            labels::{Label, read},
            row::{Class, Detail},
        },
    };

    /// A millisecond in nanoseconds.
    const MS: i64 = 1_000_000;

    fn label(name: &str) -> Label {
        let labels = read().expect("labels.toml is right");
        let found = labels.into_iter().find(|label| label.name == name);
        found.expect("it has a label")
    }

    /// One thread of 1000 ms.
    fn truth(cpu_ms: u64, delay_ms: u64, waits: &str) -> Truth {
        serde_json::from_str(&format!(
            r#"{{"wall_ns": 1000000000, "cpu_ns": {cpu}, "waits": {{{waits}}}, "major_faults": 0,
                "threads": [{{"wall_ns": 1000000000, "cpu_ns": {cpu}, "run_delay_ns": {delay}}}]}}"#,
            cpu = cpu_ms * 1_000_000,
            delay = delay_ms * 1_000_000,
        ))
        .expect("it is what programs write")
    }

    const NETWORK: &str = r#""network": {"count": 9, "total_ns": 900000000}"#;

    #[test]
    fn a_label_holds_as_far_as_the_clocks_agree() {
        let right = |name, truth: &Truth| {
            truth
                .right(&label(name), Starvation::Accident)
                .map(|right| right.class)
        };
        assert_eq!(
            right("image_blur", &truth(980, 10, "")),
            Ok(Class::CpuBound)
        );
        assert!(right("image_blur", &truth(400, 10, "")).is_err());
        assert_eq!(
            right("stock_sync", &truth(50, 0, NETWORK)),
            Ok(Class::IoBound)
        );
        assert!(right("stock_sync", &truth(500, 0, NETWORK)).is_err());
        assert!(right("status_page", &truth(100, 0, "")).is_err());
        let throttled = Truth {
            held_back_ns: 740_000_000,
            ..truth(250, 0, "")
        };
        assert_eq!(right("throttled_report", &throttled), Ok(Class::CpuStarved));
        assert!(right("throttled_report", &truth(950, 0, "")).is_err());
    }

    #[test]
    fn starved_by_accident_is_not_valid_and_on_purpose_is_right() {
        let starved = truth(500, 490, "");
        assert!(
            starved
                .right(&label("image_blur"), Starvation::Accident)
                .is_err()
        );
        let right = starved
            .right(&label("image_blur"), Starvation::Made)
            .expect("it starved");
        assert_eq!(right.class, Class::CpuStarved);
        assert_eq!(right.otherwise, Some(Class::CpuBound));
        let spins = starved
            .right(&label("config_reload"), Starvation::Made)
            .expect("it spins");
        assert_eq!(spins.class, Class::BusyWaiting);
        // Who waits for others most of the time does not starve for the little it computes.
        let waits = truth(60, 60, NETWORK).right(&label("price_crawler"), Starvation::Made);
        assert_eq!(waits.map(|right| right.class), Ok(Class::IoBound));
        let excused = starved.right(&label("config_reload"), Starvation::Excused);
        assert!(excused.is_err());
        assert!(
            truth(740, 250, "")
                .right(&label("image_blur"), Starvation::Made)
                .is_err()
        );
    }

    #[test]
    fn who_waits_for_others_shows_no_quota() {
        let right = |held_back_ms: u64, starvation| {
            let mut truth = truth(250, 740, "");
            truth.held_back_ns = held_back_ms * 1_000_000;
            truth
                .right(&label("throttled_report"), starvation)
                .map(|right| right.detail)
        };
        let throttled = Ok(Some(Detail::Throttled));
        assert_eq!(right(700, Starvation::Accident), throttled);
        assert!(right(200, Starvation::Excused).is_err());
        assert_eq!(right(200, Starvation::Made), Ok(None));
    }

    #[test]
    fn time_is_shared_out_without_a_rest() {
        let vector = truth(100, 50, NETWORK).vector(false);
        // 900 ms were timed, of which 850 can have been blocked.
        assert!(
            (vector.waits[&Kind::Network] - 0.85).abs() < 1e-9,
            "{vector:?}"
        );
        assert!((vector.on_cpu - 0.1).abs() < 1e-9);
        assert!((vector.for_cpu - 0.05).abs() < 1e-9);
        assert!(vector.other.abs() < 1e-9);
        let throttled = truth(250, 10, "").vector(true);
        assert!((throttled.for_cpu - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_part_of_its_life_is_by_the_kernel_s_clocks() {
        // Of a second on the kernel's clocks, from 0.5 s on it computes for all of it.
        let clock = |points: [(i64, i64); 3]| Clock(points.map(|(t, v)| (t * MS, v * MS)).to_vec());
        let clocks = HashMap::from([(
            1,
            Schedstat {
                on_cpu: clock([(0, 0), (500, 100), (1_000, 600)]),
                run_delay: clock([(0, 0), (500, 50), (1_000, 50)]),
            },
        )]);
        let program = truth(600, 50, NETWORK);
        let first = program.vector_in(&clocks, (0, 500 * MS)).unwrap();
        assert!((first.on_cpu - 0.2).abs() < 1e-9, "{first:?}");
        assert!((first.for_cpu - 0.1).abs() < 1e-9, "{first:?}");
        assert!(
            (first.waits[&Kind::Network] - 0.7).abs() < 1e-9,
            "{first:?}"
        );
        let second = program.vector_in(&clocks, (500 * MS, 2_000 * MS)).unwrap();
        assert!((second.on_cpu - 1.0).abs() < 1e-9, "{second:?}");
        assert_eq!(program.vector_in(&clocks, (2_000 * MS, 3_000 * MS)), None);
    }

    #[test]
    fn distance_is_nothing_to_one() {
        let one = truth(1000, 0, "").vector(false);
        assert!(one.distance(&one).abs() < 1e-9);
        let other = TimeVector {
            other: 1.0,
            ..TimeVector::default()
        };
        assert!((one.distance(&other) - 1.0).abs() < 1e-9);
    }
}
