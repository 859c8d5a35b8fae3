//! `cargo xtask build`: pyobserve with its eBPF programs.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::{
    host::{self, Host},
    setup,
};

/// Arguments of `build`.
#[derive(Args)]
pub struct Arguments {
    /// Optimised, as it is installed
    #[arg(long)]
    release: bool,
}

/// What is judged and measured.
const PYOBSERVE: &str = "pyobserve";

/// The environment variable that turns a missing BPF toolchain into an error.
pub const REQUIRE_EBPF: (&str, &str) = ("PYOBSERVE_REQUIRE_EBPF", "1");

/// Runs the task.
#[expect(
    clippy::print_stdout,
    reason = "the path of the binary is this task's data"
)]
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    println!("{}", pyobserve(host, arguments.release)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds pyobserve as the user; where it lies.
pub fn pyobserve(host: &Host, release: bool) -> Result<PathBuf> {
    let mut cargo = host.cargo();
    cargo
        .args(["build", "--package", "leakcpu-user", "--bin", PYOBSERVE])
        .env(REQUIRE_EBPF.0, REQUIRE_EBPF.1);
    if release {
        cargo.arg("--release");
    }
    executables(&mut cargo)?
        .pop()
        .map(|artifact| artifact.path)
        .context("cargo built no pyobserve")
}

/// Builds pyobserve and a program of the tests that runs it, in one go: apart they would
/// have other features, and be built twice. Their paths, in that order.
pub fn with_pyobserve(host: &Host, program: &str) -> Result<[PathBuf; 2]> {
    let mut cargo = host.cargo();
    cargo
        .args(["build", "--package", "leakcpu-user"])
        .args(["--package", "leakcpu-tests"])
        .args(["--bin", PYOBSERVE, "--bin", program])
        .env(REQUIRE_EBPF.0, REQUIRE_EBPF.1);
    let built = executables(&mut cargo)?;
    let path = |name: &str| {
        let found = built.iter().find(|executable| executable.name == name);
        found
            .map(|executable| executable.path.clone())
            .with_context(|| format!("cargo built no {name}"))
    };
    Ok([path(PYOBSERVE)?, path(program)?])
}

/// Something cargo built that can be run.
pub struct Executable {
    /// The target's name: a binary's, or a test file's.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The folder of its package: tests run there.
    pub package: PathBuf,
    /// Whether it is a test harness.
    pub is_test: bool,
}

impl Executable {
    /// The crate and the target, as a heading.
    pub fn title(&self) -> String {
        let package = self.package.file_name().unwrap_or_default();
        format!("{} {}", package.display(), self.name)
    }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Runs a cargo that builds, and gathers what can be run. The compiler's messages
/// appear as always.
pub fn executables(cargo: &mut Command) -> Result<Vec<Executable>> {
    cargo
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped());
    let line = host::typed(cargo);
    eprintln!("$ {line}");
    let mut child = cargo
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut found = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read cargo's messages")?;
        // Build scripts' own lines may stand between cargo's messages.
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            continue;
        };
        if let ("compiler-artifact", Some(path), Some(target), Some(manifest)) = (
            message.reason.as_str(),
            message.executable,
            message.target,
            message.manifest_path,
        ) {
            let package = manifest.parent().context("a manifest lies in a folder")?;
            found.push(Executable {
                name: target.name,
                path,
                package: package.to_owned(),
                is_test: message.profile.is_some_and(|profile| profile.test),
            });
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(found)
}
