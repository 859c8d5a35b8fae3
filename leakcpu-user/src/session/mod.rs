//! One run: which processes are watched, from the first look to the profile.
//!
//! The only room that holds the whole control chain together: it asks
//! `discovery` and `interpreter` about processes, fills the kernel's maps, reacts
//! to what the kernel reports, and hands `model` a finished [`Profile`].
//!
//! [`Profile`]: crate::model::Profile

mod accounts;
mod assemble;
mod audits;
mod awaited;
mod budget;
mod build;
mod call_counts;
mod calls;
mod code_reads;
mod collector;
mod connections;
mod cost;
mod degrade;
mod descriptors;
mod dropped_calls;
mod exchanges;
mod faults;
mod file_looks;
mod gaps;
mod gil;
mod hot_code;
mod hot_loops;
mod hot_spots;
mod imports;
mod kernel_entry;
mod life;
mod listening;
mod lock_waits;
mod locks;
mod loop_samples;
mod loop_values;
mod machine;
mod native;
mod operand_looks;
mod queues;
mod repeated_calls;
mod repeats;
mod rest;
mod resumed;
mod round_trips;
mod sightings;
mod spins;
mod stacks;
mod suspects;
mod trials;
mod waiting_loops;
mod watch;
mod watched;
mod window;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::Future,
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use leakcpu_common::{thread::run_state, usdt::FiredKey};

use crate::{
    collect::{Baseline, Event, RawStack, Samples, ThreadRecord, decode, monotonic_ns, unix_ns},
    discovery::{Discovery, DiscoveryError},
    interpreter::Interpreters,
    model::{Loss, Lost, UserLoss},
    probes::{LoadConfig, ProbeError, Probes},
    symbolize::{Symbolizer, native::NativeSymbolizer},
};
use audits::WindowAudits;
use budget::Budget;
use calls::{CallMoments, WindowCalls};
use collector::WindowCollections;
use connections::Connections;
use cost::CostMeter;
use exchanges::Exchanges;
use faults::{FAULT_TICKS, FaultFiles, ThreadFaults};
use imports::ImportLogs;
use listening::Listening;
use locks::LockLooks;
use machine::Machine;
use native::UnknownCode;
use suspects::Suspects;
use watched::Watched;

/// How often the ring buffer is emptied: often enough that new code objects are
/// named while they live, seldom enough to cost nothing. The programs never wake
/// us, so a busy target pays for no wake-ups.
const TICK: Duration = Duration::from_millis(25);
/// The same while only spins are looked for, which last.
const SPINS_TICK: Duration = Duration::from_millis(100);
/// How often a process is looked at whose interpreter is starting, which takes some
/// 20 ms.
const STARTING_TICK: Duration = Duration::from_millis(5);
/// Code objects looked at again as often as the threads are, of one process after the
/// other.
const LOOKED_AT_AGAIN: usize = 8;
/// Ticks between two looks at the threads for suspects.
const SUSPECT_TICKS: u32 = 10;
/// Ticks between two looks at descriptors that are known already.
const DESCRIPTOR_TICKS: u32 = 40;

/// Which processes are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Every Python process, those that start meanwhile included.
    All,
    /// These.
    Pids(Vec<u32>),
    /// A process about to exec, and its descendants.
    Child(u32),
}

/// What a run is for, and so what is looked at besides the kernel's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything that a report has.
    Report,
    /// Busy-waiting only: no peers, files and locks, and seldom anything at all while no
    /// thread is suspected.
    Spins,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Loading, attaching or reading maps failed.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// `/proc` cannot be listed.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// None of the processes asked for can be watched.
    #[error("none of the processes asked for can be watched:\n{}", .0.join("\n"))]
    NoTarget(Vec<String>),
}

