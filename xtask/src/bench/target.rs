//! A Python process that does the same work again and again and times itself.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::Bench;

/// How the target is made.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Frames of its busy thread.
    pub depth: u32,
    /// Threads that wait.
    pub waiting: u32,
    /// About how long a repetition takes; 0 if it computes nothing.
    pub unit_ms: u32,
    /// It stays on the target's CPU.
    pub pinned: bool,
}

/// Nanoseconds since 1970 between which something held.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// First.
    pub start_ns: u64,
    /// Last.
    pub end_ns: u64,
}

impl Window {
    /// Now.
    pub fn now_ns() -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// One repetition.
#[derive(Clone, Copy)]
struct Repetition {
    began_ns: u64,
    took_ns: u64,
}

/// Runs until it is dropped.
pub struct Target {
    child: Child,
    /// The process, and those that belong to it.
    pub pids: Vec<u32>,
    repetitions: Arc<Mutex<Vec<Repetition>>>,
}

#[derive(Deserialize)]
struct Ready {
    pid: u32,
    others: Vec<u32>,
}

impl Target {
    /// Starts it as the user and waits until it computes.
    pub fn start(bench: &Bench<'_>, shape: Shape) -> Result<Self> {
        let mut arguments = vec![
            format!("--depth={}", shape.depth),
            format!("--waiting={}", shape.waiting),
            format!("--unit-ms={}", shape.unit_ms),
        ];
        if shape.pinned {
            arguments.push(format!("--cpu={}", bench.cpus.target));
        }
        if shape.unit_ms == 0 {
            arguments.push("--idle".to_owned());
        }
        Self::spawn(bench, "target.py", &arguments)
    }

    /// The same with a script that says what target.py does.
    pub fn spawn(bench: &Bench<'_>, script: &str, arguments: &[String]) -> Result<Self> {
        Self::spawn_on(bench, &bench.python, script, arguments)
    }

    /// The same on another interpreter.
    pub fn spawn_on(
        bench: &Bench<'_>,
        python: &Path,
        script: &str,
        arguments: &[String],
    ) -> Result<Self> {
        let mut command = bench.host.as_user(python);
        command.arg(bench.script(script)).args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", python.display()))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let first = lines
            .next()
            .context("the target ended without a word; its messages are above")?
            .context("cannot read what the target says")?;
        let ready: Ready = serde_json::from_str(&first)
            .with_context(|| format!("the target did not say that it is ready but: {first}"))?;
        let repetitions: Arc<Mutex<Vec<Repetition>>> = Arc::default();
        let kept = Arc::clone(&repetitions);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(repetition) = parse(&line) {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(repetition);
                }
            }
        });
        Ok(Self {
            child,
            pids: std::iter::once(ready.pid).chain(ready.others).collect(),
            repetitions,
        })
    }

    /// How long each repetition took that lay wholly in the window, nanoseconds.
    pub fn within(&self, window: Window) -> Result<Vec<f64>> {
        // The last line may still be on its way.
        thread::sleep(Duration::from_millis(50));
        let repetitions = self
            .repetitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let within: Vec<f64> = repetitions
            .iter()
            .filter(|r| r.began_ns >= window.start_ns && r.began_ns + r.took_ns <= window.end_ns)
            .map(|r| r.took_ns as f64)
            .collect();
        anyhow::ensure!(
            !within.is_empty(),
            "the target ended no repetition while it was watched"
        );
        Ok(within)
    }
}

fn parse(line: &str) -> Option<Repetition> {
    let (began, took) = line.split_once(' ')?;
    Some(Repetition {
        began_ns: began.parse().ok()?,
        took_ns: took.trim().parse().ok()?,
    })
}

impl Drop for Target {
    fn drop(&mut self) {
        // It ends with its stdin, within one repetition.
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
