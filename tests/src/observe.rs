//! Running `pyobserve`.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::Read,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::report::Report;

/// No run of a test takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// The binary: `$PYOBSERVE_BIN`, else the one built beside this test.
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let path = env::var_os("PYOBSERVE_BIN").map_or_else(
            || {
                // target/debug/deps/NAME-HASH
                let own = env::current_exe().expect("a test knows its own path");
                let built = own.parent().and_then(|deps| deps.parent());
                built
                    .expect("a test lies in target/debug/deps")
                    .join("pyobserve")
            },
            PathBuf::from,
        );
        assert!(
            path.is_file(),
            "no pyobserve at {}: build it, or set PYOBSERVE_BIN",
            path.display()
        );
        path
    })
}

/// How a run of `pyobserve` ended and what it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit status.
    pub status: ExitStatus,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; panics if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {}\n{}", self.status, self.stderr))
    }

    /// The JSON document on stdout of a run that must have gone well.
    pub fn report(&self) -> Report {
        assert!(
            self.status.success(),
            "pyobserve ended with {}\n{}",
            self.status,
            self.stderr
        );
        Report::parse(&self.stdout)
    }
}

/// A run of `pyobserve` in progress; killed when dropped.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    stdout: Option<Receiver<String>>,
    stderr: Option<Receiver<String>>,
}

/// `pyobserve ARGS...` as a command, without the caller's colours. Whatever switches cost, all
/// stacks are taken, unless it is said otherwise: tests compare with the truth on machines
/// that are busy or emulated.
pub fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(binary());
    let says = |arg: &S, text: &str| arg.as_ref() == OsStr::new(text);
    match args.split_first() {
        Some((first, rest)) if says(first, "classify") => {
            command.arg(first);
            if !rest.iter().any(|arg| says(arg, "--budget")) {
                command.args(["--budget", "10000%"]);
            }
            command.args(rest);
        }
        _ => {
            command.args(args);
        }
    }
    tidy(&mut command);
    command
}

/// Takes out of the environment what would change the output.
pub fn tidy(command: &mut Command) {
    for name in [
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "PYOBSERVE_LOG",
        "SUDO_UID",
        "SUDO_GID",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
}

/// Starts a command, its output gathered in the background.
pub fn start(mut command: Command) -> Running {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let stdout = child.stdout.take().map(gather);
    let stderr = child.stderr.take().map(gather);
    Running {
        child,
        stdout,
        stderr,
    }
}

/// Runs a command to its end.
pub fn finish(command: Command) -> Outcome {
    start(command).wait()
}

/// Runs `pyobserve ARGS...` to its end.
pub fn run<S: AsRef<OsStr>>(args: &[S]) -> Outcome {
    finish(command(args))
}

/// `pyobserve classify -p PID -d DURATION --json EXTRA...`, which must go well.
pub fn classify(pid: u32, duration: &str, extra: &[&str]) -> Report {
    classify_all(&[pid], duration, extra)
}

/// The same of several processes.
pub fn classify_all(pids: &[u32], duration: &str, extra: &[&str]) -> Report {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let mut args = vec!["classify", "-d", duration, "--json"];
    args.extend(pids.iter().flat_map(|pid| ["-p", pid.as_str()]));
    args.extend(extra);
    run(&args).report()
}

/// Waits until a run watches: what begins from now on is seen. Its only thread waits for events
/// (`epoll_wait`) from then on, and never before.
pub fn until_attached(running: &Running) {
    let started = Instant::now();
    let pid = running.child.id();
    while links(pid) == 0 || !waits_for_events(pid) {
        assert!(started.elapsed() < PATIENCE, "pyobserve attaches nothing");
        thread::sleep(Duration::from_millis(10));
    }
    // A run that is interrupted at once has nothing to say.
    thread::sleep(Duration::from_millis(100));
}

fn waits_for_events(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = text
        .split_whitespace()
        .next()
        .and_then(|it| it.parse().ok());
    number.is_some_and(|number: libc::c_long| {
        [libc::SYS_epoll_wait, libc::SYS_epoll_pwait].contains(&number)
    })
}

/// eBPF programs that a process has attached.
pub fn links(pid: u32) -> usize {
    open_files(&format!("/proc/{pid}/fd"), "anon_inode:bpf_link")
}

fn open_files(folder: &str, kind: &str) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == kind))
        .count()
}

impl Running {
    /// Presses Ctrl-C, as it were, and waits for its end.
    pub fn interrupt(self) -> Outcome {
        let pid = i32::try_from(self.child.id()).expect("a pid is small");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("our own child can be signalled");
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Outcome {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("our own child can be waited for")
            {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "pyobserve does not end");
            thread::sleep(Duration::from_millis(10));
        };
        let all = |pipe: Option<Receiver<String>>| {
            pipe.map_or_else(String::new, |text| {
                text.recv_timeout(Duration::from_secs(20))
                    .expect("nobody else holds its output open")
            })
        };
        Outcome {
            status,
            stdout: all(self.stdout.take()),
            stderr: all(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, text) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is worth having.
        let _ = pipe.read_to_end(&mut bytes);
        // Nobody may want it any more.
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}
