//! Real interpreters for tests: finding them, starting them, hearing their truth.

#![expect(dead_code, reason = "each test program uses a part of it")]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use pyobserve::{
    discovery::{Discovery, PythonTarget},
    interpreter::{AttachError, Interpreters, PythonProcess},
};

/// Minor versions that must work.
pub const SUPPORTED: std::ops::RangeInclusive<u8> = 8..=15;

/// One installed interpreter.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its executable, inside `root` if there is one.
    pub path: PathBuf,
    /// 8 in 3.8.
    pub minor: u8,
    /// A root folder to run it in.
    pub root: Option<PathBuf>,
}

impl Installed {
    /// A command that runs it.
    pub fn command(&self) -> Command {
        match &self.root {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        }
    }

    /// Its executable as this process sees it.
    pub fn file(&self) -> PathBuf {
        let inside = self.path.strip_prefix("/").unwrap_or(&self.path);
        self.root
            .as_ref()
            .map_or_else(|| self.path.clone(), |root| root.join(inside))
    }
}

/// Every `python3.N` of pyenv, of the system, and of the root folders that
/// `PYOBSERVE_TEST_ROOTS` names (separated by colons; with `/proc` mounted), oldest first.
pub fn installed() -> Vec<Installed> {
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let mut dirs: Vec<(Option<PathBuf>, PathBuf)> = ["/usr/bin", "/usr/local/bin"]
        .map(|dir| (None, dir.into()))
        .into();
    if let Some(versions) = pyenv.and_then(|root| root.join("versions").read_dir().ok()) {
        dirs.extend(
            versions
                .flatten()
                .map(|version| (None, version.path().join("bin"))),
        );
    }
    let roots = std::env::var_os("PYOBSERVE_TEST_ROOTS").unwrap_or_default();
    dirs.extend(std::env::split_paths(&roots).map(|root| (Some(root), "/usr/bin".into())));
    let mut found = Vec::new();
    for (root, dir) in dirs {
        let folder = root
            .as_ref()
            .map_or_else(|| dir.clone(), |root| root.join("usr/bin"));
        for entry in folder.read_dir().into_iter().flatten().flatten() {
            let name = entry.file_name();
            let minor = name
                .to_str()
                .and_then(|name| name.strip_prefix("python3.")?.parse().ok());
            if let Some(minor) = minor {
                found.push(Installed {
                    path: dir.join(name),
                    minor,
                    root: root.clone(),
                });
            }
        }
    }
    found.sort_by(|a, b| (a.minor, &a.root, &a.path).cmp(&(b.minor, &b.root, &b.path)));
    found
}

/// The installed interpreters of the versions that must work; says aloud which
/// are missing.
pub fn supported() -> Vec<Installed> {
    let all = installed();
    for minor in SUPPORTED.filter(|minor| !all.iter().any(|python| python.minor == *minor)) {
        eprintln!("SKIPPED: no python3.{minor} on this machine");
    }
    all.into_iter()
        .filter(|python| SUPPORTED.contains(&python.minor))
        .collect()
}

/// Those of [`supported`] that are started directly, not by way of `chroot`.
pub fn local() -> Vec<Installed> {
    let mut all = supported();
    all.retain(|python| python.root.is_none());
    all
}

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
    pub fn script(python: &Installed, script: &str, args: &[&str]) -> Self {
        let mut command = python.command();
        if python.root.is_some() {
            let text = std::fs::read_to_string(script_path(script)).expect("it is there");
            command.args(["-c", &text]);
        } else {
            command.arg(script_path(script));
        }
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

    /// Ends it and collects it.
    pub fn end(&mut self) {
        self.child.kill().ok();
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
