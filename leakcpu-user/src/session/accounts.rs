//! Our times beside the scheduler's own, all through the window.
//!
//! `/proc/PID/task/TID/schedstat` holds what the scheduler has counted for a thread: time
//! on a CPU and run delay. Each look reads both accounts of one thread while it does not
//! switch. The scheduler's figure of a running thread is as old as the last tick, up to
//! 10 ms: the least difference of a few looks is the nearest to the truth.

use std::collections::BTreeMap;

use leakcpu_common::thread::{ThreadState, run_state};

use crate::{
    collect::monotonic_ns,
    discovery::{self, CpuTime, SchedStat},
    model::Accounts,
    probes::KernelMaps,
};

/// Threads compared at most: each takes half a kilobyte.
const MAX_THREADS: usize = 4_096;
/// Ticks between two looks.
const LOOK_TICKS: u32 = 4;
/// Ticks between two looks for new threads.
const SEARCH_TICKS: u32 = 40;
/// Looks kept of each end of the window.
const KEPT: usize = 4;
/// Tries to read a thread between two switches.
const TRIES: usize = 4;

/// One look at both accounts of a thread.
#[derive(Clone, Copy, Debug)]
struct Look {
    at_ns: u64,
    state_since_ns: u64,
    run_state: u32,
    on_cpu_ns: u64,
    ready_ns: u64,
    scheduler: SchedStat,
}

/// What both say of one moment.
#[derive(Clone, Copy, Debug)]
struct Figures {
    at_ns: u64,
    on_cpu_ns: u64,
    ready_ns: u64,
    scheduler: SchedStat,
}

impl Look {
    fn new(state: &ThreadState, scheduler: SchedStat, at_ns: u64) -> Self {
        Self {
            at_ns,
            state_since_ns: state.state_since_ns,
            run_state: state.run_state,
            on_cpu_ns: state.on_cpu_ns,
            ready_ns: state.runnable_ns + state.throttled_ns,
            scheduler,
        }
    }

    /// The open interval counts where it is time on a CPU; the scheduler adds run delay
    /// when it ends, as we do. `initial` is in which state watching found the thread, for
    /// looks before that was known.
    fn figures(&self, initial: u32) -> Figures {
        let state = match self.run_state {
            run_state::UNKNOWN => initial,
            known => known,
        };
        let open_ns = match state {
            run_state::ON_CPU => self.at_ns.saturating_sub(self.state_since_ns),
            _ => 0,
        };
        Figures {
            at_ns: self.at_ns,
            on_cpu_ns: self.on_cpu_ns + open_ns,
            ready_ns: self.ready_ns,
            scheduler: self.scheduler,
        }
    }
}

/// The looks at one thread.
#[derive(Debug, Default)]
struct Looks {
    pid: u32,
    start_boottime_ns: u64,
    /// The first and the latest before an event told what it does.
    unknown: Vec<Look>,
    first: Vec<Look>,
    last: Vec<Look>,
    count: u64,
}

impl Looks {
    fn add(&mut self, look: Look) {
        self.count += 1;
        if look.run_state == run_state::UNKNOWN {
            self.unknown.truncate(1);
            self.unknown.push(look);
            return;
        }
        if self.first.len() < KEPT {
            self.first.push(look);
            return;
        }
        if self.last.len() == KEPT {
            self.last.remove(0);
        }
        self.last.push(look);
    }

    /// The two looks furthest apart whose scheduler's figures are the least stale.
    fn ends(&self, initial: u32) -> Option<(Figures, Figures)> {
        // Of a wait for a CPU the scheduler adds the whole when it ends, we what came since
        // watching began.
        let unknown: &[Look] = if initial == run_state::RUNNABLE {
            &[]
        } else {
            &self.unknown
        };
        let all: Vec<Figures> = unknown
            .iter()
            .chain(&self.first)
            .chain(&self.last)
            .map(|look| look.figures(initial))
            .collect();
        if all.len() < 2 {
            return None;
        }
        let (early, late) = all.split_at((all.len() / 2).min(KEPT));
        let freshest = |looks: &[Figures]| {
            let stale = |f: &Figures| i128::from(f.on_cpu_ns) - i128::from(f.scheduler.on_cpu_ns);
            looks.iter().copied().min_by_key(stale)
        };
        let late = &late[late.len().saturating_sub(KEPT)..];
        Some((freshest(early)?, freshest(late)?))
    }
}

