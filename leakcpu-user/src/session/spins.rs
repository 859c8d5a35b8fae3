//! Watching for busy-waiting only, for as long as one likes.
//!
//! While no thread is busy nothing is read but the threads' states, a few times a second.
//! Once one is, a short window begins; what a thread did in it is judged, and then the
//! thread is left alone for a while, longer each time.

use std::{future::Future, time::Duration};

use super::{Purpose, SPINS_TICK, Session, SessionError, trials::Trials};
use crate::{
    collect::{generation, monotonic_ns},
    model::Profile,
};

/// How long the window is in which a thread is judged: some sixty samples of one that spins.
const WINDOW: Duration = Duration::from_millis(600);
/// Ticks between two looks for busy threads.
const LOOK_TICKS: u32 = 3;
/// Ticks after which the maps are cleared of threads that have ended, where nobody is
/// suspected: about a minute.
const SWEEP_TICKS: u32 = 600;

impl Session {
    /// Watches until threads that may spin have been looked at for a moment: the profile of
    /// their processes in that moment. `None` once `until` is ready or everything asked for
    /// has ended.
    pub async fn next_suspicion(
        &mut self,
        mut until: impl Future<Output = ()> + Unpin,
    ) -> Result<Option<Profile>, SessionError> {
        let mut tick = tokio::time::interval(SPINS_TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut window_ends_ns = None;
        loop {
            tokio::select! {
                biased;
                () = &mut until => return Ok(None),
                _ = tick.tick() => {}
            }
            self.tick_for_spins()?;
            let now_ns = monotonic_ns();
            match window_ends_ns {
                None if self.trials().are_due() => {
                    self.trials().begin();
                    self.begin_window()?;
                    let window_ns = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
                    window_ends_ns = Some(self.start_ns + window_ns);
                }
                Some(end_ns) if now_ns >= end_ns && !self.suspects.is_armed() => {
                    let profile = self.profile_until(now_ns)?;
                    self.trials().end(now_ns);
                    self.suspects.forget_evidence();
                    self.watched.retain(|_, watched| !watched.exited);
                    self.probes.maps()?.sweep(generation)?;
                    return Ok(Some(profile));
                }
                None if self.ticks.is_multiple_of(SWEEP_TICKS) => {
                    self.probes.maps()?.sweep(generation)?;
                }
                _ => {}
            }
            if self.all_ended() {
                return Ok(None);
            }
        }
    }

    fn trials(&mut self) -> &mut Trials {
        self.suspects.trials.get_or_insert_default()
    }

    fn tick_for_spins(&mut self) -> Result<(), SessionError> {
        self.keep_up()?;
        self.meter.tick(self.ticks, &self.probes);
        self.keep_budget()?;
        self.look_for_suspects(LOOK_TICKS)
    }

    /// To be called at every tick: looks for threads that may spin every few of them, and
    /// ends the moment in which their system calls are counted.
    pub(super) fn look_for_suspects(&mut self, every: u32) -> Result<(), SessionError> {
        if !self.ticks.is_multiple_of(every) {
            return Ok(self.suspects.disarm_if_due(&mut self.probes)?);
        }
        if self.purpose == Purpose::Report {
            self.look_again()?;
        }
        let watched = &self.watched;
        self.suspects
            .look(&mut self.probes, |pid| watched.contains_key(&pid))?;
        self.sample_restless_loops();
        if self.purpose == Purpose::Report {
            self.keep_hot_code();
        }
        Ok(())
    }
}
