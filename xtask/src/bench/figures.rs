//! Figures that a program of the tests measures, for it needs pyobserve's library and
//! root.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::table::Cell;
use crate::{
    build,
    host::{self, Host},
};

/// One figure, as `leakcpu_tests::figure` writes it.
#[derive(Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// Less than this is wanted.
    pub aim: Option<f64>,
    /// What the figure rests on.
    pub note: String,
}

/// The columns of [`Figure::row`].
pub const COLUMNS: [&str; 6] = ["each", "cost", "", "aim", "", "measured by"];

impl Figure {
    /// As a row of a table.
    pub fn row(self, decimals: usize) -> Vec<Cell> {
        vec![
            Cell::text(&self.what),
            Cell::Number(self.value, decimals),
            Cell::text(&self.unit),
            self.aim.map_or(Cell::None, |aim| {
                Cell::text(format!("< {aim} {}", self.unit))
            }),
            Cell::met(self.value, self.aim),
            Cell::text(self.note),
        ]
    }
}

/// Builds a program of the tests as the user; where it lies.
pub fn build(host: &Host, name: &str) -> Result<PathBuf> {
    let mut cargo = host.cargo();
    cargo
        .args(["build", "--release", "--package", "leakcpu-tests"])
        .args(["--bin", name])
        .env(build::REQUIRE_EBPF.0, build::REQUIRE_EBPF.1);
    build::executables(&mut cargo)?
        .pop()
        .map(|artifact| artifact.path)
        .with_context(|| format!("cargo built no {name}"))
}

/// Runs such a program, which writes its figures to stdout.
pub fn run(mut command: std::process::Command) -> Result<Vec<Figure>> {
    let line = host::typed(&command);
    eprintln!("$ {line}");
    serde_json::from_slice(&host::read(&mut command)?)
        .with_context(|| format!("`{line}` wrote no figures"))
}
