//! Arming the system-call tracepoint: only for threads that samples or wake-up
//! rates name, only for a moment, because it taxes every process of the host.

use std::collections::{BTreeSet, HashMap};

use leakcpu_common::{
    syscall::SyscallTally,
    thread::{ThreadState, run_state},
};

use super::{
    Purpose,
    trials::{Charge, Trials},
};
use crate::{
    collect::monotonic_ns,
    probes::{KernelMaps, ProbeError, Probes, syscall_name},
};

/// How long calls are tallied.
const ARMED_NS: u64 = 200_000_000;
/// Rest between two armed moments.
const REST_NS: u64 = 1_000_000_000;
/// Armed moments per thread and run.
const MAX_MOMENTS: u32 = 3;
/// A suspect by samples wants a CPU at least this share of the time ...
const MIN_WANTED_SHARE: f64 = 0.3;
/// ... and has this many samples inside calls that may be useless ...
const MIN_SUSPECT_SAMPLES: u64 = 2;
/// ... which are this share of its samples.
const MIN_SUSPECT_SHARE: f64 = 0.04;
/// Or, since a look this long ago or longer, ...
const LONG_NS: u64 = 750_000_000;
/// ... this many ...
const MIN_LONG_SAMPLES: u64 = 3;
/// ... which are this share: a loop that polls in vain between turns of an event loop is in
/// the call for a fiftieth of the time.
const MIN_LONG_SHARE: f64 = 0.015;
/// A suspect by wake-ups waits this often a second.
const MIN_WAITS_PER_S: f64 = 200.0;
/// Threads tallied at once.
const MAX_SUSPECTS: usize = 256;

/// A thread at one look.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub pid: u32,
    pub start_boottime_ns: u64,
    pub at_ns: u64,
    /// Time on a CPU and ready for one: on a contended one a thread spins only while it runs.
    pub wanted_cpu_ns: u64,
    pub samples: u64,
    pub suspect_samples: u64,
    pub waits: u64,
}

impl Seen {
    fn of(state: &ThreadState, now_ns: u64) -> Self {
        let open_ns = match state.run_state {
            run_state::ON_CPU | run_state::RUNNABLE => now_ns.saturating_sub(state.state_since_ns),
            _ => 0,
        };
        Self {
            pid: state.pid,
            start_boottime_ns: state.start_boottime_ns,
            at_ns: now_ns,
            wanted_cpu_ns: state.on_cpu_ns + state.runnable_ns + state.throttled_ns + open_ns,
            samples: state.samples,
            suspect_samples: state.suspect_samples,
            waits: state.voluntary_switches,
        }
    }

    /// It wants a CPU so much that it may spin without a system call.
    fn is_busy_since(&self, before: &Self) -> bool {
        self.wanted_share(before) >= MIN_WANTED_SHARE
    }

    fn wanted_share(&self, before: &Self) -> f64 {
        let span_ns = self.at_ns.saturating_sub(before.at_ns) as f64;
        self.wanted_cpu_ns.saturating_sub(before.wanted_cpu_ns) as f64 / span_ns.max(1.0)
    }

    fn is_suspect_since(&self, before: &Self) -> bool {
        let span_ns = self.at_ns.saturating_sub(before.at_ns) as f64;
        if span_ns < 1.0 {
            return false;
        }
        let wanted = self.wanted_share(before);
        let samples = self.samples.saturating_sub(before.samples);
        let suspect = self.suspect_samples.saturating_sub(before.suspect_samples);
        let is_long = self.at_ns.saturating_sub(before.at_ns) >= LONG_NS;
        let (least, least_share) = if is_long {
            (MIN_LONG_SAMPLES, MIN_LONG_SHARE)
        } else {
            (MIN_SUSPECT_SAMPLES, MIN_SUSPECT_SHARE)
        };
        let by_samples = wanted >= MIN_WANTED_SHARE
            && suspect >= least
            && suspect as f64 >= least_share * samples as f64;
        let waits_per_s = self.waits.saturating_sub(before.waits) as f64 * 1e9 / span_ns;
        by_samples || waits_per_s >= MIN_WAITS_PER_S
    }
}

/// What the armed moments of one thread brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// How long its calls were tallied.
    pub traced_ns: u64,
    /// By system-call number.
    pub tallies: HashMap<u32, SyscallTally>,
    moments: u32,
}

