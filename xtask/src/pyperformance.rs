//! `cargo xtask pyperformance`: pyperformance's benchmarks under observation. None of them
//! waits, so none may be called busy-waiting (docs/spins.md).

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    build, environment,
    host::{self, Host},
    setup,
};

/// Arguments of `pyperformance`.
#[derive(Args)]
pub struct Arguments {
    /// The interpreter: 3.11, or 3.11.7 [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this benchmark (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// How long each is watched, seconds
    #[arg(long, default_value = "3")]
    seconds: String,
}

/// The program of the tests that runs them.
const PROGRAM: &str = "pyperformance";

/// Runs the task; fails if a benchmark is accused that no reason is known for.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    let [pyobserve, program] = build::with_pyobserve(host, PROGRAM)?;
    let mut command = environment::as_root(host, &program, &pyobserve, &[])?;
    command.args(["--seconds", &arguments.seconds]);
    if let Some(python) = &arguments.python {
        command.args(["--python", python]);
    }
    for name in &arguments.only {
        command.args(["--only", name]);
    }
    let status = host::status(&mut command)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
