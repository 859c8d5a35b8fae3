//! Runs a workload instruction by instruction.
//!
//! Only the tests do this, and only to programs of their own: pyobserve itself stops
//! nobody.

use std::{thread, time::Duration};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// A thread that stands still between two instructions. Must be used by the thread that
/// made it; the target goes on when it is dropped.
#[derive(Debug)]
pub struct SingleStep {
    pid: Pid,
}

impl SingleStep {
    /// Takes hold of the main thread of `pid`, a child of this process.
    pub fn take(pid: u32) -> Self {
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
        // Both take turns: on one CPU no turn waits for another CPU to wake up.
        let mut cpus = CpuSet::new();
        cpus.set(0).expect("there is a first CPU");
        for who in [pid, Pid::from_raw(0)] {
            // Slower without.
            let _ = sched_setaffinity(who, &cpus);
        }
        ptrace::seize(pid, ptrace::Options::empty())
            .unwrap_or_else(|e| panic!("cannot trace {pid}: {e}"));
        let mut stepper = Self { pid };
        stepper.stop();
        stepper
    }

    /// Lets it run freely for a while.
    pub fn run_for(&mut self, while_running: Duration) {
        ptrace::cont(self.pid, None).expect("it stands still");
        thread::sleep(while_running);
        self.stop();
    }

    /// Runs one instruction.
    pub fn step(&mut self) {
        let mut signal = None;
        loop {
            ptrace::step(self.pid, signal).expect("it stands still");
            match self.wait() {
                Signal::SIGTRAP => return,
                other => signal = Some(other),
            }
        }
    }

    /// Address of the next instruction.
    pub fn instruction(&self) -> u64 {
        ptrace::getregs(self.pid).expect("it stands still").rip
    }

    fn stop(&mut self) {
        ptrace::interrupt(self.pid).expect("it is traced");
        self.wait();
    }

    /// Waits until it stands still; the signal that it stands still for.
    fn wait(&mut self) -> Signal {
        match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Stopped(_, signal) | WaitStatus::PtraceEvent(_, signal, _)) => signal,
            other => panic!("{} should stand still: {other:?}", self.pid),
        }
    }
}

impl Drop for SingleStep {
    fn drop(&mut self) {
        // It may be gone.
        let _ = ptrace::detach(self.pid, None);
    }
}
