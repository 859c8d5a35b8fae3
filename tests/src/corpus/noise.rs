//! What else runs on the machine while a program is watched.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::truth::Starvation;
use crate::{cgroup::ControlGroup, interpreter, workload};

/// What pyobserve may have of one CPU under [`Noise::Throttled`].
const OBSERVER_QUOTA: Duration = Duration::from_millis(20);

/// What the program, pyobserve and a process that reads may have under [`Noise::Memory`]. That
/// one fills it with the page cache, which is all that has to go for the others.
const MEMORY_BYTES: u64 = 256 << 20;

/// What `noise.py` makes is under way after this.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// A condition to watch under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Noise {
    /// Nothing else
    #[value(name = "N0")]
    Quiet,
    /// One process computes
    #[value(name = "N1")]
    Hog,
    /// Four processes compute
    #[value(name = "N2")]
    Hogs,
    /// A process writes and syncs
    #[value(name = "N3")]
    Disk,
    /// Two processes wake each other up, 50 000 switches a second
    #[value(name = "N4")]
    Switches,
    /// A process makes 50 000 system calls a second
    #[value(name = "N5")]
    Calls,
    /// The program and pyobserve share 256 MiB with a process that reads
    #[value(name = "N6")]
    Memory,
    /// pyobserve itself may have a fifth of a CPU
    #[value(name = "N7")]
    Throttled,
    /// The program was restarted, and pyobserve starts at once
    #[value(name = "N8")]
    Restarted,
}

impl Noise {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "N0",
            Self::Hog => "N1",
            Self::Hogs => "N2",
            Self::Disk => "N3",
            Self::Switches => "N4",
            Self::Calls => "N5",
            Self::Memory => "N6",
            Self::Throttled => "N7",
            Self::Restarted => "N8",
        }
    }

    /// Arguments of `noise.py` and how many of it are started.
    fn neighbours(self) -> (&'static str, usize) {
        match self {
            Self::Quiet | Self::Throttled | Self::Restarted => ("", 0),
            Self::Hog => ("cpu", 1),
            Self::Hogs => ("cpu", 4),
            Self::Disk => ("disk", 1),
            Self::Switches => ("switches", 1),
            Self::Calls => ("calls", 1),
            Self::Memory => ("memory", 1),
        }
    }

    /// What it means that a program waits for a CPU.
    pub fn starvation(self) -> Starvation {
        match self {
            Self::Quiet | Self::Throttled | Self::Restarted => Starvation::Accident,
            Self::Hog | Self::Hogs | Self::Disk | Self::Switches | Self::Calls | Self::Memory => {
                Starvation::Made
            }
        }
    }
}

/// A condition that holds until this is dropped.
#[derive(Debug)]
pub struct Surroundings {
    /// Which.
    pub noise: Noise,
    neighbours: Vec<Child>,
    /// For pyobserve alone. Groups go after who is in them.
    quota: Option<ControlGroup>,
    /// For all.
    memory: Option<ControlGroup>,
}

impl Surroundings {
    /// Makes a condition; `None`, said aloud, where a control group that it takes cannot be
    /// had.
    pub fn make(noise: Noise) -> Option<Self> {
        let mut made = Self {
            noise,
            neighbours: Vec::new(),
            quota: None,
            memory: None,
        };
        if noise == Noise::Throttled {
            made.quota = Some(ControlGroup::with_quota("observer", OBSERVER_QUOTA)?);
        }
        if noise == Noise::Memory {
            made.memory = Some(ControlGroup::with_memory("short", MEMORY_BYTES)?);
        }
        made.start_neighbours();
        Some(made)
    }

    /// Makes them those of pyobserve, as it has just been started.
    pub fn take_observer(&self, pid: u32) {
        for group in self.quota.iter().chain(&self.memory) {
            group.take(pid);
        }
    }

    /// Makes them those of a program.
    pub fn take_program(&self, pid: u32) {
        if let Some(group) = &self.memory {
            group.take(pid);
        }
    }

    /// Whether a program that they take leaves a control group of its own for it.
    pub fn exclude_quotas(&self) -> bool {
        self.memory.is_some() && ControlGroup::is_unified()
    }

    fn start_neighbours(&mut self) {
        let noise = self.noise;
        let (kind, count) = noise.neighbours();
        let script = workload::script("corpus").join("noise.py");
        for _ in 0..count {
            let child = Command::new(&interpreter::newest().path)
                .arg(&script)
                .arg(kind)
                // It ends when this process does, in whichever way.
                .stdin(Stdio::piped())
                .spawn()
                .unwrap_or_else(|e| panic!("cannot start {}: {e}", script.display()));
            self.take_program(child.id());
            self.neighbours.push(child);
        }
        if count > 0 {
            thread::sleep(UNDER_WAY);
        }
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        for child in &mut self.neighbours {
            drop(child.stdin.take());
            // It ends with its stdin.
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        thread,
    };

    use super::{Noise, UNDER_WAY};
    use crate::{interpreter, workload};

    #[test]
    fn neighbours_run_without_a_word_until_their_stdin_closes() {
        use clap::ValueEnum as _;

        let kinds = Noise::value_variants().iter().map(|it| it.neighbours());
        let started: Vec<_> = kinds
            .filter(|(_, count)| *count == 1)
            .map(|(kind, _)| {
                let child = Command::new(&interpreter::newest().path)
                    .arg(workload::script("corpus").join("noise.py"))
                    .arg(kind)
                    .stdin(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn();
                (kind, child.expect("it can be started"))
            })
            .collect();
        thread::sleep(UNDER_WAY);
        for (kind, mut child) in started {
            let ended = child.try_wait().expect("it is our child");
            assert_eq!(ended, None, "{kind}");
            // Closes its stdin, and reads until nobody is left who could write.
            let output = child.wait_with_output().expect("it is our child");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*said), (Some(0), ""), "{kind}");
        }
    }
}