/// Compares, one thread after the other.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    threads: BTreeMap<u32, Looks>,
    next: u32,
}

impl Auditor {
    /// Looks at every watched thread: at the window's beginning and its end.
    pub(super) fn look_at_all(&mut self, maps: &KernelMaps<'_>) {
        self.search(maps);
        let tids: Vec<u32> = self.threads.keys().copied().collect();
        for tid in tids {
            self.look(maps, tid);
        }
    }

    /// To be called at every tick: looks at the next thread now and then.
    pub(super) fn tick(&mut self, maps: &KernelMaps<'_>, tick: u32) {
        if tick.is_multiple_of(SEARCH_TICKS) {
            self.search(maps);
        }
        if tick.is_multiple_of(LOOK_TICKS) {
            let next = self.threads.range(self.next..).next();
            if let Some((&tid, _)) = next.or_else(|| self.threads.iter().next()) {
                self.next = tid + 1;
                self.look(maps, tid);
            }
        }
    }

    fn search(&mut self, maps: &KernelMaps<'_>) {
        for (tid, state) in maps.threads.iter().flatten() {
            if self.threads.len() >= MAX_THREADS {
                return;
            }
            let looks = self.threads.entry(tid).or_default();
            if looks.start_boottime_ns != state.start_boottime_ns {
                // New, or another thread of that number, or another program in it.
                *looks = Looks {
                    pid: state.pid,
                    start_boottime_ns: state.start_boottime_ns,
                    ..Looks::default()
                };
            }
        }
    }

    fn look(&mut self, maps: &KernelMaps<'_>, tid: u32) {
        let Some(looks) = self.threads.get_mut(&tid) else {
            return;
        };
        let Ok(mut state) = maps.threads.get(&tid, 0) else {
            // Ended, or no Python program after all.
            self.threads.remove(&tid);
            return;
        };
        for _ in 0..TRIES {
            let before = state;
            let Ok(scheduler) = discovery::sched_stat(looks.pid, tid) else {
                return;
            };
            let at_ns = monotonic_ns();
            match maps.threads.get(&tid, 0) {
                Ok(after) => state = after,
                Err(_) => return,
            }
            let is_same = state.start_boottime_ns == looks.start_boottime_ns;
            if is_same && state.state_since_ns == before.state_since_ns {
                looks.add(Look::new(&state, scheduler, at_ns));
                return;
            }
        }
    }

    /// What the looks at a thread say, `state` being its last; `cpus` is what the machine's
    /// CPUs did in the window.
    pub(super) fn accounts(&self, state: &ThreadState, cpus: Option<&CpuTime>) -> Option<Accounts> {
        let looks = self.threads.get(&state.tid)?;
        if looks.start_boottime_ns != state.start_boottime_ns {
            return None;
        }
        let (from, to) = looks.ends(state.initial_state)?;
        let on_cpu_ns = to.on_cpu_ns.saturating_sub(from.on_cpu_ns);
        let taken_ns = cpus.map_or(0, |cpus| {
            cpus.share(cpus.steal_ns + cpus.interrupts_ns, on_cpu_ns)
        });
        let accounts = Accounts {
            threads: 1,
            looks: looks.count,
            span_ns: to.at_ns.saturating_sub(from.at_ns),
            on_cpu_ns,
            schedstat_on_cpu_ns: to
                .scheduler
                .on_cpu_ns
                .saturating_sub(from.scheduler.on_cpu_ns),
            ready_ns: to.ready_ns.saturating_sub(from.ready_ns),
            schedstat_run_delay_ns: to
                .scheduler
                .runnable_ns
                .saturating_sub(from.scheduler.runnable_ns),
            taken_ns,
            residual_ns: 0,
        };
        Some(accounts.compared())
    }
}
