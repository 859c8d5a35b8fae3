//! The window that a profile is of: its beginning and its end.

use super::{
    Purpose, Session, SessionError, cost::own_usage, imports::ImportLogs, round_trips::waited_on,
};
use crate::{
    collect::{Baseline, Snapshot, generation, monotonic_ns, unix_ns},
    model::{Profile, UserLoss},
};

/// The maps are read one after the other, and what happens meanwhile is in the window by some
/// and before it by others. Where that took longer than this, because this process had no CPU,
/// it begins once more.
const LONGEST_BEGINNING_NS: u64 = 2_000_000;
/// How often it begins at most.
const BEGINNINGS: usize = 4;

impl Session {
    /// Ends the last window and makes its profile.
    pub fn finish(mut self) -> Result<Profile, SessionError> {
        self.suspects.disarm(&mut self.probes)?;
        if self.purpose == Purpose::Report {
            self.look_at_all_locks()?;
            self.end_accounts()?;
        }
        self.end_calls()?;
        let end_ns = monotonic_ns();
        self.probes.maps()?.stop(end_ns)?;
        self.stop_listening();
        self.profile_until(end_ns)
    }

    /// Ends the window, makes its profile, and begins the next one at once.
    pub fn next_window(&mut self) -> Result<Profile, SessionError> {
        self.suspects.disarm(&mut self.probes)?;
        self.look_at_all_locks()?;
        self.end_accounts()?;
        self.end_calls()?;
        let profile = self.profile_until(monotonic_ns())?;
        self.forget_window()?;
        self.sequence += 1;
        self.begin_window()?;
        Ok(profile)
    }

    /// Forgets what is of one window only.
    fn forget_window(&mut self) -> Result<(), SessionError> {
        self.watched.retain(|_, watched| !watched.exited);
        for watched in self.watched.values_mut() {
            watched.forget_window();
        }
        self.suspects.forget_evidence();
        self.lock_looks.past.clear();
        self.user_loss.clear();
        // An import that goes on is one of which the beginning was not seen.
        self.imports = ImportLogs::default();
        self.calls.forget_window();
        self.fault_files.clear();
        self.forget_ended_loops()?;
        Ok(self.probes.maps()?.sweep(generation)?)
    }

    /// A window begins: what was counted until now is of none, or of the one before.
    pub(super) fn begin_window(&mut self) -> Result<(), SessionError> {
        if self.purpose == Purpose::Report {
            self.exchanges.begin(self.watched.keys().copied());
        }
        for _ in 0..BEGINNINGS {
            self.start_unix_ns = unix_ns();
            self.start_ns = monotonic_ns();
            self.drain_samples();
            self.samples.begin();
            let maps = self.probes.maps()?;
            self.baseline = Baseline::read(&maps, self.start_ns, self.sequence == 0)?;
            if monotonic_ns().saturating_sub(self.start_ns) <= LONGEST_BEGINNING_NS {
                break;
            }
        }
        self.probes.maps()?.begin(self.start_ns)?;
        if self.purpose == Purpose::Report {
            self.begin_accounts()?;
        }
        self.begin_calls()?;
        self.begin_budget()?;
        self.meter.start_cpu_ns = own_usage().0;
        Ok(())
    }

    /// The profile of the window that ends at `end_ns`. The programs may go on: a thread
    /// that switches while the maps are read has a switch too many.
    pub(super) fn profile_until(&mut self, end_ns: u64) -> Result<Profile, SessionError> {
        let for_report = self.purpose == Purpose::Report;
        if for_report {
            self.exchanges.end();
        }
        let gil_holders = self.gil_holders();
        self.meter.end(&self.probes);
        self.meter.end_cpu_ns = own_usage().0;
        self.drain()?;
        self.retry_pending()?;
        let mut snapshot =
            Snapshot::read(&self.probes.maps()?, &self.baseline, &self.samples, end_ns)?;
        let ended = std::mem::take(&mut self.ended);
        snapshot
            .threads
            .extend(ended.into_iter().filter_map(|r| self.baseline.trim(r)));
        if for_report {
            self.look_up_descriptors(&snapshot);
            let (connections, not_looked_at) = self.exchanges.finish(waited_on(&snapshot));
            self.connections = connections;
            self.lose(UserLoss::SocketsNotLookedAt, not_looked_at);
            self.look_up_faults()?;
            self.faults = self.faults()?;
            self.collections = self.window_collections()?;
            self.audits = self.window_audits()?;
            self.window_calls = self.window_calls()?;
        }
        self.look_at_all_code();
        Ok(self.assemble(&snapshot, &gil_holders, end_ns))
    }
}
