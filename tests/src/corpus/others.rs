//! What a user would have had instead, from the same run.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{interpreter, venv};

/// The release that pyobserve is compared with.
const PY_SPY: &str = "py-spy==0.4.3";

/// How often it looks.
const LOOKS: u32 = 5;

/// Between two looks.
const BETWEEN: Duration = Duration::from_millis(50);

/// CPU time of a process as top reads it, from one moment on.
#[derive(Debug)]
pub struct Top {
    pid: u32,
    since: Instant,
    ticks: Option<u64>,
}

impl Top {
    /// Starts the interval.
    pub fn begin(pid: u32) -> Self {
        Self {
            pid,
            since: Instant::now(),
            ticks: ticks(pid),
        }
    }

    /// What it shows at the end of the interval: per cent of one CPU.
    pub fn end(&self) -> Option<f64> {
        let spent = ticks(self.pid)?.checked_sub(self.ticks?)?;
        // SAFETY: sysconf takes any number and reads nothing of ours.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        let cpu_s = spent as f64 / per_second as f64;
        Some(100.0 * cpu_s / self.since.elapsed().as_secs_f64())
    }
}

/// utime and stime of `/proc/PID/stat`, clock ticks.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// py-spy in a virtual environment; `None`, said aloud, where it cannot be had.
pub fn py_spy() -> Option<PathBuf> {
    let environment = venv::with_packages(interpreter::newest(), &[PY_SPY])?;
    let program = environment.path.with_file_name("py-spy");
    program.is_file().then_some(program)
}

/// The share of py-spy's looks at a process that found an active thread. It reads without
/// pausing the process, as pyobserve does.
pub fn active_share(py_spy: &PathBuf, pid: u32) -> Option<f64> {
    let mut looks = 0;
    let mut active = 0;
    for _ in 0..LOOKS {
        if let Some(is_active) = look(py_spy, pid) {
            looks += 1;
            active += u32::from(is_active);
        }
        thread::sleep(BETWEEN);
    }
    (looks > 0).then(|| f64::from(active) / f64::from(looks))
}

fn look(py_spy: &PathBuf, pid: u32) -> Option<bool> {
    let output = Command::new(py_spy)
        .args(["dump", "--json", "--nonblocking", "--pid", &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let threads: Value = serde_json::from_slice(&output.stdout).ok()?;
    let threads = threads.as_array().filter(|threads| !threads.is_empty())?;
    Some(threads.iter().any(|thread| thread["active"] == true))
}
