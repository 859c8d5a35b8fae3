//! `cargo xtask offsets`: the layouts beside what the compiler makes of CPython's headers.
//!
//! The test `layouts` of leakcpu-user does the work wherever there is a compiler; here it
//! shows its table, and finding nothing to compare with is an error.

use std::process::ExitCode;

use anyhow::Result;

use crate::host::{self, Host};

/// Runs the task.
pub fn run(host: &Host) -> Result<ExitCode> {
    let mut cargo = host.cargo();
    cargo
        .args(["test", "--quiet", "--package", "leakcpu-user"])
        .args(["--test", "layouts", "--", "--nocapture"])
        .env("PYOBSERVE_REQUIRE_HEADERS", "1");
    let status = host::status(&mut cargo)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
