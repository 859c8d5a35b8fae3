//! Real interpreters for tests: starting them, hearing their truth.

#![expect(dead_code, reason = "each test program uses a part of it")]

#[path = "../../../tests/src/interpreter/mod.rs"]
pub mod interpreter;

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use interpreter::Interpreter;
use leakcpu_common::event::SEGMENT_BYTES;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use pyobserve::{
    collect::CopiedCode,
    discovery::{Discovery, PythonTarget},
    interpreter::{AttachError, Interpreters, PythonProcess, read_witness},
};

/// A child that ends with the test.
pub struct Running {
    pub child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command`, its standard input and output in our hands.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// Starts `python` with a script of `tests/python`.
    pub fn script(python: &Interpreter, script: &str, args: &[&str]) -> Self {
        let mut command = python.script(&script_path(script));
        command
            .args(args)
            .env("PYTHONIOENCODING", "utf-8")
            .env("PYTHONWARNINGS", "ignore");
        Self::start(command)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Next line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("its output is UTF-8");
        assert!(
            !line.is_empty(),
            "the script of pid {} ended early",
            self.pid()
        );
        line
    }

    /// Next line of its output, as JSON.
    pub fn json(&mut self) -> serde_json::Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Tells it something.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("not closed");
        writeln!(stdin, "{line}").expect("it listens");
    }

    /// Ends it and its children and collects it.
    pub fn end(&mut self) {
        let group = i32::try_from(self.pid()).expect("a pid fits");
        killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn script_path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script)
}

/// Copies the code object at `code` as the kernel side does.
pub fn copy_code(process: &PythonProcess, code: u64) -> CopiedCode {
    let memory = process.memory();
    let layout = &process.layout.object;
    let pointer = |offset: u16| memory.read_u64(code + u64::from(offset)).expect("it lives");
    let addresses = [
        code,
        pointer(layout.code_name),
        pointer(layout.code_qualname.unwrap_or(layout.code_name)),
        pointer(layout.code_filename),
        pointer(layout.code_line_table),
    ];
    let segments = addresses.map(|address| {
        // As the kernel side does: whole, else as far as the page goes.
        let whole = SEGMENT_BYTES as u64;
        let on_page = (4096 - address % 4096).min(whole);
        let bytes = [whole, on_page]
            .into_iter()
            .find_map(|bytes| memory.read_vec(address, bytes, SEGMENT_BYTES).ok());
        (address, bytes.unwrap_or_default().into())
    });
    let witness = read_witness(process, code);
    CopiedCode {
        pid: process.pid,
        code,
        witness: witness.expect("it lives").expect("it is a code object"),
        segments: segments.into(),
    }
}

/// Attaches as soon as the interpreter is ready. Until then no other answer than
/// "not ready yet" is right.
pub fn attach(pid: u32) -> (PythonTarget, PythonProcess) {
    attach_with(&mut Discovery::new(), &mut Interpreters::new(), pid)
}

pub fn attach_with(
    discovery: &mut Discovery,
    interpreters: &mut Interpreters,
    pid: u32,
) -> (PythonTarget, PythonProcess) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match interpreters.attach_pid(discovery, pid) {
            Ok(attached) => return attached,
            Err(AttachError::NotReadyYet { .. }) if Instant::now() < deadline => {
                std::thread::yield_now();
            }
            Err(error) => panic!("pid {pid}: {error}"),
        }
    }
}
