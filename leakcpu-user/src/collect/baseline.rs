//! What the maps held when the window began.
//!
//! Threads are watched one after the other, and the window begins when all are: what was
//! added up until then is taken off at its end.

use std::collections::HashMap;

use leakcpu_common::{
    counters::Counter,
    rival::{Rival, RivalKey},
    thread::{ThreadState, run_state, thread_flags},
    totals::{Totals, TotalsKey},
    wake::{Wake, WakeKey},
};

use super::{
    snapshot::{ThreadRecord, generation},
    totals::read_totals,
};
use crate::probes::{KernelMaps, ProbeError};

/// Looks at a thread that is being switched, until two show the same.
const LOOKS: usize = 4;

/// The maps as they were at the window's beginning.
#[derive(Debug, Default)]
pub struct Baseline {
    start_ns: u64,
    threads: HashMap<(u32, u32), ThreadState>,
    totals: HashMap<TotalsKey, Totals>,
    rivals: HashMap<RivalKey, Rival>,
    wakes: HashMap<WakeKey, Wake>,
    counters: Vec<(Counter, u64)>,
}

impl Baseline {
    /// Reads the maps; `start_ns` is when the window begins, and is now. What was lost
    /// before the first window counts as lost in it.
    pub fn read(maps: &KernelMaps<'_>, start_ns: u64, is_first: bool) -> Result<Self, ProbeError> {
        let mut baseline = Self {
            start_ns,
            totals: read_totals(maps)?,
            ..Self::default()
        };
        for entry in &maps.rivals {
            let (key, rival) = entry?;
            baseline.rivals.insert(key, rival);
        }
        for entry in &maps.wakes {
            let (key, wake) = entry?;
            baseline.wakes.insert(key, wake);
        }
        for entry in &maps.threads {
            let (tid, mut state) = entry?;
            for _ in 0..LOOKS {
                let Ok(again) = maps.threads.get(&tid, 0) else {
                    break;
                };
                let is_settled = figures(&again) == figures(&state);
                state = again;
                if is_settled {
                    break;
                }
            }
            baseline.add_thread(&state);
        }
        for counter in Counter::ALL
            .into_iter()
            .filter(|c| !is_first || !c.is_loss())
        {
            baseline.counters.push((counter, maps.counter(counter)?));
        }
        Ok(baseline)
    }

    fn add_thread(&mut self, state: &ThreadState) {
        let open_ns = self.start_ns.saturating_sub(state.state_since_ns);
        let held = state.flags & thread_flags::THROTTLED != 0;
        let part = match state.run_state {
            run_state::BLOCKED => Totals {
                blocked_ns: open_ns,
                ..Totals::default()
            },
            run_state::RUNNABLE => Totals {
                blocked_ns: state.off_blocked_ns,
                runnable_ns: if held { 0 } else { open_ns },
                ..Totals::default()
            },
            _ => Totals::default(),
        };
        if state.off_since_ns != 0 {
            // Added up when the wait ends.
            let key = TotalsKey {
                stack: state.wait_stack,
                wait: state.wait,
                tid: state.tid,
                generation: generation(state),
            };
            let known = self.totals.entry(key).or_default();
            known.blocked_ns += part.blocked_ns;
            known.runnable_ns += part.runnable_ns;
        }
        self.threads.insert((state.tid, generation(state)), *state);
    }

    /// The window's part of what was added up under `key`; `None` if it has none.
    pub(super) fn totals(&self, key: &TotalsKey, mut totals: Totals) -> Option<Totals> {
        if let Some(before) = self.totals.get(key) {
            totals.count = totals.count.saturating_sub(before.count);
            totals.blocked_ns = totals.blocked_ns.saturating_sub(before.blocked_ns);
            totals.runnable_ns = totals.runnable_ns.saturating_sub(before.runnable_ns);
            totals.max_blocked_ns = totals.max_blocked_ns.min(totals.blocked_ns);
            totals.stands_for = totals.stands_for.since(before.stands_for);
        }
        let is_empty = totals.count == 0 && totals.blocked_ns == 0 && totals.runnable_ns == 0;
        (!is_empty).then_some(totals)
    }

    /// The window's part of what a rival is charged with.
    pub(super) fn rival(&self, key: &RivalKey, mut rival: Rival) -> Rival {
        if let Some(before) = self.rivals.get(key) {
            rival.ran_ns = rival.ran_ns.saturating_sub(before.ran_ns);
            rival.count = rival.count.saturating_sub(before.count);
        }
        rival
    }

    /// The window's part of what a waker is charged with.
    pub(super) fn wake(&self, key: &WakeKey, mut wake: Wake) -> Wake {
        if let Some(before) = self.wakes.get(key) {
            wake.looks = wake.looks.saturating_sub(before.looks);
            wake.waited_ns = wake.waited_ns.saturating_sub(before.waited_ns);
            wake.off_cpu_ns = wake.off_cpu_ns.saturating_sub(before.off_cpu_ns);
        }
        wake
    }

    /// A counter since the window began; losses of the first window are kept whole.
    pub(super) fn counter(&self, counter: Counter, n: u64) -> u64 {
        let before = self.counters.iter().find(|(c, _)| *c == counter);
        n.saturating_sub(before.map_or(0, |(_, n)| *n))
    }

