//! The profile: everything that was observed, as the model has it.

use std::collections::BTreeMap;

use leakcpu_common::{counters::Counter, thread::run_state};

use super::{
    Purpose, Session, Targets,
    audits::audits,
    build::ThreadBuilder,
    collector::collector,
    cost::own_usage,
    dropped_calls::dropped_calls,
    machine::ran_instead,
    queues::mark_queues,
    repeats::repeats,
    round_trips::round_trips,
    waiting_loops::{LoopLooks, LoopsOf},
    watched::{Interpreter, Watched},
};
use crate::{
    collect::{Snapshot, ThreadRecord, boottime_minus_monotonic_ns, losses},
    discovery,
    doctor::host,
    interpreter::AttachError,
    model::{
        Cost, LoopSamples, Lost, Pid, Process, Profile, PythonFacts, Sampling, Thread, Unreadable,
        UserLoss, Window,
    },
    probes::ProbeGroup,
    symbolize::library_dirs,
};

impl Session {
    pub(super) fn assemble(
        &mut self,
        snapshot: &Snapshot,
        gil_holders: &BTreeMap<u32, u64>,
        end_ns: u64,
    ) -> Profile {
        let mut by_pid: BTreeMap<u32, Vec<ThreadRecord>> = BTreeMap::new();
        for record in &snapshot.threads {
            by_pid.entry(record.state.pid).or_default().push(*record);
        }
        let mut loss = losses(&snapshot.counters);
        let mut natives = self.name_natives(snapshot, &mut loss);
        let mut processes = Vec::new();
        let mut stacks_missing = 0;
        let left_out: u64 = self.connections.iter().map(|of| of.left_out).sum();
        self.lose(UserLoss::ConnectionsLeftOut, left_out);
        let mut loop_looks = LoopLooks::new(self.purpose);
        let mut watched = std::mem::take(&mut self.watched);
        for (pid, watched) in &mut watched {
            if !self.is_reported(watched) || !self.suspects.concern(*pid) {
                continue;
            }
            let records = by_pid.remove(pid).unwrap_or_default();
            if records.is_empty() {
                continue;
            }
            verify_names(watched);
            let watched = &*watched;
            let mut threads = Vec::new();
            let mut native = natives.remove(pid);
            let holder = gil_holders.get(pid).and_then(|tstate| {
                let mut records = records.iter();
                records
                    .find(|record| record.state.tstate == *tstate)
                    .copied()
            });
            for &record in &records {
                let lock_waits = self
                    .lock_looks
                    .waits(watched, &record, &records, self.start_ns);
                let record = resolve_silent(*pid, record);
                let key = (record.state.tid, record.generation());
                let mut builder = ThreadBuilder {
                    watched,
                    record,
                    totals: snapshot.totals.get(&key).map_or(&[], Vec::as_slice),
                    natives: native.as_ref(),
                    wakes: snapshot.wakes.get(&key).map_or(&[], Vec::as_slice),
                    rate_hz: self.config.rate_hz,
                    gil_holder: holder.as_ref(),
                    evidence: self.suspects.evidence.get(&record.state.tid),
                    measures_throttling: self.probes.facts.measures_throttling(),
                    machine: &self.machine,
                    event_loop: snapshot.loops.get(&key),
                    faults: self.faults.get(&key),
                    start_ns: self.start_ns,
                    stacks_missing: 0,
                };
                let mut thread = builder.build();
                thread.lock_waits = lock_waits;
                let (loops, hot) = loop_looks.look(watched, &record, builder.totals);
                (thread.hot_spots, thread.hot_loops) = (hot.spots, hot.loops);
                match loops {
                    Some(LoopsOf::OnlyWait(waiting)) => thread.waiting_loop = Some(waiting),
                    Some(LoopsOf::LeaveResults) => thread.leaves_results = true,
                    None => {}
                }
                let stacks = self.samples.every_stack(key.0, key.1);
                thread.loop_samples = loop_samples(watched, stacks);
                threads.push(thread);
                stacks_missing += builder.stacks_missing;
            }
            for (lost, n) in &watched.stacks.loss {
                *loss.entry(*lost).or_default() += n;
            }
            let mut process = Self::process(watched, threads, end_ns);
            process.quotas = self.machine.quotas(watched);
            process.ran_instead = ran_instead(snapshot, *pid);
            let ids = records.iter().map(|it| (it.state.tid, it.generation()));
            process.collector = collector(
                watched,
                ids.clone(),
                &self.collections.0,
                self.heard_ns(ProbeGroup::Collector),
            );
            process.audits = audits(watched, ids.clone(), &self.audits);
            let lives = process.threads.iter().map(|thread| thread.times.wall_ns);
            let watched_ns = lives.max().unwrap_or(0);
            process.calls = self.process_calls(*pid, watched, ids, watched_ns, end_ns);
            if let Some(probes) = &watched.probes {
                if let Some(python) = &mut process.python {
                    python.usdt = Some(probes.in_model(*pid, &self.collections.1));
                }
                if probes.is_armed(ProbeGroup::Imports) {
                    let mut imports = self.imports.take(*pid, self.start_ns, end_ns);
                    imports.is_whole = probes.is_from_start();
                    process.imports = Some(imports);
                }
            }
            let totals = process.threads.iter().flat_map(|thread| {
                let of_thread = |key: &&(u32, u32)| key.0 == thread.tid.0;
                let keys = snapshot.totals.keys().filter(of_thread);
                keys.flat_map(|key| &snapshot.totals[key])
            });
            process.round_trips = round_trips(watched, &process, totals, &self.connections);
            loop_looks.count_files(&process);
            if self.purpose == Purpose::Report {
                mark_queues(watched, &mut process, loop_looks.until);
                process.repeats = repeats(watched, &process, loop_looks.until);
                process.dropped_calls = dropped_calls(watched, &process);
            }
            if let Some(native) = native.take() {
                (process.natives, process.native_stacks) = native.into_parts();
            }
            processes.push(process);
        }
        let (loops_left_out, loop_code_unreadable) = (loop_looks.left_out, loop_looks.unreadable);
        let without_operands = loop_looks.without_operands;
        loop_looks.look_at_values(&mut processes);
        let evicted = self.symbolizer.evicted();
        for (lost, n) in [
            (UserLoss::StacksMissing.into(), stacks_missing),
            (UserLoss::NamesEvicted.into(), evicted),
            (UserLoss::LoopsNotLookedAt.into(), loops_left_out),
            (UserLoss::LoopCodeUnreadable.into(), loop_code_unreadable),
            (UserLoss::OperandsNotLookedAt.into(), without_operands),
        ]
        .into_iter()
        .chain(self.user_loss.iter().map(|(lost, n)| (*lost, *n)))
        .chain(self.samples.loss().map(|(lost, n)| (lost.into(), n)))
        {
            *loss.entry(lost).or_default() += n;
        }
        self.watched = watched;
        loss.retain(|lost, n| *n > 0 || Lost::ALWAYS.contains(lost));
        let window_ns = end_ns.saturating_sub(self.start_ns);
        Profile {
            host: host(),
            window: Window {
                start_unix_ns: self.start_unix_ns,
                duration_ns: window_ns,
                sequence: self.sequence,
            },
            sampling: self.sampling(snapshot, &processes),
            loss,
            cost: self.cost(window_ns),
            processes,
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    /// Processes that turned out not to be Python are not reported, unless the
    /// user asked for them by pid.
    fn is_reported(&self, watched: &Watched) -> bool {
        match &watched.interpreter {
            Interpreter::Pending { .. } => {
                matches!(self.targets, Targets::Pids(_)) || !watched.threads.is_empty()
            }
            Interpreter::Refused(AttachError::NotPython { .. }) => !watched.stacks.is_empty(),
            Interpreter::Attached(_) | Interpreter::Refused(_) => true,
        }
    }

    fn process(watched: &Watched, threads: Vec<Thread>, end_ns: u64) -> Process {
        let facts = &watched.facts;
        let now_boottime_ns = end_ns + boottime_minus_monotonic_ns();
        let (functions, stacks) = watched.stacks.model();
        Process {
            ns_pid: facts.ns_pids.last().copied(),
            start_boottime_ns: Some(facts.start_boottime_ns),
            exe: facts.exe.clone(),
            cmdline: facts.cmdline.clone(),
            python: python_facts(watched),
            container_id: facts.container_id.clone(),
            cgroup: facts.cgroup.path().map(str::to_owned),
            systemd_unit: facts.systemd_unit.clone(),
            lifetime_ns: Some(now_boottime_ns.saturating_sub(facts.start_boottime_ns)),
            exited: watched.exited,
            threads: name_threads(facts.pid, threads),
            functions,
            stacks,
            unreadable: unreadable(watched),
            library_dirs: library_dirs(watched.stacks.files()),
            ..Process::new(Pid(facts.pid))
        }
    }

    fn sampling(&self, snapshot: &Snapshot, processes: &[Process]) -> Sampling {
        let on_cpu_ns: u64 = processes
            .iter()
            .flat_map(|process| &process.threads)
            .map(|thread| thread.times.on_cpu_ns)
            .sum();
        let samples = snapshot.counter(Counter::OnCpuSamples);
        let samples = samples.saturating_sub(self.samples.left_out());
        // Under 100 ms of on-CPU time the quotient says nothing.
        let effective_hz =
            (on_cpu_ns > 100_000_000).then(|| samples as f64 * 1e9 / on_cpu_ns as f64);
        Sampling {
            requested_hz: self.config.rate_hz,
            effective_hz,
            stacks_walked: snapshot.counter(Counter::StacksWalked),
            switches: snapshot.counter(Counter::SwitchesWatched),
            switches_without_stack: snapshot.counter(Counter::SwitchesWithoutStack),
            steps: self.budget.steps().to_vec(),
        }
    }

    fn cost(&self, window_ns: u64) -> Cost {
        let (_, max_rss_bytes) = own_usage();
        Cost {
            bpf_run_ns: self.meter.run_ns_in(window_ns),
            user_cpu_ns: self
                .meter
                .end_cpu_ns
                .saturating_sub(self.meter.start_cpu_ns),
            max_rss_bytes,
        }
    }
}

/// What an event loop ran that was sampled more often than others, by stack.
fn loop_samples(watched: &Watched, stacks: impl Iterator<Item = (u64, u64)>) -> Vec<LoopSamples> {
    let mut samples: Vec<LoopSamples> = stacks
        .filter_map(|(hash, count)| {
            let stack = watched.stacks.by_hash(hash)?;
            Some(LoopSamples { stack, count })
        })
        .collect();
    samples.sort_by_key(|samples| (std::cmp::Reverse(samples.count), samples.stack));
    samples
}

/// Takes the names of frames that may have been another code object's.
fn verify_names(watched: &mut Watched) {
    let Some(process) = watched.python().cloned() else {
        return;
    };
    if let Err(error) = watched.stacks.verify(&process) {
        tracing::debug!(pid = process.pid, %error, "names not verified");
    }
}

fn python_facts(watched: &Watched) -> Option<PythonFacts> {
    let version = watched.version?;
    Some(PythonFacts {
        version: version.to_string(),
        implementation: "cpython".to_owned(),
        free_threaded: watched.python().map(|process| process.layout.free_threaded),
        usdt: None,
    })
}

fn unreadable(watched: &Watched) -> Option<Unreadable> {
    let error = match &watched.interpreter {
        Interpreter::Attached(_) => return None,
        Interpreter::Pending { last, .. } => last.as_ref(),
        Interpreter::Refused(error) => Some(error),
    };
    Some(error.map_or_else(
        || Unreadable {
            reason: "its interpreter was still starting when the window ended".to_owned(),
            how_to_fix: "watch longer".to_owned(),
        },
        |error| Unreadable {
            reason: error.to_string(),
            how_to_fix: error.how_to_fix().to_owned(),
        },
    ))
}

/// Names of threads that were born while watching, as far as they live.
fn name_threads(pid: u32, mut threads: Vec<Thread>) -> Vec<Thread> {
    for thread in threads.iter_mut().filter(|thread| thread.name.is_none()) {
        if let Ok(facts) = discovery::thread_facts(pid, thread.tid.0) {
            thread.name = Some(facts.comm);
            thread.ns_tid = Some(facts.ids.ns_tid);
        }
    }
    threads.sort_by_key(|thread| thread.tid);
    threads
}

/// A thread that caused no event in the whole window was in one state all along;
/// `/proc` says in which.
fn resolve_silent(pid: u32, mut record: ThreadRecord) -> ThreadRecord {
    if record.run_state_at_end != run_state::UNKNOWN {
        return record;
    }
    let state = &mut record.state;
    match discovery::thread_facts(pid, state.tid) {
        Ok(facts) if facts.state == 'R' => {
            // Not sampled and never switched in: it has not run.
            state.runnable_ns += record.open_ns;
            state.initial_state = run_state::RUNNABLE;
        }
        Ok(_) => {
            state.blocked_ns += record.open_ns;
            state.initial_state = run_state::BLOCKED;
        }
        // Gone since the window ended: the time stays unaccounted.
        Err(_) => {}
    }
    record
}
