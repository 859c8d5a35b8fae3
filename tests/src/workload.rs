//! Starting and ending workloads.
//!
//! A workload is a script in `workloads/`. Its first line on stdout is JSON with
//! `ready` and `pid`; it runs until its stdin closes; its last line is JSON with
//! what it measured of itself.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::Value;

use crate::{interpreter::Interpreter, processes};

/// How long a workload may take to say something it must say; machines are slow.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running workload; killed with its children when dropped.
#[derive(Debug)]
pub struct Workload {
    /// The process to watch, by its pid on this host: what `ready` says, where that was
    /// said in a pid namespace or by a child.
    pub pid: u32,
    /// Its first line.
    pub ready: Value,
    /// What to call it in messages.
    pub name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

/// The path of a script in `workloads/`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("workloads")
        .join(name)
}

/// The command that runs a workload: `python workloads/NAME ARGS...`, in the
/// interpreter's own place.
pub fn command<S: AsRef<OsStr>>(python: &Interpreter, name: &str, args: &[S]) -> Command {
    let mut command = python.script(&script(name));
    command.args(args);
    command
}

impl Workload {
    /// Starts `workloads/NAME` and waits until it is ready.
    pub fn start<S: AsRef<OsStr>>(python: &Interpreter, name: &str, args: &[S]) -> Self {
        Self::spawn(
            command(python, name, args),
            &format!("{name} on {}", python.version),
        )
    }

    /// Starts a command that keeps a workload's contract and waits until it is ready.
    pub fn spawn(mut command: Command, name: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let mut workload = Self {
            pid: child.id(),
            ready: Value::Null,
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            lines,
        };
        workload.ready = workload.next_line();
        assert_eq!(workload.ready["ready"], true, "{name} is not ready");
        if let Some(own) = workload.ready["pid"].as_u64() {
            workload.pid = processes::named_inside(workload.child.id(), own)
                .unwrap_or_else(|| panic!("{name} is pid {own} nowhere below {}", workload.pid));
        }
        workload
    }

    /// Its next line.
    pub fn next_line(&self) -> Value {
        let line = self
            .lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|e| panic!("{} says nothing: {e}", self.name));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{} says {line:?}: {e}", self.name))
    }

    /// Sends it a byte, for workloads that begin when told to.
    pub fn go(&mut self) {
        let stdin = self.stdin.as_mut().expect("stdin is not closed yet");
        stdin
            .write_all(b"g")
            .and_then(|()| stdin.flush())
            .expect("it reads its stdin");
    }

    /// Closes its stdin without waiting for its end.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Lets it end and returns its last line.
    pub fn finish(self) -> Value {
        let name = self.name.clone();
        let (last, status) = self.end();
        assert!(status.success(), "{name} ended with {status}");
        last
    }

    /// Lets it end and returns its last line and its status.
    pub fn end(mut self) -> (Value, ExitStatus) {
        self.stdin = None;
        let mut last = self.ready.clone();
        // Ends when its stdout does.
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    last = serde_json::from_str(&line)
                        .unwrap_or_else(|e| panic!("{} says {line:?}: {e}", self.name));
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("{} does not end: {error}", self.name),
            }
        }
        let status = self.child.wait().expect("our own child can be waited for");
        (last, status)
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // Its children too. That it is gone already is as good.
        let group = i32::try_from(self.child.id()).expect("a pid fits");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
