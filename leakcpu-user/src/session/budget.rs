//! What watching context switches may cost, and what is left out to keep to it.
//!
//! Times are never left out: what degrades is the stacks first, then the reasons of waits.
//! docs/times.md says how what is missing is estimated.

use leakcpu_common::config::MAX_STANDS_FOR;

use crate::model::{Detail, SamplingStep};

/// Switches a second from which on the whole budget may be spent. Below, a proportional
/// part of it may, so that a switch costs the same ...
const FULL_BUDGET_SWITCHES_PER_S: f64 = 100_000.0;
/// ... but never less than this part of it.
const LEAST_PART: f64 = 0.1;
/// Nanoseconds for a switch from a CPU, one to it and the wake-up, without a walk, until
/// they are measured (docs/bench.md has 250), and what a measurement is believed to be.
const ASSUMED_SWITCH_NS: f64 = 250.0;
const BELIEVED_SWITCH_NS: std::ops::RangeInclusive<f64> = 50.0..=5_000.0;
/// What a program run costs that finds nobody who is watched (docs/bench.md).
const UNWATCHED_RUN_NS: f64 = 50.0;
/// Program runs for one watched switch: from a CPU, wake-up, to a CPU.
const RUNS_PER_SWITCH: u64 = 3;
/// Fewer switches than this tell nothing of what each costs.
const MEASURABLE_SWITCHES: u64 = 200;
/// The gap of [`Detail::FewStacks`].
const FEW_GAP_NS: f64 = 1e9;
/// Walks are made of a larger part of the switches again if that would take this part of
/// what is allowed ...
const CALM_PART: f64 = 0.8;
/// ... at so many looks in a row.
const CALM_LOOKS: u32 = 10;
/// Gaps within this of the right one are left alone.
const GAP_PLAY: f64 = 1.15;
/// A gap changes by this factor at most from one look to the next.
const GAP_FACTOR: f64 = 8.0;

/// What the programs have counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub at_ns: u64,
    /// Switches of watched threads from a CPU.
    pub switches: u64,
    /// Those without a walk.
    pub without_stack: u64,
    pub walks_timed: u64,
    pub walks_timed_ns: u64,
}

/// What the kernel has counted of the programs of switches and wake-ups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub count: u64,
    pub ns: u64,
}

/// What the programs are to be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Setting {
    pub gap_ns: u64,
    pub counters_only: bool,
}

/// Keeps to a budget.
#[derive(Debug)]
pub(super) struct Budget {
    /// Share of a core.
    share: f64,
    begin_ns: u64,
    last: Load,
    detail: Detail,
    gap_ns: f64,
    walk: Cost,
    /// Of a switch without a walk, where its registers are read ...
    switch: Cost,
    /// ... and where they are not.
    counted_switch: Cost,
    calm_looks: u32,
    steps: Vec<SamplingStep>,
    hz: u32,
}

impl Budget {
    /// A budget of `share` of a core, of a run whose samples are taken at `hz`.
    pub(super) fn new(share: f64, hz: u32) -> Self {
        Self {
            share,
            begin_ns: 0,
            last: Load::default(),
            detail: Detail::AllStacks,
            gap_ns: 0.0,
            walk: Cost([0.0; 3]),
            switch: Cost([ASSUMED_SWITCH_NS; 3]),
            counted_switch: Cost([ASSUMED_SWITCH_NS; 3]),
            calm_looks: 0,
            steps: Vec::new(),
            hz,
        }
    }

    /// The window begins.
    pub(super) fn begin(&mut self, load: Load) {
        self.begin_ns = load.at_ns;
        // What holds already holds from the beginning.
        self.steps = self.steps.pop().into_iter().collect();
        self.steps.retain(|step| step.detail != Detail::default());
        for step in &mut self.steps {
            step.at_ns = 0;
        }
        self.last = load;
    }

    /// The steps taken.
    pub(super) fn steps(&self) -> &[SamplingStep] {
        &self.steps
    }

    /// Learns what a switch costs from a moment in which the kernel counted.
    pub(super) fn measured(&mut self, before: (Load, Runs), after: (Load, Runs)) {
        let switches = after.0.switches.saturating_sub(before.0.switches);
        if switches < MEASURABLE_SWITCHES {
            return;
        }
        let without = after.0.without_stack.saturating_sub(before.0.without_stack);
        let runs = after.1.count.saturating_sub(before.1.count);
        let others = runs.saturating_sub(RUNS_PER_SWITCH * switches);
        let walks_ns = switches.saturating_sub(without) as f64 * self.walk.ns();
        let run_ns = after.1.ns.saturating_sub(before.1.ns) as f64;
        let rest_ns = run_ns - walks_ns - others as f64 * UNWATCHED_RUN_NS;
        let each_ns = (rest_ns / switches as f64)
            .clamp(*BELIEVED_SWITCH_NS.start(), *BELIEVED_SWITCH_NS.end());
        let known = if self.detail == Detail::Counters {
            &mut self.counted_switch
        } else {
            &mut self.switch
        };
        known.measured(each_ns);
    }

