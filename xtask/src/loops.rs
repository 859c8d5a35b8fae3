//! `cargo xtask loops`: every loop of the standard library and of installed packages,
//! judged by its bytecode (docs/spins.md).

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::host::{self, Host};

/// Arguments of `loops`.
#[derive(Args)]
pub struct Arguments {
    /// Only this interpreter: 3.11, or 3.11.7; else every one that is found
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
    /// Files and folders instead of the standard library and what is installed beside it
    paths: Vec<PathBuf>,
}

/// Runs the task.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    let mut cargo = host.cargo();
    cargo
        .args(["run", "--quiet", "--package", "leakcpu-tests"])
        .args(["--bin", "loops", "--"]);
    if let Some(python) = &arguments.python {
        cargo.args(["--python", python]);
    }
    for path in &arguments.paths {
        // cargo runs in the workspace's folder.
        cargo.arg(std::path::absolute(path)?);
    }
    let status = host::status(&mut cargo)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