    /// Takes off a thread's record what came before the window; `None` if it had ended by
    /// then.
    pub fn trim(&self, mut record: ThreadRecord) -> Option<ThreadRecord> {
        let state = &mut record.state;
        if state.watched_since_ns >= self.start_ns {
            return Some(record);
        }
        if state.ended_ns <= self.start_ns {
            return None;
        }
        let key = (state.tid, generation(state));
        let Some(raw) = self.threads.get(&key) else {
            // It was not in the map by then: its own beginning is all that is known.
            return Some(record);
        };
        let mut raw = *raw;
        if raw.run_state == run_state::UNKNOWN {
            // The first event has told since in which state watching found it.
            raw.run_state = state.initial_state;
        }
        let before = ThreadRecord::close(raw, self.start_ns).state;
        // A switch after the window began and before it was read.
        let start_ns = self.start_ns.max(raw.state_since_ns);
        for (figure, before) in [
            (&mut state.on_cpu_ns, before.on_cpu_ns),
            (&mut state.wake.held_from_on_cpu_ns, before.on_cpu_ns),
            (&mut state.runnable_ns, before.runnable_ns),
            (&mut state.throttled_ns, before.throttled_ns),
            (&mut state.blocked_ns, before.blocked_ns),
            (&mut state.gil_wait_ns, before.gil_wait_ns),
            (&mut state.samples, before.samples),
            (&mut state.suspect_samples, before.suspect_samples),
            (&mut state.voluntary_switches, before.voluntary_switches),
            (&mut state.involuntary_switches, before.involuntary_switches),
            // The interval that was open when watching began, of which the end is known.
            (
                &mut state.initial_ns,
                start_ns.saturating_sub(state.watched_since_ns),
            ),
        ] {
            *figure = figure.saturating_sub(before);
        }
        if state.off_since_ns < start_ns {
            // Off the CPU since before the window.
            let early_ns = start_ns - state.off_since_ns;
            state.off_blocked_ns = state.off_blocked_ns.saturating_sub(early_ns);
        }
        let window_ns = state.ended_ns.saturating_sub(start_ns);
        record.open_ns = record.open_ns.min(window_ns);
        state.watched_since_ns = start_ns;
        Some(record)
    }
}

/// What differs between two looks with a switch in between.
fn figures(state: &ThreadState) -> [u64; 5] {
    [
        state.state_since_ns,
        state.on_cpu_ns,
        state.runnable_ns,
        state.throttled_ns,
        state.blocked_ns,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(state: &ThreadState) -> u64 {
        state.on_cpu_ns + state.runnable_ns + state.throttled_ns + state.blocked_ns
    }

    /// The baseline of a window that begins at 1000, with one thread.
    fn at_1000(state: &ThreadState) -> Baseline {
        let mut baseline = Baseline {
            start_ns: 1_000,
            ..Baseline::default()
        };
        baseline.add_thread(state);
        baseline
    }

    /// A thread watched since 100, without an event since.
    fn found() -> ThreadState {
        ThreadState {
            tid: 7,
            watched_since_ns: 100,
            state_since_ns: 100,
            run_state: run_state::UNKNOWN,
            ..ThreadState::default()
        }
    }

    #[test]
    fn what_came_before_the_window_is_taken_off() {
        let early = ThreadState {
            tid: 7,
            watched_since_ns: 100,
            state_since_ns: 300,
            off_since_ns: 300,
            on_cpu_ns: 150,
            runnable_ns: 50,
            run_state: run_state::BLOCKED,
            ..ThreadState::default()
        };
        let baseline = at_1000(&early);
        // It woke at 1200, ran from 1250 and was on a CPU when the window ended.
        let late = ThreadState {
            blocked_ns: 900,
            runnable_ns: 100,
            state_since_ns: 1_250,
            run_state: run_state::ON_CPU,
            ..early
        };
        let record = baseline.trim(ThreadRecord::close(late, 2_000)).unwrap();
        assert_eq!(record.wall_ns(), 1_000);
        assert_eq!(sum(&record.state), 1_000);
        assert_eq!(record.state.blocked_ns, 200);
        assert_eq!(record.state.on_cpu_ns, 750);
        // The wait's own entry loses the same part.
        let key = TotalsKey {
            tid: 7,
            ..TotalsKey::default()
        };
        let ended = Totals {
            count: 1,
            blocked_ns: 900,
            runnable_ns: 50,
            max_blocked_ns: 900,
            ..Totals::default()
        };
        let totals = baseline.totals(&key, ended).unwrap();
        assert_eq!((totals.blocked_ns, totals.runnable_ns), (200, 50));
        assert_eq!(totals.max_blocked_ns, 200);
    }

    #[test]
    fn a_wait_that_covers_the_window_is_as_long_as_the_window() {
        let state = found();
        let baseline = at_1000(&state);
        let record = baseline.trim(ThreadRecord::close(state, 3_000)).unwrap();
        assert_eq!((record.wall_ns(), record.open_ns), (2_000, 2_000));
    }

    #[test]
    fn the_state_in_which_it_was_found_may_be_learnt_late() {
        let found = found();
        let baseline = at_1000(&found);
        let woken = ThreadState {
            blocked_ns: 1_400,
            initial_ns: 1_400,
            initial_state: run_state::BLOCKED,
            state_since_ns: 1_500,
            run_state: run_state::ON_CPU,
            ..found
        };
        let record = baseline.trim(ThreadRecord::close(woken, 3_000)).unwrap();
        assert_eq!(sum(&record.state), record.wall_ns());
        assert_eq!(
            (record.state.blocked_ns, record.state.initial_ns),
            (500, 500)
        );
    }

    #[test]
    fn who_ended_before_the_window_is_not_in_it() {
        let state = ThreadState {
            tid: 7,
            watched_since_ns: 100,
            ended_ns: 900,
            run_state: run_state::DEAD,
            ..ThreadState::default()
        };
        let baseline = Baseline {
            start_ns: 1_000,
            ..Baseline::default()
        };
        assert!(baseline.trim(ThreadRecord::close(state, 3_000)).is_none());
    }
}