/// A run in progress.
pub struct Session {
    probes: Probes,
    events: RingBuf<MapData>,
    sample_ring: RingBuf<MapData>,
    samples: Samples,
    config: LoadConfig,
    targets: Targets,
    purpose: Purpose,
    discovery: Discovery,
    interpreters: Interpreters,
    symbolizer: Symbolizer,
    natives: NativeSymbolizer,
    unknown_code: UnknownCode,
    watched: BTreeMap<u32, Watched>,
    /// Descendants of the command, Python or not.
    family: HashSet<u32>,
    /// Threads that ended, their map entries freed.
    ended: Vec<ThreadRecord>,
    exiting: Vec<u32>,
    suspects: Suspects,
    warnings: Vec<String>,
    user_loss: Loss,
    ticks: u32,
    /// Ticks between two looks for new descriptors.
    look_up_ticks: u32,
    /// Times that the ring buffer was emptied.
    round: u64,
    meter: CostMeter,
    budget: Budget,
    /// What was counted when the kernel's statistics were switched on.
    budget_before: Option<(budget::Load, budget::Runs)>,
    /// Windows that have ended.
    sequence: u64,
    start_unix_ns: u64,
    start_ns: u64,
    baseline: Baseline,
    machine: Machine,
    exchanges: Exchanges,
    /// What went over connections, of each network namespace; known at the end.
    connections: Vec<Connections>,
    fault_files: FaultFiles,
    /// Page faults of each thread; known at the end.
    faults: HashMap<(u32, u32), ThreadFaults>,
    lock_looks: LockLooks,
    listening: Listening,
    imports: ImportLogs,
    /// What was audited; known at the end.
    audits: WindowAudits,
    calls: CallMoments,
    /// What was called; known at the end.
    window_calls: WindowCalls,
    /// What collectors did, and how often which probe fired; known at the end.
    collections: (WindowCollections, HashMap<FiredKey, u64>),
}

impl Session {
    /// Loads and attaches the programs and begins to watch. Samples are counted in at
    /// most `max_leaves` distinct (thread, stack, instruction) combinations; context switches
    /// may cost `budget_share` of a core (docs/times.md).
    pub fn start(
        targets: Targets,
        purpose: Purpose,
        config: LoadConfig,
        max_leaves: usize,
        budget_share: f64,
    ) -> Result<Self, SessionError> {
        let mut probes = Probes::load(config)?;
        let events = probes.take_events()?;
        let sample_ring = probes.take_samples()?;
        probes.attach()?;
        cost::give_back_memory();
        let mut session = Self {
            probes,
            events,
            sample_ring,
            samples: Samples::new(max_leaves),
            config,
            targets,
            purpose,
            discovery: Discovery::new(),
            interpreters: Interpreters::new(),
            symbolizer: Symbolizer::new(),
            natives: NativeSymbolizer::default(),
            unknown_code: UnknownCode::default(),
            watched: BTreeMap::new(),
            family: HashSet::new(),
            ended: Vec::new(),
            exiting: Vec::new(),
            suspects: Suspects::new(purpose),
            warnings: Vec::new(),
            user_loss: Loss::new(),
            ticks: 0,
            look_up_ticks: 1,
            round: 0,
            meter: CostMeter::default(),
            budget: Budget::new(budget_share, config.rate_hz),
            budget_before: None,
            sequence: 0,
            start_unix_ns: unix_ns(),
            start_ns: monotonic_ns(),
            baseline: Baseline::default(),
            machine: Machine::default(),
            exchanges: Exchanges::default(),
            connections: Vec::new(),
            fault_files: FaultFiles::default(),
            faults: HashMap::new(),
            lock_looks: LockLooks::default(),
            listening: Listening::default(),
            imports: ImportLogs::default(),
            audits: WindowAudits::new(),
            calls: CallMoments::default(),
            window_calls: WindowCalls::new(),
            collections: (WindowCollections::new(), HashMap::new()),
        };
        session.watch_targets()?;
        session.look_at_code();
        // The window begins when everything that runs now is watched.
        session.begin_window()?;
        tracing::info!(processes = session.watched.len(), "watching");
        Ok(session)
    }

    /// Processes watched now.
    pub fn process_count(&self) -> usize {
        self.watched.values().filter(|w| !w.exited).count()
    }

    /// Whether every process asked for has ended: nothing more can be learnt.
    pub fn all_ended(&self) -> bool {
        matches!(self.targets, Targets::Pids(_)) && self.watched.values().all(|w| w.exited)
    }

