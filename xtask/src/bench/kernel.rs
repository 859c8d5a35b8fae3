//! What the eBPF programs cost: a program of its own measures it, for it needs
//! pyobserve's library and root.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    Bench,
    table::{Cell, Section},
};
use crate::{
    build,
    host::{self, Host},
};

#[derive(Deserialize)]
struct Figure {
    what: String,
    value: f64,
    unit: String,
    aim: Option<f64>,
    note: String,
}

/// Builds the program as the user; where it lies.
pub fn build(host: &Host) -> Result<PathBuf> {
    let mut cargo = host.cargo();
    cargo
        .args(["build", "--release", "--package", "leakcpu-tests"])
        .args(["--bin", "kernel_bench"])
        .env(build::REQUIRE_EBPF.0, build::REQUIRE_EBPF.1);
    build::executables(&mut cargo)?
        .pop()
        .map(|artifact| artifact.path)
        .context("cargo built no kernel_bench")
}

/// Runs it as root.
pub fn run(bench: &Bench<'_>, binary: &Path) -> Result<Section> {
    let mut command = bench.host.as_root(binary, &[])?;
    command
        .arg("--python")
        .arg(&bench.python)
        .arg("--workloads")
        .arg(bench.script(""))
        .args(["--cpu", &bench.cpus.target.to_string()])
        .args(["--own-cpu", &bench.cpus.watcher.to_string()])
        .args(["--window-ms", bench.choose("1000", "300")])
        .args(["--repetitions", bench.choose("5", "2")]);
    let line = host::typed(&command);
    eprintln!("$ {line}");
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    ensure!(
        output.status.success(),
        "`{line}` failed ({})",
        output.status
    );
    let figures: Vec<Figure> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{line}` wrote no figures"))?;
    let rows = figures
        .into_iter()
        .map(|figure| {
            vec![
                Cell::text(&figure.what),
                Cell::Number(figure.value, 1),
                Cell::text(&figure.unit),
                figure.aim.map_or(Cell::None, |aim| {
                    Cell::text(format!("< {aim} {}", figure.unit))
                }),
                Cell::met(figure.value, figure.aim),
                Cell::text(figure.note),
            ]
        })
        .collect();
    Ok(Section {
        title: "C. What the eBPF programs cost".to_owned(),
        columns: vec!["each", "cost", "", "aim", "", "measured by"],
        rows,
        notes: vec![
            "samples, switches, wake-ups: the kernel's run-time statistics, of which an empty program shows about 32 ns; system calls: the clock, statistics off; the least of several windows".to_owned(),
        ],
    })
}
