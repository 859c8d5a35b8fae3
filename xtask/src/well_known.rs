//! `cargo xtask pyperformance` and `cargo xtask tools`: programs that everybody knows, under
//! observation. What they are accused of has to have a reason that somebody wrote down.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    build, environment,
    host::{self, Host},
    setup,
};

/// Arguments of both.
#[derive(Args)]
pub struct Arguments {
    /// The interpreter: 3.11, or 3.11.7 [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this one (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// How long each is watched, seconds [default: 3; tools: 10]
    #[arg(long)]
    seconds: Option<String>,
}

/// The program of the tests that watches pyperformance's benchmarks.
pub const PYPERFORMANCE: &str = "pyperformance";
/// The one that watches pip, black, pytest, sphinx-build and gunicorn.
pub const TOOLS: &str = "tools";

/// Runs the program of the tests; it fails if anything is accused that no reason is known for.
pub fn run(host: &Host, program: &str, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    let [pyobserve, program] = build::with_pyobserve(host, program)?;
    let mut command = environment::as_root(host, &program, &pyobserve, &[])?;
    if let Some(seconds) = &arguments.seconds {
        command.args(["--seconds", seconds]);
    }
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
