//! Beginning and ceasing to watch processes.

use leakcpu_common::{
    counters::Counter,
    syscall::wait_arg,
    thread::{ThreadState, run_state, thread_flags},
};

use super::{
    Session, SessionError, Targets,
    build::parked_wait,
    watched::{Interpreter, Parked, ThreadNote, Watched},
};
use crate::{
    collect::monotonic_ns,
    discovery::{self, DiscoveryError, Inspection, PythonTarget, SyscallState},
    interpreter::{self, AttachError, PyThread, PythonVersion},
    probes::syscall_spec,
};

/// `BPF_NOEXIST`: the kernel side may have inserted the thread already.
const NO_EXIST: u64 = 1;
/// Rounds of listing threads until no new one appears.
const LIST_ROUNDS: usize = 4;

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
            let what = match scan.unreadable.len() {
                1 => "1 process could not be looked at".to_owned(),
                n => format!("{n} processes could not be looked at, the first of them"),
            };
            self.warnings.push(format!(
                "{what} (pid {pid}: {error}); {}",
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
            flags: thread_flags::FROM_BIRTH,
            ..ThreadState::default()
        };
        self.insert_thread(&state)
    }

    fn insert_thread(&mut self, state: &ThreadState) -> Result<(), SessionError> {
        if self
            .probes
            .maps()?
            .threads
            .insert(state.tid, *state, NO_EXIST)
            .is_err()
        {
            // There already, or no room.
            let known = self.probes.maps()?.threads.get(&state.tid, 0).is_ok();
            if !known {
                self.lose(Counter::ThreadsFull, 1);
            }
        }
        Ok(())
    }

    /// Notes a process that will probably be Python in a moment.
    pub(super) fn expect(&mut self, pid: u32) {
        if let Ok(facts) = discovery::process_facts(pid) {
            let pending = Interpreter::pending(None);
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
        let mut kernel = None;
        let interpreter = match attached {
            Ok(process) => {
                kernel = Some(process.kernel);
                Interpreter::Attached(Box::new(process))
            }
            Err(error @ AttachError::NotReadyYet { .. }) => Interpreter::pending(Some(error)),
            Err(error) => Interpreter::Refused(error),
        };
        let mut watched = Watched::new(target.facts, interpreter);
        watched.version = version;
        self.watched.insert(pid, watched);
        self.listen(pid, &target.image);
        if let Some(kernel) = kernel {
            self.walk(pid, kernel)?;
        }
        self.watch_threads(pid)
    }

    /// Inserts every thread of `pid`, and reads the stacks of those that wait.
    pub(super) fn watch_threads(&mut self, pid: u32) -> Result<(), SessionError> {
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
                let of_thread = || states.iter().filter(|state| state.tid == Some(tid));
                let tstate = of_thread()
                    .find(|state| state.is_main_interpreter)
                    .map_or(0, |state| state.tstate);
                let is_python = of_thread().next().is_some();
                let start_boottime_ns = watched.facts.start_boottime_ns;
                watched.threads.insert(
                    tid,
                    ThreadNote {
                        name: Some(facts.comm.clone()),
                        ns_tid: Some(facts.ids.ns_tid),
                        is_python,
                        parked: None,
                    },
                );
                let now_ns = monotonic_ns();
                self.insert_thread(&ThreadState {
                    start_boottime_ns,
                    watched_since_ns: now_ns,
                    state_since_ns: now_ns,
                    pid,
                    tid,
                    run_state: run_state::UNKNOWN,
                    flags: loop_wait(pid, tid),
                    tstate,
                    ..ThreadState::default()
                })?;
                // Whatever it did when it was listed: it may have begun to wait since.
                if is_python {
                    self.read_parked(pid, tid, &states);
                } else {
                    self.read_native_wait(pid, tid);
                }
            }
            if fresh == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Reads what a thread without Python waits for.
    fn read_native_wait(&mut self, pid: u32, tid: u32) {
        let Some(watched) = self.watched.get_mut(&pid) else {
            return;
        };
        let Some(process) = watched.python() else {
            return;
        };
        match interpreter::parked_native(pid, tid) {
            Ok(stack) => {
                let wait = parked_wait(process, &stack);
                if let Some(note) = watched.threads.get_mut(&tid) {
                    note.parked = Some(Parked { stack, wait });
                }
            }
            Err(error) => tracing::debug!(pid, tid, %error, "its wait was not read"),
        }
    }

    /// Reads the stack of a thread that waits: it may cause no event before the
    /// window ends.
    fn read_parked(&mut self, pid: u32, tid: u32, states: &[PyThread]) {
        let limit = self.config.frame_limit as usize;
        let Some(watched) = self.watched.get_mut(&pid) else {
            return;
        };
        let Some(process) = watched.python() else {
            return;
        };
        let Some(running) = interpreter::running_state(process, states, tid) else {
            return;
        };
        match interpreter::parked(process, running.tstate, tid, limit) {
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
}

/// [`thread_flags::IN_LOOP_WAIT`] if the thread waits as event loops do: the gap after that
/// may be the only one of the window.
fn loop_wait(pid: u32, tid: u32) -> u32 {
    let is_loop = match discovery::syscall_state(pid, tid) {
        Ok(SyscallState::InSyscall { number, args, .. }) => match syscall_spec(number).wait_arg {
            wait_arg::EPOLL => true,
            wait_arg::NFDS => args[0] > 0,
            wait_arg::POLLFDS => args[1] > 1,
            _ => false,
        },
        _ => false,
    };
    if is_loop {
        thread_flags::IN_LOOP_WAIT
    } else {
        0
    }
}
