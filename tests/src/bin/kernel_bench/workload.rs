//! The processes that are measured.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use serde::Deserialize;

use super::watch::{Tally, Watch};

/// How everything is measured.
pub struct Setting {
    /// The interpreter of the workloads.
    pub python: PathBuf,
    /// Their folder.
    pub workloads: PathBuf,
    /// Their CPU.
    pub cpu: usize,
    /// Length of one measurement.
    pub window: Duration,
    /// Measurements of each figure.
    pub repetitions: usize,
    /// Samples per second and CPU.
    pub rate_hz: u32,
}

impl Setting {
    /// What happens in one window.
    pub fn observe(&self, watch: &mut Watch) -> Result<Tally> {
        let before = watch.tally()?;
        thread::sleep(self.window);
        Ok(&watch.tally()? - &before)
    }

    /// The least of several windows by `cost`: what a quiet machine would show.
    pub fn least<T>(
        &self,
        mut measure: impl FnMut() -> Result<T>,
        cost: impl Fn(&T) -> f64,
    ) -> Result<T> {
        let mut least = measure()?;
        for _ in 1..self.repetitions {
            let next = measure()?;
            if cost(&next) < cost(&least) {
                least = next;
            }
        }
        Ok(least)
    }
}

/// Keeps the calling thread, and what it starts, on one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot stay on CPU {cpu}"))
}

/// A Python workload that runs until it is dropped.
pub struct Workload {
    child: Child,
    /// Its process, and those that it started.
    pub pids: Vec<u32>,
}

#[derive(Deserialize)]
struct Ready {
    pid: u32,
    others: Vec<u32>,
}

impl Workload {
    /// Starts a script on the CPU of what is measured, and waits until it is ready.
    pub fn start(setting: &Setting, script: &str, depth: u32) -> Result<Self> {
        Self::spawn(setting, script, &["--depth", &depth.to_string()])
    }

    /// Starts a process that is there to be watched and does nothing.
    pub fn idle(setting: &Setting) -> Result<Self> {
        Self::spawn(setting, "target.py", &["--idle"])
    }

    /// Starts a process that blocks in the same or in `new` places.
    pub fn blocking(setting: &Setting, kind: &str) -> Result<Self> {
        Self::spawn(setting, "blocking.py", &[kind])
    }

    fn spawn(setting: &Setting, script: &str, arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(&setting.python)
            .arg(setting.workloads.join(script))
            .args(["--cpu", &setting.cpu.to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", setting.python.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = lines
            .next()
            .with_context(|| format!("{script} ended without a word"))??;
        // Read on, or it would block.
        thread::spawn(move || lines.for_each(drop));
        let ready: Ready = serde_json::from_str(&first)
            .with_context(|| format!("{script} did not say that it is ready but: {first}"))?;
        let mut pids = vec![ready.pid];
        pids.extend(ready.others);
        Ok(Self { child, pids })
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // The scripts end with their stdin, within one repetition.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
