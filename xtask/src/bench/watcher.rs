//! Those who watch: nobody, pyobserve, py-spy.

use std::{
    ffi::OsStr,
    fmt, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::{Bench, target::Window};
use crate::{
    host::{self, Host},
    toolchain,
};

/// The release that pyobserve is compared with.
const PY_SPY: &str = "0.4.3";

/// py-spy in a virtual environment.
pub struct PySpy {
    program: PathBuf,
}

impl PySpy {
    /// Installs it from PyPI into a virtual environment at `folder`, unless it is there.
    pub fn install(host: &Host, python: &Path, folder: &Path) -> Result<Self> {
        let program = folder.join("bin/py-spy");
        let is_there = || {
            let output = host.as_user(&program).arg("--version").output();
            output.is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).trim() == format!("py-spy {PY_SPY}")
            })
        };
        if !is_there() {
            fs::remove_dir_all(folder).ok();
            let mut make = host.as_user(python);
            toolchain::scrub(&mut make);
            host::succeed(make.args(["-m", "venv"]).arg(folder))?;
            let mut install = host.as_user(folder.join("bin/pip"));
            toolchain::scrub(&mut install);
            install.args(["install", "--quiet", "--disable-pip-version-check"]);
            host::succeed(install.arg(format!("py-spy=={PY_SPY}")))?;
        }
        ensure!(is_there(), "{} does not run", program.display());
        Ok(Self { program })
    }
}

/// Who watches the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// Nobody.
    Nobody,
    /// Nobody again: what differs from [`Self::Nobody`] is noise.
    NobodyAgain,
    /// pyobserve, as it comes.
    Pyobserve,
    /// pyobserve with a budget for switches that nothing fits in.
    PyobserveCounters,
    /// pyobserve with one that everything fits in.
    PyobserveAllStacks,
    /// pyobserve without the probes that it listens at as it comes.
    PyobserveNoProbes,
    /// pyobserve, which counts calls for moments.
    FunctionsMoments,
    /// pyobserve, which counts every call.
    FunctionsExact,
    /// py-spy, which pauses the target for each look.
    PySpy,
    /// py-spy, which reads while the target runs on.
    PySpyNonblocking,
}

impl fmt::Display for Watcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Nobody => "bare",
            Self::NobodyAgain => "bare again",
            Self::Pyobserve => "pyobserve",
            Self::PyobserveCounters => "pyobserve, counters",
            Self::PyobserveAllStacks => "pyobserve, all stacks",
            Self::PyobserveNoProbes => "pyobserve, no probes",
            Self::FunctionsMoments => "pyobserve functions --usdt calls",
            Self::FunctionsExact => "pyobserve functions --exact",
            Self::PySpy => "py-spy",
            Self::PySpyNonblocking => "py-spy --nonblocking",
        })
    }
}

/// What a watcher did.
pub struct Watched {
    /// When it watched.
    pub window: Window,
    /// How many samples it took of the target.
    pub samples: Option<u64>,
}

impl Watcher {
    /// Those that take turns.
    pub fn all(bench: &Bench<'_>) -> Vec<Self> {
        let mut all = vec![Self::Nobody, Self::Pyobserve];
        if bench.py_spy.is_some() {
            all.extend([Self::PySpy, Self::PySpyNonblocking]);
        }
        all.push(Self::NobodyAgain);
        all
    }

    /// Whether the target is left alone.
    pub fn is_nobody(self) -> bool {
        matches!(self, Self::Nobody | Self::NobodyAgain)
    }