    /// Watches until `until` is ready (or every process asked for has ended).
    pub async fn run(&mut self, until: impl Future<Output = ()>) -> Result<(), SessionError> {
        let mut until = std::pin::pin!(until);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut until => return Ok(()),
                _ = tick.tick() => {
                    self.tick()?;
                    if self.all_ended() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(STARTING_TICK), if self.is_anyone_starting() => {
                    self.retry_pending()?;
                }
            }
        }
    }

    fn is_anyone_starting(&self) -> bool {
        self.watched.values().any(Watched::is_starting)
    }

    /// What every tick has to do, whatever the run is for.
    fn keep_up(&mut self) -> Result<(), SessionError> {
        self.ticks += 1;
        self.probes.flush_log();
        self.probes.follow_cpus()?;
        self.drain()?;
        self.retry_pending()?;
        self.end_copying()?;
        self.reap()
    }

    fn tick(&mut self) -> Result<(), SessionError> {
        self.keep_up()?;
        self.look_at_code();
        self.look_at_unknown_code()?;
        self.meter.tick(self.ticks, &self.probes);
        self.keep_budget()?;
        self.keep_probe_budget()?;
        self.keep_call_moments()?;
        self.keep_accounts()?;
        if self.ticks.is_multiple_of(FAULT_TICKS) {
            self.look_up_faults()?;
        }
        self.look_for_suspects(SUSPECT_TICKS)?;
        self.look_up_current()
    }

    fn drain_samples(&mut self) {
        while let Some(record) = self.sample_ring.next() {
            self.samples.add(&record);
        }
    }

    fn drain(&mut self) -> Result<(), SessionError> {
        self.drain_samples();
        let mut decoded = Vec::new();
        let mut undecoded = 0;
        while let Some(item) = self.events.next() {
            match decode(&item) {
                Ok(event) => decoded.push(event),
                Err(error) => {
                    tracing::error!(%error, "event not understood");
                    undecoded += 1;
                }
            }
        }
        if undecoded > 0 {
            self.lose(UserLoss::EventsUndecoded, undecoded);
        }
        self.round += 1;
        let mut stacks: BTreeMap<u32, Vec<RawStack>> = BTreeMap::new();
        for event in decoded {
            match event {
                Event::Stack(stack) => stacks.entry(stack.pid).or_default().push(stack),
                Event::Code(copied) => match self.watched.get_mut(&copied.pid) {
                    Some(watched) => watched.add_copy(&mut self.symbolizer, copied),
                    None => self.lose(UserLoss::CodesOfUnknownProcesses, 1),
                },
                Event::Fork {
                    pid, parent_pid, ..
                } => {
                    self.add_stacks(&mut stacks)?;
                    self.forked(pid, parent_pid)?;
                }
                Event::Exec { pid, .. } => {
                    self.add_stacks(&mut stacks)?;
                    self.executed(pid)?;
                }
                Event::Import(import) => self.imports.note(import),
                Event::ThreadExit { pid, tid } => {
                    self.exiting.push(tid);
                    if tid == pid
                        && let Some(watched) = self.watched.get_mut(&pid)
                    {
                        // The leader; other threads may outlive it for a moment.
                        watched.exited = true;
                    }
                }
            }
        }
        self.add_stacks(&mut stacks)
    }

    /// Names stacks, all of a process at once.
    fn add_stacks(
        &mut self,
        stacks: &mut BTreeMap<u32, Vec<RawStack>>,
    ) -> Result<(), SessionError> {
        for (pid, stacks) in std::mem::take(stacks) {
            let Some(watched) = self.watched.get_mut(&pid) else {
                self.lose(UserLoss::StacksOfUnknownProcesses, stacks.len() as u64);
                continue;
            };
            watched.add_stacks(&mut self.symbolizer, stacks, self.round);
            let to_mark = watched.stacks.take_to_mark(self.round);
            self.mark_changeable(pid, &to_mark)?;
        }
        Ok(())
    }

    /// Looks whether code objects of the next process are still there.
    fn look_again(&mut self) -> Result<(), SessionError> {
        let next = self.ticks as usize % self.watched.len().max(1);
        let Some((&pid, watched)) = self.watched.iter_mut().nth(next) else {
            return Ok(());
        };
        let Some(process) = watched.python().cloned().filter(|_| !watched.exited) else {
            return Ok(());
        };
        watched.stacks.look_again(&process, LOOKED_AT_AGAIN);
        let to_mark = watched.stacks.take_to_mark(self.round);
        self.mark_changeable(pid, &to_mark)
    }

    /// Counts something lost on our side.
    fn lose(&mut self, what: impl Into<Lost>, n: u64) {
        *self.user_loss.entry(what.into()).or_default() += n;
    }

    /// Collects threads that are gone and frees their entries.
    fn reap(&mut self) -> Result<(), SessionError> {
        if self.exiting.is_empty() {
            return Ok(());
        }
        let mut maps = self.probes.maps()?;
        let mut still_dying = Vec::new();
        for tid in self.exiting.drain(..) {
            let Ok(state) = maps.threads.get(&tid, 0) else {
                continue;
            };
            if state.run_state != run_state::DEAD {
                still_dying.push(tid);
                continue;
            }
            if self.watched.contains_key(&state.pid) {
                self.ended.push(ThreadRecord::close(state, state.ended_ns));
            }
            // An entry that is already gone is as good.
            let _ = maps.threads.remove(&tid);
        }
        self.exiting = still_dying;
        Ok(())
    }
}
