//! `cargo xtask test`: every test. The pure ones run as the user; those that load
//! eBPF are built as the user and run as root, one at a time, for they measure.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use anyhow::Result;
use clap::Args;

use crate::{
    build,
    host::Host,
    setup,
    tally::{self, Tally},
};

/// Arguments of `test`.
#[derive(Args)]
pub struct Arguments {
    /// Only the tests that need neither root nor a kernel
    #[arg(long, conflicts_with = "kernel")]
    pure: bool,
    /// Only the end-to-end tests on this kernel
    #[arg(long)]
    kernel: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// What of the caller's environment the tests see through sudo: where the
/// interpreters are, and how much to say.
const PASSED_ON: [&str; 4] = ["PATH", "PYENV_ROOT", "RUST_BACKTRACE", "RUST_LOG"];

/// Runs the task. The last line is `N passed, M failed`, whatever happens.
#[expect(clippy::print_stdout, reason = "the sum is what CI reads")]
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    let mut groups: Vec<(String, Tally, f64)> = Vec::new();
    let mut group = |name: String, work: &mut dyn FnMut() -> Result<Tally>| {
        let start = Instant::now();
        let tally = work().unwrap_or_else(|why| {
            eprintln!("error: {name}: {why:#}");
            Tally::ONE_FAILED
        });
        groups.push((name, tally, start.elapsed().as_secs_f64()));
    };

    if !arguments.kernel {
        group("pure".to_owned(), &mut || pure(host, arguments));
    }
    if !arguments.pure {
        let mut built = None;
        group("build of the kernel tests".to_owned(), &mut || {
            let pyobserve = build::pyobserve(host, false)?;
            let mut cargo = host.cargo();
            cargo.args(["test", "--package", "leakcpu-tests", "--no-run"]);
            built = Some((pyobserve, build::executables(&mut cargo)?));
            Ok(Tally::default())
        });
        if let Some((pyobserve, tests)) = built {
            for test in &tests {
                group(format!("kernel: {}", test.name), &mut || {
                    kernel(host, arguments, &pyobserve, test)
                });
            }
        }
    }

    println!();
    let mut sum = Tally::default();
    for (name, tally, seconds) in groups {
        println!("{seconds:7.1} s  {name}: {tally}");
        sum += tally;
    }
    println!("{sum}");
    Ok(if sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn pure(host: &Host, arguments: &Arguments) -> Result<Tally> {
    let mut cargo = host.cargo();
    cargo
        .args(["test", "--no-fail-fast"])
        .env(build::REQUIRE_EBPF.0, build::REQUIRE_EBPF.1);
    if let Some(filter) = &arguments.filter {
        cargo.args(["--", filter]);
    }
    tally::run(&mut cargo)
}

fn kernel(
    host: &Host,
    arguments: &Arguments,
    pyobserve: &Path,
    test: &build::Executable,
) -> Result<Tally> {
    let passed_on: Vec<(&str, OsString)> = PASSED_ON
        .iter()
        .filter_map(|name| Some((*name, env::var_os(name)?)))
        .collect();
    let mut variables: Vec<(&str, &OsStr)> = passed_on
        .iter()
        .map(|(name, value)| (*name, value.as_os_str()))
        .collect();
    variables.push(("PYOBSERVE_BIN", pyobserve.as_os_str()));
    let mut command = host.as_root(&test.path, &variables)?;
    command.current_dir(&test.package).arg("--test-threads=1");
    if let Some(filter) = &arguments.filter {
        command.arg(filter);
    }
    tally::run(&mut command)
}
