//! `cargo xtask fuzz`: the decoders of foreign bytes under libFuzzer and sanitizers.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader},
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::host::{self, Host};

/// Arguments of `fuzz`.
#[derive(Args)]
pub struct Arguments {
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only these targets
    targets: Vec<String>,
}

/// Lines that are shown of a target that failed.
const LAST_LINES: usize = 60;

/// Runs the task: every target, whatever another finds.
#[expect(clippy::print_stdout, reason = "the figures are the task's result")]
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    if host::find("cargo-fuzz").is_none() {
        bail!(
            "no cargo-fuzz on the PATH: run `cargo install cargo-fuzz` and \
             `rustup toolchain install nightly`; without them, `cargo test --test hostile` \
             runs the same targets on the kept corpus and changes of it"
        );
    }
    let known = targets(host)?;
    for target in &arguments.targets {
        if !known.contains(target) {
            bail!("no target {target}: there are {}", known.join(", "));
        }
    }
    let mut failed = Vec::new();
    for target in known {
        if !arguments.targets.is_empty() && !arguments.targets.contains(&target) {
            continue;
        }
        let Outcome {
            executions,
            is_success,
        } = fuzz(host, &target, arguments.seconds)?;
        let executions = executions.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let found = if is_success { "nothing" } else { "a failure" };
        println!(
            "{target}: {executions} executions in {} s, found {found}",
            arguments.seconds
        );
        if !is_success {
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!(
            "failed: {}; the inputs are in fuzz/artifacts: put them into \
             leakcpu-user/tests/corpus with the fix",
            failed.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn targets(host: &Host) -> Result<Vec<String>> {
    let folder = host.workspace.join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

struct Outcome {
    executions: Option<u64>,
    is_success: bool,
}

fn fuzz(host: &Host, target: &str, seconds: u32) -> Result<Outcome> {
    let fuzz = host.workspace.join("fuzz");
    // What is found goes into the first folder, the kept corpus stays as it is.
    let found = fuzz.join("corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    let kept = host
        .workspace
        .join("leakcpu-user/tests/corpus")
        .join(target);
    let mut command = host.as_user("rustup");
    command
        .args(["run", "nightly", "cargo", "fuzz", "run"])
        .args(["--fuzz-dir", "fuzz", target])
        .arg(found)
        .arg(kept)
        .args(["--", "-print_final_stats=1", "-max_len=20000"])
        .arg(format!("-max_total_time={seconds}"))
        .stderr(Stdio::piped());
    let line = host::typed(&command);
    eprintln!("$ {line}");
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut last = VecDeque::new();
    let mut executions = None;
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line.context("cannot read the fuzzer's output")?;
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                executions = count.trim().parse().ok();
            }
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    let status = child.wait().context("cannot wait for the fuzzer")?;
    if !status.success() {
        for line in last {
            eprintln!("{line}");
        }
    }
    Ok(Outcome {
        executions,
        is_success: status.success(),
    })
}
