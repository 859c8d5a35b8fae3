//! Beginning and ceasing to watch processes.

use std::collections::HashMap;

use leakcpu_common::{
    thread::{ThreadState, run_state, thread_flags},
    totals::wait_flags,
};

use super::{
    Session, SessionError, Targets,
    build::parked_wait,
    watched::{Interpreter, Parked, ThreadNote, Watched},
};
use crate::{
    collect::{Snapshot, monotonic_ns},
    discovery::{self, DiscoveryError, Inspection, PythonTarget, SocketTable},
    interpreter::{self, AttachError, PythonVersion},
};

/// `BPF_NOEXIST`: the kernel side may have inserted the thread already.
const NO_EXIST: u64 = 1;
/// Rounds of listing threads until no new one appears.
const LIST_ROUNDS: usize = 4;
/// Looks at a starting process before it is called something else: 5 s.
const MAX_ATTEMPTS: u32 = 200;

impl Session {
    pub(super) fn watch_targets(&mut self) -> Result<(), SessionError> {
        match self.targets.clone() {
            Targets::All => self.watch_all(),
            Targets::Pids(pids) => self.watch_pids(&pids),
            Targets::Child(pid) => {
                self.family.insert(pid);
                self.watch_child(pid)
            }
        }
    }

    fn watch_all(&mut self) -> Result<(), SessionError> {
        let scan = self.discovery.scan()?;
        for target in scan.python {
            self.watch(target)?;
        }
        for pid in scan.might_become_python {
            self.expect(pid);
        }
        if let Some((pid, error)) = scan.unreadable.first() {
            self.warnings.push(format!(
                "{} processes could not be looked at (for one, pid {pid}: {error}); {}",
                scan.unreadable.len(),
                error.how_to_fix()
            ));
        }
        Ok(())
    }

