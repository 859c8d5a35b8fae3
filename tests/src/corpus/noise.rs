//! What else runs on the machine while a program is watched.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{cgroup::QuotaGroup, interpreter, workload};

/// What pyobserve may have of one CPU under [`Noise::Throttled`].
const OBSERVER_QUOTA: Duration = Duration::from_millis(20);

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
    /// pyobserve itself may have a fifth of a CPU
    #[value(name = "N7")]
    Throttled,
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
            Self::Throttled => "N7",
        }
    }

    /// Arguments of `noise.py` and how many of it are started.
    fn neighbours(self) -> (&'static str, usize) {
        match self {
            Self::Quiet | Self::Throttled => ("", 0),
            Self::Hog => ("cpu", 1),
            Self::Hogs => ("cpu", 4),
            Self::Disk => ("disk", 1),
            Self::Switches => ("switches", 1),
            Self::Calls => ("calls", 1),
        }
    }

    /// A group for pyobserve, if it is to be throttled.
    pub fn observer_group(self) -> Option<QuotaGroup> {
        (self == Self::Throttled)
            .then(|| QuotaGroup::new("observer", OBSERVER_QUOTA))
            .flatten()
    }
}

/// Neighbours that run until this is dropped.
#[derive(Debug)]
pub struct Neighbours(Vec<Child>);

impl Neighbours {
    /// Starts those of a condition.
    pub fn start(noise: Noise) -> Self {
        let (kind, count) = noise.neighbours();
        let script = workload::script("corpus").join("noise.py");
        let started = (0..count).map(|_| {
            Command::new(&interpreter::newest().path)
                .arg(&script)
                .arg(kind)
                // It ends when this process does, in whichever way.
                .stdin(Stdio::piped())
                .spawn()
                .unwrap_or_else(|e| panic!("cannot start {}: {e}", script.display()))
        });
        let neighbours = Self(started.collect());
        if count > 0 {
            thread::sleep(UNDER_WAY);
        }
        neighbours
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            // It ends with its stdin.
            let _ = child.wait();
        }
    }
}
