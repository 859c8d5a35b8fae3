//! `cargo xtask classify`: builds pyobserve and lets it tell what Python does, on
//! this host or on demo workloads that state their truth beforehand.

use std::{ffi::OsString, os::unix::process::ExitStatusExt as _, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{
    build,
    host::{self, Host},
    setup,
    workload::{self, Workload},
};

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
    let mut command = host.as_root(&pyobserve, &[])?;
    command.arg("classify");

    let mut workloads = Vec::new();
    if arguments.demo {
        outlive_interrupts()?;
        let python = match &arguments.python {
            Some(python) => python.clone(),
            None => workload::find_python()?.into(),
        };
        workloads = start_demo(host, &python)?;
        let asks_for = |option: &str| {
            arguments.passed_on.iter().any(|argument| {
                let argument = argument.to_string_lossy();
                argument.split('=').next() == Some(option)
            })
        };
        if !asks_for("-d") && !asks_for("--duration") {
            command.args(["-d", "5s"]);
        }
        for workload in &workloads {
            command.arg("-p").arg(workload.said.pid.to_string());
        }
    }
    command.args(&arguments.passed_on);
    let status = host::status(&mut command)?;
    drop(workloads);
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(code.into())
}

fn start_demo(host: &Host, python: &std::path::Path) -> Result<Vec<Workload>> {
    let mut workloads = Vec::new();
    for script in workload::demos(host)? {
        workloads.push(Workload::start(host, python, &script)?);
    }
    eprintln!(
        "\nwhat the workloads say of themselves ({}):",
        python.display()
    );
    for workload in &workloads {
        let truth = &workload.said.truth;
        eprintln!(
            "  {:>7}  {:<14} {:<13} {}:{}  {}",
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
    Ok(workloads)
}

/// Ctrl-C reaches pyobserve, which ends early and still reports; this process must
/// live on to show that and to end the workloads. A handler, not ignored: children
/// would inherit the latter.
fn outlive_interrupts() -> Result<()> {
    extern "C" fn nothing(_signal: i32) {}
    let action = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing, so there is nothing it could do that is not
    // safe in a signal's context; no other handler of SIGINT is installed in xtask.
    unsafe { sigaction(Signal::SIGINT, &action) }.context("cannot handle SIGINT")?;
    Ok(())
}
