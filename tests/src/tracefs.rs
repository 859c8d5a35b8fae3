//! Probes of the kernel's own (`uprobe_events`), as another tool may have them: they count for
//! themselves how often a place is passed.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::{self, Command},
};

use tempfile::TempDir;

/// A place, and where the listeners of its probe are counted.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Offset in the file.
    pub offset: u64,
    /// Offset of the counter; without it the interpreter does not come by.
    pub semaphore: Option<u64>,
}

/// Places of a file that are listened at, of every process.
#[derive(Debug)]
pub struct Listeners {
    tracefs: TempDir,
    group: String,
    /// As many as there are.
    made: usize,
}

impl Listeners {
    /// `None` where the kernel has no such thing.
    pub fn at(file: &Path, places: &[Place]) -> Option<Self> {
        let mut listeners = Self {
            tracefs: tempfile::tempdir().expect("there is room"),
            group: format!("pyobserve_test_{}", process::id()),
            made: 0,
        };
        let mounted = Command::new("mount")
            .args(["-t", "tracefs", "tracefs"])
            .arg(listeners.tracefs.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        for place in places {
            let counter = place.semaphore.map(|at| format!("({at:#x})"));
            let line = format!(
                "p:{}/p{} {}:{:#x}{}\n",
                listeners.group,
                listeners.made,
                file.display(),
                place.offset,
                counter.unwrap_or_default()
            );
            listeners.write("uprobe_events", &line).ok()?;
            listeners.made += 1;
        }
        listeners.turn("1").ok()?;
        Some(listeners)
    }

    /// How often they were passed.
    pub fn hits(&self) -> i64 {
        let file = self.tracefs.path().join("uprobe_profile");
        let text = fs::read_to_string(file).expect("tracefs has it");
        // FILE EVENT HITS; the group is not said.
        let ours = |line: &&str| {
            let event = line.split_whitespace().nth(1).unwrap_or_default();
            event
                .strip_prefix('p')
                .and_then(|index| index.parse::<usize>().ok())
                .is_some_and(|index| index < self.made)
        };
        let hits = text.lines().filter(ours).map(|line| {
            let hits = line.split_whitespace().nth(2);
            hits.and_then(|hits| hits.parse::<i64>().ok())
                .expect("a number")
        });
        hits.sum()
    }

    fn turn(&self, state: &str) -> io::Result<()> {
        self.write(&format!("events/{}/enable", self.group), state)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = File::options()
            .append(true)
            .open(self.tracefs.path().join(name))?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        // What cannot be undone here is undone by the next boot.
        let _ = self.turn("0");
        for index in 0..self.made {
            let _ = self.write("uprobe_events", &format!("-:{}/p{index}\n", self.group));
        }
        let _ = Command::new("umount").arg(self.tracefs.path()).status();
    }
}