    /// Looks at what the programs have done since the last look; what they are to be told
    /// if that changes.
    pub(super) fn look(&mut self, now: Load) -> Option<Setting> {
        let last = std::mem::replace(&mut self.last, now);
        let span_s = now.at_ns.saturating_sub(last.at_ns) as f64 / 1e9;
        if span_s <= 0.0 {
            return None;
        }
        let timed = now.walks_timed.saturating_sub(last.walks_timed);
        if timed > 0 {
            let ns = now.walks_timed_ns.saturating_sub(last.walks_timed_ns);
            self.walk.measured(ns as f64 / timed as f64);
        }
        let switches = now.switches.saturating_sub(last.switches);
        let without = now.without_stack.saturating_sub(last.without_stack);
        let rates = Rates {
            switches: switches as f64 / span_s,
            walks: switches.saturating_sub(without) as f64 / span_s,
        };
        let before = (self.detail, self.gap_ns);
        self.decide(rates, now.at_ns);
        ((self.detail, self.gap_ns) != before).then(|| self.setting())
    }

    fn setting(&self) -> Setting {
        Setting {
            // A gap in nanoseconds, a second at most.
            gap_ns: std::time::Duration::from_secs_f64(self.gap_ns / 1e9)
                .as_nanos()
                .try_into()
                .unwrap_or(u64::MAX),
            counters_only: self.detail == Detail::Counters,
        }
    }

    /// Nanoseconds of a second that so many switches may cost.
    fn allowed_ns(&self, rates: Rates) -> f64 {
        let part = (rates.switches / FULL_BUDGET_SWITCHES_PER_S).clamp(LEAST_PART, 1.0);
        self.share * part * 1e9
    }

    fn decide(&mut self, rates: Rates, now_ns: u64) {
        let allowed_ns = self.allowed_ns(rates);
        let base_ns = rates.switches * self.switch.ns();
        let walk_ns = self.walk.ns().max(1.0);
        // Walks a second that there is room for.
        let affordable = (allowed_ns - base_ns) / walk_ns;
        let calm = (CALM_PART * allowed_ns - base_ns) / walk_ns;
        let (next, is_calm) = match self.detail {
            Detail::AllStacks if affordable >= rates.switches => (Detail::AllStacks, false),
            Detail::AllStacks | Detail::SomeStacks
                if affordable * MAX_STANDS_FOR as f64 <= rates.switches =>
            {
                (Detail::FewStacks, false)
            }
            Detail::AllStacks => (Detail::SomeStacks, false),
            Detail::SomeStacks => (Detail::AllStacks, calm >= rates.switches),
            Detail::FewStacks if base_ns > allowed_ns => (Detail::Counters, false),
            Detail::FewStacks => (Detail::SomeStacks, calm > 0.0),
            Detail::Counters => (Detail::FewStacks, base_ns < CALM_PART * allowed_ns),
        };
        let is_finer = next < self.detail;
        self.calm_looks = if is_finer && is_calm {
            self.calm_looks + 1
        } else {
            0
        };
        if next != self.detail && (!is_finer || self.calm_looks >= CALM_LOOKS) {
            self.step(next, rates, allowed_ns, now_ns);
            self.gap_ns = match next {
                Detail::AllStacks => 0.0,
                Detail::SomeStacks => (1e9 / affordable.max(1.0)).min(FEW_GAP_NS),
                Detail::FewStacks | Detail::Counters => FEW_GAP_NS,
            };
        } else if self.detail == Detail::SomeStacks {
            self.adjust(rates, affordable);
        }
    }

    /// How many walks a gap leads to depends on how the switches spread over the threads:
    /// it is found by trying.
    fn adjust(&mut self, rates: Rates, affordable: f64) {
        let factor = (rates.walks / affordable.max(1.0)).clamp(1.0 / GAP_FACTOR, GAP_FACTOR);
        if (1.0 / GAP_PLAY..=GAP_PLAY).contains(&factor) {
            return;
        }
        self.gap_ns = (self.gap_ns * factor).clamp(1_000.0, FEW_GAP_NS);
    }

    fn step(&mut self, next: Detail, rates: Rates, allowed_ns: f64, now_ns: u64) {
        let each = if self.detail == Detail::Counters {
            &self.counted_switch
        } else {
            &self.switch
        };
        let cost_ns = rates.switches * each.ns() + rates.walks * self.walk.ns();
        let why = format!(
            "{:.0} context switches a second cost {:.2} % of a core, {:.2} % is allowed",
            rates.switches,
            cost_ns / 1e7,
            allowed_ns / 1e7
        );
        tracing::info!(detail = next.name(), why, "budget");
        self.detail = next;
        self.calm_looks = 0;
        self.steps.push(SamplingStep {
            at_ns: now_ns.saturating_sub(self.begin_ns),
            hz: self.hz,
            detail: next,
            why,
        });
    }
}

