//! Demo workloads: Python programs that say what they are about to do.
//!
//! A workload lives as long as its stdin: the pipe's end is held here, so it ends
//! in every way this process can end, a SIGKILL included.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{
    host::{self, Host},
    toolchain,
};

/// How long a workload may take to say that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long a workload may take to end before it is killed.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// A workload that runs until it is dropped.
pub struct Workload {
    /// The script's name without its ending.
    pub name: String,
    /// What it said when it was ready.
    pub said: FirstLine,
    child: Child,
}

/// A workload's first line.
#[derive(Deserialize)]
pub struct FirstLine {
    /// Always true.
    pub ready: bool,
    /// The process to watch.
    pub pid: u32,
    /// What it does.
    pub truth: Truth,
}

/// What a workload says of itself.
#[derive(Deserialize)]
pub struct Truth {
    /// The class a right verdict names.
    pub class: String,
    /// The function to blame, if any is.
    pub function: Option<String>,
    /// The line in it.
    pub line: Option<u32>,
    /// In plain words.
    pub note: String,
}

impl Truth {
    /// Whether it takes all the CPU time it can get.
    pub fn is_hungry(&self) -> bool {
        !matches!(self.class.as_str(), "io-bound" | "idle")
    }
}

/// The demo scripts, by name.
pub fn demos(host: &Host) -> Result<Vec<PathBuf>> {
    let folder = host.workspace.join("tests/workloads");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut scripts: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("demo_") && name.ends_with(".py")
        })
        .collect();
    scripts.sort();
    ensure!(!scripts.is_empty(), "no demo_*.py in {}", folder.display());
    Ok(scripts)
}

/// A CPython on the PATH that pyobserve knows.
pub fn find_python() -> Result<String> {
    const SAY: &str =
        "import sys; sys.exit(sys.implementation.name != 'cpython' or sys.version_info < (3, 8))";
    let Some(python) = host::find("python3") else {
        bail!("no python3 on the PATH");
    };
    let mut command = Command::new(&python);
    toolchain::scrub(&mut command);
    let output = command
        .args(["-c", SAY])
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    ensure!(
        output.status.success(),
        "{} is not CPython 3.8 or newer",
        python.display()
    );
    Ok(python.display().to_string())
}

impl Workload {
    /// Starts a script as the user and waits until it is ready.
    pub fn start(host: &Host, python: &Path, script: &Path) -> Result<Self> {
        let mut command = host.as_user(python);
        toolchain::scrub(&mut command);
        let mut child = command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of the terminal's group: Ctrl-C ends the watching first.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {} {}", python.display(), script.display()))?;
        let name = script
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match ready_line(&mut child) {
            Ok(said) => Ok(Self { name, said, child }),
            Err(why) => {
                end(&mut child);
                Err(why).with_context(|| format!("{} did not start", script.display()))
            }
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn ready_line(child: &mut Child) -> Result<FirstLine> {
    let stdout = child.stdout.take().context("stdout is piped")?;
    let (sender, receiver) = mpsc::channel();
    // Reads on to the end, so that the workload never blocks or fails on its last line.
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            sender.send(line).ok();
        }
    });
    let line = receiver
        .recv_timeout(READY_WITHIN)
        .map_err(|why| match why {
            mpsc::RecvTimeoutError::Timeout => {
                anyhow::anyhow!("not ready within {} s", READY_WITHIN.as_secs())
            }
            mpsc::RecvTimeoutError::Disconnected => {
                anyhow::anyhow!("it ended without a word; its messages are above")
            }
        })?;
    let said: FirstLine = serde_json::from_str(&line)
        .with_context(|| format!("its first line is not JSON: {line}"))?;
    ensure!(said.ready, "its first line does not say ready: {line}");
    Ok(said)
}

/// Closes its stdin, waits a moment, and kills it if that was not enough.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    let deadline = Instant::now() + GONE_WITHIN;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(10)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    child.kill().ok();
    child.wait().ok();
}