/// Watches for suspects and arms the tracepoint for them.
#[derive(Default)]
pub(super) struct Suspects {
    seen: HashMap<u32, Seen>,
    /// The same, of a look up to a second ago.
    seen_long_ago: HashMap<u32, Seen>,
    /// Threads that were busy between the last two looks, by process.
    busy: BTreeSet<(u32, u32)>,
    /// In continuous use.
    pub trials: Option<Trials>,
    /// By tid.
    pub evidence: HashMap<u32, Evidence>,
    armed: Vec<u32>,
    armed_at_ns: u64,
    rest_until_ns: u64,
    /// Total time the tracepoint was attached.
    pub armed_ns: u64,
}

impl Suspects {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self {
            trials: (purpose == Purpose::Spins).then(Trials::default),
            ..Self::default()
        }
    }

    /// Whether the tracepoint is armed.
    pub(super) const fn is_armed(&self) -> bool {
        !self.armed.is_empty()
    }

    /// Threads of a process that were busy between the last two looks.
    pub(super) fn busy_threads(&self, pid: u32) -> impl Iterator<Item = u32> {
        let of_process = self.busy.range((pid, 0)..=(pid, u32::MAX));
        of_process.map(|(_, tid)| *tid)
    }

    /// Whether a profile is to have this process.
    pub(super) fn concern(&self, pid: u32) -> bool {
        self.trials
            .as_ref()
            .is_none_or(|trials| trials.concern(pid))
    }

    /// Threads whose loops waited for many descriptors until the time was up.
    pub(super) fn waiters_in_vain(&self) -> Vec<u32> {
        let in_vain = |(tid, evidence): (&u32, &Evidence)| {
            let mut tallies = evidence.tallies.iter();
            tallies
                .any(|(syscall, tally)| tally.timed_out > 0 && is_of_loops(*syscall))
                .then_some(*tid)
        };
        self.evidence.iter().filter_map(in_vain).collect()
    }

    /// The evidence has been judged: what comes is of the next window.
    pub(super) fn forget_evidence(&mut self) {
        self.evidence.clear();
        self.rest_until_ns = 0;
    }

    /// Whether a thread may be looked at (again) for its system calls.
    fn may_be_suspect(&self, tid: u32, seen: &Seen) -> bool {
        match &self.trials {
            Some(trials) => trials.may_be_tried(tid, seen, Charge::Calls),
            None => self
                .evidence
                .get(&tid)
                .is_none_or(|e| e.moments < MAX_MOMENTS),
        }
    }

    /// Looks at every thread of the processes that `is_watched` knows, and arms
    /// the tracepoint if some are suspects.
    pub(super) fn look(
        &mut self,
        probes: &mut Probes,
        is_watched: impl Fn(u32) -> bool,
    ) -> Result<(), ProbeError> {
        let now_ns = monotonic_ns();
        if !self.armed.is_empty() {
            return self.disarm_if_due(probes);
        }
        let mut suspects = Vec::new();
        let known = std::mem::take(&mut self.seen);
        self.busy.clear();
        {
            let maps = probes.maps()?;
            for entry in &maps.threads {
                // An entry may go while we iterate.
                let Ok((tid, state)) = entry else { continue };
                if !is_watched(state.pid) {
                    continue;
                }
                let seen = Seen::of(&state, now_ns);
                self.seen.insert(tid, seen);
                let long_ago = self.seen_long_ago.entry(tid).or_insert(seen);
                if long_ago.start_boottime_ns != seen.start_boottime_ns {
                    *long_ago = seen;
                }
                let long_ago = *long_ago;
                if seen.at_ns.saturating_sub(long_ago.at_ns) >= LONG_NS {
                    self.seen_long_ago.insert(tid, seen);
                }
                let Some(before) = known.get(&tid) else {
                    continue;
                };
                let is_busy = seen.is_busy_since(before);
                if is_busy {
                    self.busy.insert((state.pid, tid));
                }
                let is_suspect = (seen.is_suspect_since(before)
                    || seen.at_ns.saturating_sub(long_ago.at_ns) >= LONG_NS
                        && seen.is_suspect_since(&long_ago))
                    && self.may_be_suspect(tid, &seen);
                if is_suspect {
                    let moments = self.evidence.get(&tid).map_or(0, |e| e.moments);
                    suspects.push((moments, tid));
                }
                let Some(trials) = &mut self.trials else {
                    continue;
                };
                if is_suspect {
                    trials.accuse(tid, seen, Charge::Calls);
                } else if is_busy && trials.may_be_tried(tid, &seen, Charge::Busy) {
                    trials.accuse(tid, seen, Charge::Busy);
                }
            }
        }
        let seen = &self.seen;
        self.seen_long_ago.retain(|tid, _| seen.contains_key(tid));
        if suspects.is_empty() || now_ns < self.rest_until_ns {
            return Ok(());
        }
        // Those not yet heard come first.
        suspects.sort_unstable();
        suspects.truncate(MAX_SUSPECTS);
        self.arm(probes, suspects.into_iter().map(|(_, tid)| tid).collect())
    }

    fn arm(&mut self, probes: &mut Probes, tids: Vec<u32>) -> Result<(), ProbeError> {
        {
            let mut maps = probes.maps()?;
            for tid in &tids {
                maps.suspects.insert(tid, 1, 0)?;
            }
        }
        if !probes.arm_syscalls()? {
            // This kernel refused the program; `doctor` says so.
            self.rest_until_ns = u64::MAX;
            return Ok(());
        }
        tracing::debug!(threads = tids.len(), "system-call tracepoint armed");
        self.armed_at_ns = monotonic_ns();
        self.armed = tids;
        Ok(())
    }

    /// Disarms once the moment is over.
    pub(super) fn disarm_if_due(&mut self, probes: &mut Probes) -> Result<(), ProbeError> {
        if !self.armed.is_empty() && monotonic_ns() >= self.armed_at_ns + ARMED_NS {
            self.disarm(probes)?;
        }
        Ok(())
    }

    /// Disarms now and keeps what was tallied.
    pub(super) fn disarm(&mut self, probes: &mut Probes) -> Result<(), ProbeError> {
        if self.armed.is_empty() {
            return Ok(());
        }
        probes.disarm_syscalls()?;
        let now_ns = monotonic_ns();
        let traced_ns = now_ns.saturating_sub(self.armed_at_ns);
        self.armed_ns += traced_ns;
        self.rest_until_ns = now_ns + REST_NS;
        let mut maps = probes.maps()?;
        for tid in self.armed.drain(..) {
            let evidence = self.evidence.entry(tid).or_default();
            evidence.traced_ns += traced_ns;
            evidence.moments += 1;
            let _ = maps.suspects.remove(&tid);
        }
        take_tallies(&mut maps, &mut self.evidence)
    }
}

