//! What event loops run that wait for answers: they are sampled more often than others.
//!
//! While such a loop waits, its stack is the loop's own. What is resumed by the answers runs
//! for some microseconds at a time, which the samples of all CPUs hardly ever meet: of a loop
//! that runs for 1 % of the time, one in a second. So the thread gets a clock of its own, which
//! ticks while it runs. Those samples are kept apart, and of all samples of the thread as many
//! are left out as there are more (`Samples::thin`): times stay what they were.

use super::{Session, SessionError, exchanges::Sighting};
use crate::collect::monotonic_ns;

/// As many samples of such a thread are taken as of others, times this.
const TIMES: u32 = 40;
/// A thread that runs for more of the time is met often enough, and would pay for it: at the
/// usual rate these are 4,000 samples for each second that it runs, 2 us each.
const MAX_ON_CPU_SHARE: f64 = 0.1;
/// The same of a loop that hardly does anything but turn: its tasks are met seldom however much
/// it does so.
const MAX_RESTLESS_SHARE: f64 = 0.3;
/// Threads that are sampled so.
const MAX_THREADS: usize = 32;

impl Session {
    /// Samples the threads of these waits, which are those of event loops for answers, more
    /// often from now on.
    pub(super) fn sample_loops(&mut self, waits: &[Sighting]) {
        for wait in waits {
            self.sample_loop(wait.tid, MAX_ON_CPU_SHARE);
        }
    }

    /// The same of threads whose loops were seen to wait in vain, hundreds of times a second.
    pub(super) fn sample_restless_loops(&mut self) {
        for tid in self.suspects.waiters_in_vain() {
            self.sample_loop(tid, MAX_RESTLESS_SHARE);
        }
    }

    fn sample_loop(&mut self, tid: u32, max_on_cpu_share: f64) {
        if self.samples.is_thinned(tid) || self.samples.thinned() >= MAX_THREADS {
            return;
        }
        if self.on_cpu_share(tid) > max_on_cpu_share {
            return;
        }
        // What came before is as seldom as ever.
        self.drain_samples();
        match self.probes.sample_thread(tid, TIMES - 1) {
            Ok(()) => self.samples.thin(tid, TIMES),
            // It may have ended, or the machine has no more such clocks.
            Err(error) => tracing::debug!(tid, %error, "not sampled more often"),
        }
    }

    /// Threads that have ended need no clock: others may.
    pub(super) fn forget_ended_loops(&mut self) -> Result<(), SessionError> {
        for tid in self.samples.thinned_threads() {
            let has_ended = self.probes.maps()?.threads.get(&tid, 0).is_err();
            if has_ended {
                self.probes.stop_sampling_thread(tid)?;
                self.samples.unthin(tid);
            }
        }
        Ok(())
    }

    /// The part of the time that a thread was on a CPU since it is watched.
    fn on_cpu_share(&mut self, tid: u32) -> f64 {
        let Ok(maps) = self.probes.maps() else {
            return 1.0;
        };
        let Ok(state) = maps.threads.get(&tid, 0) else {
            return 1.0;
        };
        let watched_ns = monotonic_ns().saturating_sub(state.watched_since_ns);
        state.on_cpu_ns as f64 / watched_ns.max(1) as f64
    }
}
