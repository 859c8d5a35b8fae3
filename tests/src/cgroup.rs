//! Control groups with a limit, v1 or v2, whichever this host has.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Groups that were made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Where a controller is mounted, and whether that is v2.
fn hierarchy(controller: &str) -> Option<(PathBuf, bool)> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mut unified = None;
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, place, kind, options, ..] = words.as_slice() else {
            continue;
        };
        if *kind == "cgroup" && options.split(',').any(|option| option == controller) {
            return Some((PathBuf::from(place), false));
        }
        if *kind == "cgroup2" {
            unified = Some((PathBuf::from(place), true));
        }
    }
    unified
}

/// A group of its own; gone when dropped, as soon as nobody is in it.
#[derive(Debug)]
pub struct ControlGroup {
    path: PathBuf,
    /// Its name as `/proc/PID/cgroup` has it.
    pub name: String,
    is_v2: bool,
}

impl ControlGroup {
    /// Whether groups with a quota are made in v2 here.
    pub fn is_unified() -> bool {
        hierarchy("cpu").is_some_and(|(_, is_v2)| is_v2)
    }

    /// Makes a group whose tasks may run for `quota` of each 100 ms. `None`, and why on
    /// stderr, where none can be made.
    pub fn with_quota(what: &str, quota: Duration) -> Option<Self> {
        let quota_us = quota.as_micros();
        Self::make("cpu", what, |group| {
            if group.is_v2 {
                return group.write("cpu.max", &format!("{quota_us} 100000"));
            }
            group.write("cpu.cfs_period_us", "100000")?;
            group.write("cpu.cfs_quota_us", &quota_us.to_string())
        })
    }

    /// Makes a group whose tasks may have `bytes` of memory, the page cache included. `None`,
    /// and why on stderr, where none can be made.
    pub fn with_memory(what: &str, bytes: u64) -> Option<Self> {
        Self::make("memory", what, |group| {
            let file = if group.is_v2 {
                "memory.max"
            } else {
                "memory.limit_in_bytes"
            };
            group.write(file, &bytes.to_string())
        })
    }

    fn make(
        controller: &str,
        what: &str,
        limit: impl FnOnce(&Self) -> io::Result<()>,
    ) -> Option<Self> {
        let Some((mount, is_v2)) = hierarchy(controller) else {
            eprintln!("skipped: no cgroup hierarchy with the controller `{controller}` is mounted");
            return None;
        };
        // Another of its name may be there until the last of its tasks has ended.
        let nth = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("pyobserve-test-{}-{nth}-{what}", process::id());
        let group = Self {
            path: mount.join(&name),
            name: format!("/{name}"),
            is_v2,
        };
        let enabled = if is_v2 {
            fs::write(
                mount.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )
        } else {
            Ok(())
        };
        let made = enabled
            .and_then(|()| fs::create_dir(&group.path))
            .and_then(|()| limit(&group));
        match made {
            Ok(()) => Some(group),
            Err(error) => {
                eprintln!(
                    "skipped: no group with a limit of `{controller}` in {}: {error}",
                    mount.display()
                );
                None
            }
        }
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.path.join(file), text)
    }

    /// Moves a process into it.
    pub fn take(&self, pid: u32) {
        self.write("cgroup.procs", &pid.to_string())
            .unwrap_or_else(|e| panic!("cannot move {pid} into {}: {e}", self.path.display()));
    }

    /// For how long its tasks were held back so far, in nanoseconds, as the kernel says.
    pub fn throttled_ns(&self) -> i64 {
        let (figure, unit) = if self.is_v2 {
            ("throttled_usec", 1_000)
        } else {
            ("throttled_time", 1)
        };
        let text = fs::read_to_string(self.path.join("cpu.stat")).expect("a group has a cpu.stat");
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(figure)?.trim().parse::<i64>().ok());
        value.unwrap_or_else(|| panic!("no {figure} in {text:?}")) * unit
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let started = Instant::now();
        // Its last task may still be on its way out.
        while fs::remove_dir(&self.path).is_err() && is_there(&self.path) {
            if started.elapsed() > Duration::from_secs(5) {
                eprintln!("{} is left behind", self.path.display());
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_there(path: &Path) -> bool {
    path.exists()
}