fn is_of_loops(syscall: u32) -> bool {
    let name = i32::try_from(syscall).ok().and_then(syscall_name);
    name.is_some_and(|name| name.starts_with("epoll_"))
}

fn take_tallies(
    maps: &mut KernelMaps<'_>,
    evidence: &mut HashMap<u32, Evidence>,
) -> Result<(), ProbeError> {
    let tallied: Vec<_> = maps.tallies.iter().collect::<Result<_, _>>()?;
    for (key, tally) in tallied {
        let sum = evidence
            .entry(key.tid)
            .or_default()
            .tallies
            .entry(key.syscall)
            .or_default();
        sum.calls += tally.calls;
        sum.zero_timeout += tally.zero_timeout;
        sum.zero_timeout_empty += tally.zero_timeout_empty;
        sum.would_block += tally.would_block;
        sum.timed_out += tally.timed_out;
        sum.short_timeout += tally.short_timeout;
        sum.at_end += tally.at_end;
        maps.tallies.remove(&key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_poller_is_a_suspect_and_arithmetic_is_not() {
        let before = Seen::default();
        let poller = Seen {
            at_ns: SECOND,
            wanted_cpu_ns: SECOND,
            samples: 99,
            suspect_samples: 20,
            ..Seen::default()
        };
        assert!(poller.is_suspect_since(&before));
        let worker = Seen {
            suspect_samples: 1,
            ..poller
        };
        let turning = Seen {
            suspect_samples: 3,
            ..poller
        };
        assert!(turning.is_suspect_since(&before), "in a whole second");
        let in_a_quarter = Seen {
            at_ns: SECOND / 4,
            wanted_cpu_ns: SECOND / 4,
            samples: 25,
            suspect_samples: 1,
            ..Seen::default()
        };
        assert!(!in_a_quarter.is_suspect_since(&before));
        assert!(!worker.is_suspect_since(&before));
        let resting = Seen {
            wanted_cpu_ns: SECOND / 10,
            ..poller
        };
        assert!(!resting.is_suspect_since(&before));
    }

    #[test]
    fn many_short_waits_are_suspect() {
        let napper = Seen {
            at_ns: SECOND,
            wanted_cpu_ns: SECOND / 50,
            samples: 2,
            waits: 900,
            ..Seen::default()
        };
        assert!(napper.is_suspect_since(&Seen::default()));
    }
}
