//! What the eBPF programs cost.

use std::path::Path;

use anyhow::Result;

use super::{
    Bench,
    figures::{self, COLUMNS},
    table::Section,
};

/// The program that measures it.
pub const PROGRAM: &str = "kernel_bench";

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
    let figures = figures::run(command)?;
    Ok(Section {
        title: "C. What the eBPF programs cost".to_owned(),
        columns: COLUMNS.to_vec(),
        rows: figures.into_iter().map(|figure| figure.row(1)).collect(),
        notes: vec![
            "samples, switches, wake-ups: the kernel's run-time statistics, of which an empty program shows about 32 ns; system calls: the clock, statistics off; the least of several windows".to_owned(),
        ],
    })
}
