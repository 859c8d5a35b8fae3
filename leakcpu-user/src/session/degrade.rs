//! Degrading in steps: what the programs counted goes to the budget, what it decides to them.

use leakcpu_common::{counters::Counter, names::programs};

use super::{
    Session, SessionError,
    budget::{Load, Runs},
};
use crate::collect::monotonic_ns;

/// Ticks between two looks at what context switches cost.
const BUDGET_TICKS: u32 = 4;

impl Session {
    /// The window begins.
    pub(super) fn begin_budget(&mut self) -> Result<(), SessionError> {
        let load = self.load()?;
        self.budget.begin(load);
        Ok(())
    }

    /// To be called at every tick, after the meter's.
    pub(super) fn keep_budget(&mut self) -> Result<(), SessionError> {
        if let Some(before) = self.budget_before.take() {
            let after = (self.load()?, self.switch_runs());
            self.budget.measured(before, after);
        } else if self.meter.is_counting() {
            self.budget_before = Some((self.load()?, self.switch_runs()));
        }
        if !self.ticks.is_multiple_of(BUDGET_TICKS) {
            return Ok(());
        }
        let load = self.load()?;
        if let Some(setting) = self.budget.look(load) {
            self.probes
                .maps()?
                .degrade(setting.gap_ns, setting.counters_only)?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Load, SessionError> {
        let maps = self.probes.maps()?;
        Ok(Load {
            at_ns: monotonic_ns(),
            switches: maps.counter(Counter::SwitchesWatched)?,
            without_stack: maps.counter(Counter::SwitchesWithoutStack)?,
            walks_timed: maps.counter(Counter::SwitchWalksTimed)?,
            walks_timed_ns: maps.counter(Counter::SwitchWalkNs)?,
        })
    }

    fn switch_runs(&self) -> Runs {
        let stats = self.probes.run_stats();
        let mut runs = Runs::default();
        for program in [programs::SCHED_SWITCH, programs::SCHED_WAKEUP] {
            let stats = stats.get(program).copied().unwrap_or_default();
            runs.count += stats.run_count;
            runs.ns += stats.run_time_ns;
        }
        runs
    }
}
