//! Processes that fork, exec and start up while they are watched.

use super::{
    Session, SessionError, Targets,
    watched::{Interpreter, Watched},
};
use crate::{
    collect::{ThreadRecord, monotonic_ns},
    discovery,
    interpreter::{AttachError, PythonVersion},
};

impl Session {
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
            None => Interpreter::pending(None),
        };
        let version = parent.version;
        let code = parent.code.clone();
        let probes = parent.probes.clone();
        let parent = parent.python().cloned().map(Box::new);
        let mut watched = Watched::new(facts, interpreter);
        watched.version = version;
        watched.forked = true;
        watched.code = code;
        watched.probes = probes;
        watched.parent = parent;
        self.watched.insert(pid, watched);
        // The kernel side walks it by its parent's entry already.
        self.copy_code_while_young(pid)
    }

    /// A process runs another program now: what was known of its interpreter is
    /// void.
    pub(super) fn executed(&mut self, pid: u32) -> Result<(), SessionError> {
        let strange = !self.watched.contains_key(&pid);
        if strange && matches!(self.targets, Targets::Child(_)) && !self.family.contains(&pid) {
            return Ok(());
        }
        match self.watched.get_mut(&pid) {
            Some(watched) if !watched.forked && !watched.stacks.is_empty() => {
                self.warnings.push(format!(
                    "process {pid} executed another program while it was watched; names of its earlier stacks are kept"
                ));
                watched.interpreter = Interpreter::pending(None);
                watched.stacks.forget_addresses();
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
        if let Some(watched) = self.watched.get_mut(&pid) {
            watched.rejuvenate();
        }
        Ok(())
    }

    /// Whether threads that are not Python stay in the kernel's map: a command's
    /// descendants are found through them.
    fn keeps_strangers(&self) -> bool {
        matches!(self.targets, Targets::Child(_))
    }

    /// Keeps what the kernel knows of the threads of `pid` as of now.
    fn keep_records(&mut self, pid: u32) -> Result<(), SessionError> {
        let now_ns = monotonic_ns();
        let maps = self.probes.maps()?;
        for tid in discovery::thread_ids(pid).unwrap_or_else(|_| vec![pid]) {
            if let Ok(state) = maps.threads.get(&tid, 0) {
                self.ended.push(ThreadRecord::close(state, now_ns));
            }
        }
        Ok(())
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
                watched.name_early(&mut self.symbolizer, self.round);
                self.listen(pid, &target.image);
                self.walk(pid, kernel)?;
                self.watch_threads(pid)?;
            }
            Err(AttachError::NotPython { .. }) => {
                let born_here = watched.threads.is_empty();
                if born_here || watched.forked {
                    self.watched.remove(&pid);
                } else {
                    // It was Python until now: what it did is reported.
                    watched.interpreter = Interpreter::Refused(AttachError::NotPython { pid });
                    watched.exited = true;
                    self.keep_records(pid)?;
                }
                if !born_here || !self.keeps_strangers() {
                    self.unwatch(pid)?;
                }
            }
            Err(error) if error.is_gone() => watched.exited = true,
            Err(error @ AttachError::NotReadyYet { .. }) => {
                if let Interpreter::Pending { until_ns, last } = &mut watched.interpreter {
                    if monotonic_ns() >= *until_ns {
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
}