    fn watch_pids(&mut self, pids: &[u32]) -> Result<(), SessionError> {
        let mut problems = Vec::new();
        for &asked in pids {
            let pid = discovery::process_of(asked).unwrap_or(asked);
            if self.watched.contains_key(&pid) {
                continue;
            }
            if pid != asked {
                problems.push(format!(
                    "{asked} is a thread of process {pid}, which is watched as a whole"
                ));
            }
            match self.discovery.inspect(pid) {
                Ok(Inspection::Python(target)) => self.watch(*target)?,
                Ok(Inspection::MightBecomePython) => self.expect(pid),
                Ok(Inspection::Zombie) => problems.push(format!("process {pid} has ended")),
                Ok(Inspection::NotPython | Inspection::KernelThread) => {
                    problems.push(AttachError::NotPython { pid }.to_string());
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        if self.watched.is_empty() {
            return Err(SessionError::NoTarget(problems));
        }
        self.warnings.append(&mut problems);
        Ok(())
    }

    /// Watches a process that has not called exec yet; the kernel side reports
    /// when it does.
    fn watch_child(&mut self, pid: u32) -> Result<(), SessionError> {
        let now_ns = monotonic_ns();
        let state = ThreadState {
            start_boottime_ns: discovery::start_boottime_ns(pid)?,
            watched_since_ns: now_ns,
            state_since_ns: now_ns,
            pid,
            tid: pid,
            run_state: run_state::UNKNOWN,
            flags: thread_flags::FROM_BIRTH | thread_flags::PROVISIONAL,
            ..ThreadState::default()
        };
        self.insert_thread(state)
    }

    fn insert_thread(&mut self, state: ThreadState) -> Result<(), SessionError> {
        if self
            .probes
            .maps()?
            .threads
            .insert(state.tid, state, NO_EXIST)
            .is_err()
        {
            // There already, or no room.
            let known = self.probes.maps()?.threads.get(&state.tid, 0).is_ok();
            if !known {
                *self.user_loss.entry("threads_full").or_default() += 1;
            }
        }
        Ok(())
    }

    /// Notes a process that will probably be Python in a moment.
    fn expect(&mut self, pid: u32) {
        if let Ok(facts) = discovery::process_facts(pid) {
            let pending = Interpreter::Pending {
                attempts: 0,
                last: None,
            };
            self.watched.insert(pid, Watched::new(facts, pending));
        }
    }

    /// Watches a process that has a CPython mapped.
    fn watch(&mut self, target: PythonTarget) -> Result<(), SessionError> {
        let pid = target.facts.pid;
        let attached = self.interpreters.attach(&target);
        if attached.as_ref().is_err_and(AttachError::is_gone) {
            return Ok(());
        }
        let version = PythonVersion::of(&target.image.elf).ok();
        let interpreter = match attached {
            Ok(process) => {
                self.probes
                    .maps()?
                    .processes
                    .insert(pid, process.kernel, 0)
                    .map_err(crate::probes::ProbeError::from)?;
                Interpreter::Attached(Box::new(process))
            }
            Err(error @ AttachError::NotReadyYet { .. }) => Interpreter::Pending {
                attempts: 0,
                last: Some(error),
            },
            Err(error) => Interpreter::Refused(error),
        };
        let mut watched = Watched::new(target.facts, interpreter);
        watched.version = version;
        self.watched.insert(pid, watched);
        self.watch_threads(pid)
    }

    /// Inserts every thread of `pid`, and reads the stacks of those that wait.
    fn watch_threads(&mut self, pid: u32) -> Result<(), SessionError> {
        for _ in 0..LIST_ROUNDS {
            let states = self
                .watched
                .get(&pid)
                .and_then(Watched::python)
                .and_then(|process| interpreter::threads(process).ok())
                .unwrap_or_default();
            let listed = match discovery::threads(pid) {
                Ok(listed) => listed,
                Err(DiscoveryError::Gone { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut fresh = 0;
            for facts in listed {
                let tid = facts.ids.tid;
                let Some(watched) = self.watched.get_mut(&pid) else {
                    return Ok(());
                };
                if watched.threads.contains_key(&tid) {
                    continue;
                }
                fresh += 1;
                let tstate = states
                    .iter()
                    .find(|state| state.tid == Some(tid) && state.is_main_interpreter)
                    .map_or(0, |state| state.tstate);
                let start_boottime_ns = watched.facts.start_boottime_ns;
                watched.threads.insert(
                    tid,
                    ThreadNote {
                        name: Some(facts.comm.clone()),
                        ns_tid: Some(facts.ids.ns_tid),
                        is_python: tstate != 0,
                        parked: None,
                    },
                );
                let now_ns = monotonic_ns();
                self.insert_thread(ThreadState {
                    start_boottime_ns,
                    watched_since_ns: now_ns,
                    state_since_ns: now_ns,
                    pid,
                    tid,
                    run_state: run_state::UNKNOWN,
                    tstate,
                    ..ThreadState::default()
                })?;
                if tstate != 0 && facts.state != 'R' {
                    self.read_parked(pid, tid, tstate);
                }
            }
            if fresh == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Reads the stack of a thread that waits: it may cause no event before the
    /// window ends.
    fn read_parked(&mut self, pid: u32, tid: u32, tstate: u64) {
        let limit = self.config.frame_limit as usize;
        let Some(watched) = self.watched.get_mut(&pid) else {
            return;
        };
        let Some(process) = watched.python() else {
            return;
        };
        match interpreter::parked(process, tstate, tid, limit) {
            Ok(stack) => {
                let wait = parked_wait(process, &stack);
                watched.add_parked(&mut self.symbolizer, &stack);
                if let Some(note) = watched.threads.get_mut(&tid) {
                    note.parked = Some(Parked { stack, wait });
                }
            }
            Err(error) => tracing::debug!(pid, tid, %error, "parked stack not read"),
        }
    }

    /// A watched process has a child: the same image in another process.
    pub(super) fn forked(&mut self, pid: u32, parent_pid: u32) -> Result<(), SessionError> {
        if self.family.contains(&parent_pid) {
            self.family.insert(pid);
        }
        let Some(parent) = self.watched.get(&parent_pid) else {
            if !self.keeps_strangers() {
                self.unwatch(pid)?;
            }
            return Ok(());
        };
        let mut facts = discovery::process_facts(pid).unwrap_or_else(|_| {
            // Gone already: it was a copy of its parent.
            let mut facts = parent.facts.clone();
            facts.parent_pid = parent_pid;
            facts.pid = pid;
            facts.ns_pids = Vec::new();
            facts
        });
        facts.pid = pid;
        let interpreter = match parent.python() {
            Some(process) => {
                let mut process = process.clone();
                process.pid = pid;
                process.start_boottime_ns = facts.start_boottime_ns;
                Interpreter::Attached(Box::new(process))
            }
            None => Interpreter::Pending {
                attempts: 0,
                last: None,
            },
        };
        let version = parent.version;
        let parent = parent.python().cloned().map(Box::new);
        let mut watched = Watched::new(facts, interpreter);
        watched.version = version;
        watched.forked = true;
        watched.parent = parent;
        self.watched.insert(pid, watched);
        Ok(())
    }

    /// A process runs another program now: what was known of its interpreter is
    /// void.
    pub(super) fn executed(&mut self, pid: u32) -> Result<(), SessionError> {
        let strange = !self.watched.contains_key(&pid);
        if strange && matches!(self.targets, Targets::Child(_)) && !self.family.contains(&pid) {
            return Ok(());
        }
        match self.watched.get_mut(&pid) {
            Some(watched) if !watched.forked && watched.stacks.len() > 1 => {
                self.warnings.push(format!(
                    "process {pid} executed another program while it was watched; names of its earlier stacks are kept"
                ));
                watched.interpreter = Interpreter::Pending {
                    attempts: 0,
                    last: None,
                };
                if let Ok(facts) = discovery::process_facts(pid) {
                    watched.facts = facts;
                }
            }
            _ => {
                self.watched.remove(&pid);
                self.expect(pid);
                if !self.watched.contains_key(&pid) && !self.keeps_strangers() {
                    self.unwatch(pid)?;
                }
            }
        }
        Ok(())
    }

    /// Whether threads that are not Python stay in the kernel's map: a command's
    /// descendants are found through them.
    fn keeps_strangers(&self) -> bool {
        matches!(self.targets, Targets::Child(_))
    }

    /// Frees the kernel's entries of a process that is not Python.
    fn unwatch(&mut self, pid: u32) -> Result<(), SessionError> {
        let mut maps = self.probes.maps()?;
        let tids = discovery::thread_ids(pid).unwrap_or_else(|_| vec![pid]);
        for tid in tids {
            // Not there is as good as removed.
            let _ = maps.threads.remove(&tid);
        }
        Ok(())
    }

    /// Asks again about processes that were starting.
    pub(super) fn retry_pending(&mut self) -> Result<(), SessionError> {
        let pending: Vec<u32> = self
            .watched
            .iter()
            .filter(|(_, w)| !w.exited && matches!(w.interpreter, Interpreter::Pending { .. }))
            .map(|(pid, _)| *pid)
            .collect();
        for pid in pending {
            self.retry(pid)?;
        }
        Ok(())
    }

    fn retry(&mut self, pid: u32) -> Result<(), SessionError> {
        let outcome = self.interpreters.attach_pid(&mut self.discovery, pid);
        let Some(watched) = self.watched.get_mut(&pid) else {
            return Ok(());
        };
        match outcome {
            Ok((target, process)) => {
                watched.version = PythonVersion::of(&target.image.elf).ok();
                watched.facts = target.facts;
                watched.parent = None;
                let kernel = process.kernel;
                watched.interpreter = Interpreter::Attached(Box::new(process));
                watched.name_early(&mut self.symbolizer);
                self.probes
                    .maps()?
                    .processes
                    .insert(pid, kernel, 0)
                    .map_err(crate::probes::ProbeError::from)?;
                self.watch_threads(pid)?;
            }
            Err(AttachError::NotPython { .. }) => {
                let born_here = watched.threads.is_empty();
                if born_here || watched.forked {
                    self.watched.remove(&pid);
                } else {
                    watched.interpreter = Interpreter::Refused(AttachError::NotPython { pid });
                }
                if !self.keeps_strangers() {
                    self.unwatch(pid)?;
                }
            }
            Err(error) if error.is_gone() => watched.exited = true,
            Err(error @ AttachError::NotReadyYet { .. }) => {
                if let Interpreter::Pending { attempts, last } = &mut watched.interpreter {
                    *attempts += 1;
                    if *attempts >= MAX_ATTEMPTS {
                        watched.interpreter = Interpreter::Refused(error);
                    } else {
                        *last = Some(error);
                    }
                }
            }
            Err(error) => {
                watched.interpreter = Interpreter::Refused(error);
                self.watch_threads(pid)?;
            }
        }
        Ok(())
    }

    /// Looks up the descriptors that threads wait on now, while they are open.
    pub(super) fn look_up_current_descriptors(&mut self) -> Result<(), SessionError> {
        let mut wanted = Vec::new();
        {
            let maps = self.probes.maps()?;
            for entry in &maps.threads {
                let Ok((_, state)) = entry else { continue };
                if state.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((state.pid, state.wait.fd));
                }
            }
        }
        self.look_up(wanted);
        Ok(())
    }

    /// Looks up the descriptors that the totals name and nobody has looked at yet.
    pub(super) fn look_up_descriptors(&mut self, snapshot: &Snapshot) {
        let mut wanted = Vec::new();
        for record in &snapshot.threads {
            let key = (record.state.tid, record.generation());
            for (totals, _) in snapshot.totals.get(&key).into_iter().flatten() {
                if totals.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((record.state.pid, totals.wait.fd));
                }
            }
        }
        for (pid, watched) in &self.watched {
            for note in watched.threads.values() {
                if let Some(parked) = &note.parked
                    && parked.wait.flags & wait_flags::HAS_FD != 0
                {
                    wanted.push((*pid, parked.wait.fd));
                }
            }
        }
        self.look_up(wanted);
    }

    fn look_up(&mut self, mut wanted: Vec<(u32, i32)>) {
        wanted.sort_unstable();
        wanted.dedup();
        let mut tables: HashMap<u32, Option<SocketTable>> = HashMap::new();
        for (pid, fd) in wanted {
            let Some(watched) = self.watched.get_mut(&pid) else {
                continue;
            };
            if watched.descriptors.contains_key(&fd) {
                continue;
            }
            let table = tables.entry(pid).or_default();
            if let Ok(descriptor) = discovery::descriptor(pid, fd, table) {
                watched.descriptors.insert(fd, descriptor);
            }
        }
    }
}
