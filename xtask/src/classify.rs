//! `cargo xtask classify`: builds pyobserve and lets it tell what Python does, on
//! this host or on demo workloads that state their truth beforehand.

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, ExitStatus},
    sync::atomic::{AtomicBool, Ordering},
    thread::available_parallelism,
};

use anyhow::{Context as _, Result};
use clap::Args;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{
    build,
    host::{self, Host},
    setup,
    workload::{self, Workload},
};

/// Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Arguments of `classify`.
#[derive(Args)]
pub struct Arguments {
    /// Start workloads whose truth is known, and watch only those
    #[arg(long)]
    demo: bool,
    /// The interpreter the workloads run on
    #[arg(long, requires = "demo")]
    python: Option<PathBuf>,
    /// Passed on to `pyobserve classify`
    #[arg(last = true)]
    passed_on: Vec<OsString>,
}

/// Runs the task; its exit code is that of pyobserve.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    let pyobserve = build::pyobserve(host, true)?;
    if arguments.demo {
        demo(host, arguments, &pyobserve)
    } else {
        let mut command = host.as_root(&pyobserve, &[])?;
        command.arg("classify").args(&arguments.passed_on);
        Ok(code(host::status(&mut command)?).into())
    }
}

/// Starts the workloads and has them watched, in as many rounds as it takes for each
/// hungry one to have a CPU: one that fights for it is starved, whatever it is else.
fn demo(host: &Host, arguments: &Arguments, pyobserve: &Path) -> Result<ExitCode> {
    outlive_interrupts()?;
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => workload::find_python()?.into(),
    };
    let asks_for = |short: &str, long: &str| {
        arguments.passed_on.iter().any(|argument| {
            let argument = argument.to_string_lossy();
            argument.split('=').next() == Some(long)
                || argument.starts_with(short) && !argument.starts_with("--")
        })
    };
    let cpus = if asks_for("-o", "--output") {
        // One file holds one report.
        usize::MAX
    } else {
        available_parallelism().map_or(1, NonZeroUsize::get)
    };

    let mut scripts = workload::demos(host)?;
    let mut worst = 0;
    while !scripts.is_empty() {
        let (workloads, deferred) = start_round(host, &python, &scripts, cpus)?;
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Ok(130.into());
        }
        let mut command = host.as_root(pyobserve, &[])?;
        command.arg("classify");
        if !asks_for("-d", "--duration") {
            command.args(["-d", "5s"]);
        }
        for workload in &workloads {
            command.arg("-p").arg(workload.said.pid.to_string());
        }
        command.args(&arguments.passed_on);
        let status = host::status(&mut command)?;
        drop(workloads);
        worst = worst.max(code(status));
        if INTERRUPTED.load(Ordering::Relaxed) {
            break;
        }
        if !deferred.is_empty() {
            eprintln!("\nthe rest had to wait, for this host has no CPU for each ({cpus}):");
        }
        scripts = deferred;
    }
    Ok(worst.into())
}

/// Starts the scripts, with no more hungry ones than there are CPUs; what runs, and
/// what has to wait for the next round.
fn start_round(
    host: &Host,
    python: &Path,
    scripts: &[PathBuf],
    cpus: usize,
) -> Result<(Vec<Workload>, Vec<PathBuf>)> {
    let mut workloads = Vec::new();
    let mut deferred = Vec::new();
    let mut hungry = 0;
    for script in scripts {
        let workload = Workload::start(host, python, script)?;
        if workload.said.truth.is_hungry() {
            if hungry == cpus {
                deferred.push(script.clone());
                continue;
            }
            hungry += 1;
        }
        workloads.push(workload);
    }
    eprintln!(
        "\nwhat the workloads say of themselves ({}):",
        python.display()
    );
    for workload in &workloads {
        let truth = &workload.said.truth;
        eprintln!(
            "  {:>7}  {:<10} {:<13} {}:{}  {}",
            workload.said.pid,
            workload.name,
            truth.class,
            truth.function.as_deref().unwrap_or("-"),
            truth
                .line
                .map_or_else(|| "-".to_owned(), |line| line.to_string()),
            truth.note,
        );
    }
    eprintln!();
    Ok((workloads, deferred))
}

fn code(status: ExitStatus) -> u8 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}

/// Ctrl-C reaches pyobserve, which ends early and still reports; this process must
/// live on to show that and to end the workloads. A handler, not ignored: children
/// would inherit the latter.
fn outlive_interrupts() -> Result<()> {
    extern "C" fn note(_signal: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let action = SigAction::new(
        SigHandler::Handler(note),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler only stores to an atomic, which is safe in a signal's
    // context; xtask installs no other handler of SIGINT.
    unsafe { sigaction(Signal::SIGINT, &action) }.context("cannot handle SIGINT")?;
    Ok(())
}
