//! `cargo xtask lint`: formatting and clippy.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::host::{self, Host};

/// Runs the task: all of it, so that one run shows everything.
pub fn run(host: &Host) -> Result<ExitCode> {
    let mut format = host.cargo();
    format.args(["fmt", "--all", "--", "--check"]);

    let mut user = host.cargo();
    user.args([
        "clippy",
        "--workspace",
        "--exclude",
        "leakcpu-ebpf",
        "--all-targets",
    ]);

    // A pass of its own: with the other crates in one resolve, their features would
    // pull std into the programs. For the host, which the crate compiles for too:
    // clippy of the BPF target would need a clippy with rust-src.
    let mut programs = host.cargo();
    programs.args(["clippy", "--package", "leakcpu-ebpf", "--bin", "leakcpu"]);

    for clippy in [&mut user, &mut programs] {
        clippy.args(["--", "--deny", "warnings"]);
    }
    let mut failed = Vec::new();
    for command in [&mut format, &mut user, &mut programs] {
        if !passes(command)? {
            failed.push(host::typed(command));
        }
    }
    if !failed.is_empty() {
        bail!("these found something:\n  {}", failed.join("\n  "));
    }
    Ok(ExitCode::SUCCESS)
}

fn passes(command: &mut Command) -> Result<bool> {
    Ok(host::status(command)?.success())
}