/// What one of something costs, in nanoseconds: the last three measurements, of which the
/// middle one counts, for the hypervisor may have had the CPU in any of them.
#[derive(Clone, Copy, Debug)]
struct Cost([f64; 3]);

impl Cost {
    const fn measured(&mut self, ns: f64) {
        self.0 = [self.0[1], self.0[2], ns];
    }

    const fn ns(&self) -> f64 {
        let [a, b, c] = self.0;
        a.max(b).min(a.min(b).max(c))
    }
}

/// Of one second.
#[derive(Clone, Copy, Debug)]
struct Rates {
    switches: f64,
    walks: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK_NS: u64 = 100_000_000;

    /// A target of threads that switch at even rates, and programs that do as they are told.
    struct World {
        now: Load,
        /// Switches a second of each thread.
        threads: Vec<f64>,
        walk_ns: f64,
        setting: Setting,
    }

    impl World {
        fn new(threads: &[f64]) -> Self {
            Self {
                now: Load::default(),
                threads: threads.to_vec(),
                walk_ns: 650.0,
                setting: Setting {
                    gap_ns: 0,
                    counters_only: false,
                },
            }
        }

        fn run(&mut self) -> f64 {
            let (mut switches, mut walks) = (0.0, 0.0);
            for rate in &self.threads {
                let n =
                    (self.setting.gap_ns as f64 / (1e9 / rate)).clamp(1.0, MAX_STANDS_FOR as f64);
                switches += rate * 0.1;
                walks += rate * 0.1 / n.floor();
            }
            let whole = |x: f64| format!("{x:.0}").parse::<u64>().unwrap();
            self.now.at_ns += LOOK_NS;
            self.now.switches += whole(switches);
            self.now.without_stack += whole(switches - walks);
            self.now.walks_timed += whole(walks / 16.0);
            self.now.walks_timed_ns += whole(walks / 16.0) * whole(self.walk_ns);
            // Share of a core.
            (switches * ASSUMED_SWITCH_NS + walks * self.walk_ns) / 1e8
        }

        /// Runs for some seconds; the share of the last one.
        fn settle(&mut self, budget: &mut Budget, looks: u32) -> f64 {
            let mut last = Vec::new();
            for _ in 0..looks {
                last.push(self.run());
                if let Some(setting) = budget.look(self.now) {
                    self.setting = setting;
                }
            }
            let tail = &last[last.len() - 5..];
            tail.iter().sum::<f64>() / 5.0
        }
    }

    #[test]
    fn few_switches_are_all_walked() {
        let (mut world, mut budget) = (World::new(&[100.0; 30]), Budget::new(0.05, 99));
        world.settle(&mut budget, 50);
        assert_eq!(budget.detail, Detail::AllStacks);
        assert!(budget.steps().is_empty());
    }

    #[test]
    fn the_aims_hold_whatever_the_threads() {
        for (threads, allowed) in [
            (vec![10_000.0], 0.005),
            (vec![1_000.0; 10], 0.005),
            (vec![100_000.0], 0.05),
            (vec![10.0; 10_000], 0.05),
            ([vec![50_000.0], vec![5_000.0; 10]].concat(), 0.05),
        ] {
            let (mut world, mut budget) = (World::new(&threads), Budget::new(0.05, 99));
            let share = world.settle(&mut budget, 50);
            assert_eq!(
                budget.detail,
                Detail::SomeStacks,
                "{} threads",
                threads.len()
            );
            assert!(share < allowed * 1.2, "{share} of {allowed}");
            assert!(share > allowed * 0.5, "{share} of {allowed}");
        }
    }

    #[test]
    fn it_goes_down_step_by_step_and_up_again() {
        let (mut world, mut budget) = (World::new(&[50_000.0]), Budget::new(0.001, 99));
        world.settle(&mut budget, 50);
        assert_eq!(budget.detail, Detail::Counters);
        assert!(budget.setting().counters_only);
        world.threads = vec![50.0];
        world.settle(&mut budget, 100);
        assert_eq!(budget.detail, Detail::AllStacks);
        let details: Vec<Detail> = budget.steps().iter().map(|s| s.detail).collect();
        assert_eq!(details.first(), Some(&Detail::FewStacks));
        assert_eq!(details.last(), Some(&Detail::AllStacks));
    }

    #[test]
    fn what_a_switch_costs_is_measured() {
        let mut budget = Budget::new(0.05, 99);
        let load = |switches| Load {
            switches,
            without_stack: switches,
            ..Load::default()
        };
        let runs = |count, ns| Runs { count, ns };
        for _ in 0..20 {
            // 1000 switches of 400 ns each, and 500 runs for nobody.
            budget.measured((load(0), runs(0, 0)), (load(1_000), runs(3_500, 425_000)));
        }
        assert!(
            (budget.switch.ns() - 400.0).abs() < 1.0,
            "{}",
            budget.switch.ns()
        );
    }
}