    /// Watches these processes for a while; py-spy the first of them.
    pub fn watch(
        self,
        bench: &Bench<'_>,
        pids: &[u32],
        rate_hz: u32,
        turn: Duration,
    ) -> Result<Watched> {
        let pid = *pids.first().context("nobody is to be watched")?;
        match self {
            Self::Nobody | Self::NobodyAgain => {
                let start_ns = Window::now_ns();
                thread::sleep(turn);
                let end_ns = Window::now_ns();
                Ok(Watched {
                    window: Window { start_ns, end_ns },
                    samples: None,
                })
            }
            Self::Pyobserve => pyobserve(bench, pids, rate_hz, turn, &[]),
            Self::PyobserveCounters => pyobserve(bench, pids, rate_hz, turn, &["--budget=0.0001%"]),
            Self::PyobserveAllStacks => pyobserve(bench, pids, rate_hz, turn, &["--budget=10000%"]),
            Self::PyobserveNoProbes => pyobserve(bench, pids, rate_hz, turn, &["--usdt=none"]),
            Self::FunctionsMoments => functions(bench, pids, rate_hz, turn, "--usdt=calls"),
            Self::FunctionsExact => functions(bench, pids, rate_hz, turn, "--exact"),
            Self::PySpy => py_spy(bench, pid, rate_hz, turn, &[]),
            Self::PySpyNonblocking => py_spy(bench, pid, rate_hz, turn, &["--nonblocking"]),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    window: DocumentWindow,
    processes: Vec<Process>,
}

#[derive(Deserialize)]
struct DocumentWindow {
    start_unix_ns: u64,
    duration_ns: u64,
}

#[derive(Deserialize)]
struct Process {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    samples: u64,
}

fn pyobserve(
    bench: &Bench<'_>,
    pids: &[u32],
    rate_hz: u32,
    turn: Duration,
    options: &[&str],
) -> Result<Watched> {
    let mut command = pinned(bench, bench.pyobserve.as_os_str())?;
    command
        .args(["classify", "--quiet", "--json"])
        .args(["-r", &rate_hz.to_string()])
        .args(["-d", &format!("{}ms", turn.as_millis())])
        .args(options);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    let line = host::typed(&command);
    let document: Document = serde_json::from_slice(&host::read(&mut command)?)
        .with_context(|| format!("`{line}` wrote no report"))?;
    let start_ns = document.window.start_unix_ns;
    let functions = document.processes.iter().flat_map(|p| &p.functions);
    Ok(Watched {
        window: Window {
            start_ns,
            end_ns: start_ns + document.window.duration_ns,
        },
        samples: Some(functions.map(|f| f.samples).sum()),
    })
}

fn functions(
    bench: &Bench<'_>,
    pids: &[u32],
    rate_hz: u32,
    turn: Duration,
    option: &str,
) -> Result<Watched> {
    #[derive(Deserialize)]
    struct Functions {
        window: DocumentWindow,
    }

    let mut command = pinned(bench, bench.pyobserve.as_os_str())?;
    command
        .args(["functions", "--quiet", "--json", option])
        .args(["-r", &rate_hz.to_string()])
        .args(["-d", &format!("{}ms", turn.as_millis())]);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    let line = host::typed(&command);
    let document: Functions = serde_json::from_slice(&host::read(&mut command)?)
        .with_context(|| format!("`{line}` wrote no report"))?;
    let start_ns = document.window.start_unix_ns;
    Ok(Watched {
        window: Window {
            start_ns,
            end_ns: start_ns + document.window.duration_ns,
        },
        samples: None,
    })
}

fn py_spy(
    bench: &Bench<'_>,
    pid: u32,
    rate_hz: u32,
    turn: Duration,
    options: &[&str],
) -> Result<Watched> {
    let Some(py_spy) = &bench.py_spy else {
        bail!("py-spy is not installed");
    };
    let mut command = pinned(bench, py_spy.program.as_os_str())?;
    command
        .args(["record", "-f", "raw", "-o", "/dev/null"])
        .args(["-p", &pid.to_string()])
        .args(["-r", &rate_hz.to_string()])
        .args(["-d", &turn.as_secs().to_string()])
        .args(options);
    let line = host::typed(&command);
    let mut child = command
        .stdout(Stdio::piped())
        // It says there how far it lags behind, once for each sample.
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let (mut start_ns, mut end_ns, mut samples) = (None, None, None);
    for said in BufReader::new(stdout).lines() {
        let said = said.with_context(|| format!("cannot read what `{line}` says"))?;
        if said.contains("Sampling process") {
            start_ns = Some(Window::now_ns());
        } else if let Some((_, counts)) = said.split_once("Samples: ") {
            end_ns = Some(Window::now_ns());
            samples = counts.split(' ').next().and_then(|n| n.parse().ok());
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    let (Some(start_ns), Some(end_ns)) = (start_ns, end_ns) else {
        bail!("`{line}` did not say when it sampled");
    };
    Ok(Watched {
        window: Window { start_ns, end_ns },
        samples,
    })
}

/// A program that runs as root on the watchers' CPU.
pub fn pinned(bench: &Bench<'_>, program: &OsStr) -> Result<std::process::Command> {
    let mut command = bench.host.as_root("taskset", &[])?;
    command
        .args(["-c", &bench.cpus.watcher.to_string()])
        .arg(program);
    Ok(command)
}
