//! `cargo xtask opcodes`: the opcode tables of leakcpu-user's `bytecode` room, from the
//! interpreters' own modules.
//!
//! Every CPython of this machine is asked (`extract.py`); those of one minor version must
//! agree. A version that the file has and no interpreter here has is not given up.

mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{
    host::Host,
    interpreter::{self, Interpreter},
    marks,
};

/// The program that every interpreter runs.
const EXTRACT: &str = include_str!("extract.py");

/// The file that is written.
const FILE: &str = "leakcpu-user/src/bytecode/opcodes/generated.rs";

/// One row: number, base operation, inline cache entries, has an argument, jump.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Row(u8, String, u8, bool, Jump);

/// What an argument says of where to go.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Jump {
    #[serde(rename = "")]
    None,
    #[serde(rename = "absolute")]
    Absolute,
    #[serde(rename = "forward")]
    Forward,
    #[serde(rename = "backward")]
    Backward,
}

/// What an interpreter says.
#[derive(Deserialize)]
struct Said {
    version: String,
    opcodes: Vec<Row>,
}

/// The opcodes of one minor version, and the interpreters that have them.
struct Table {
    versions: BTreeSet<String>,
    rows: Vec<Row>,
}

/// Runs the task.
pub fn run(host: &Host) -> Result<ExitCode> {
    let mut tables: BTreeMap<u8, Table> = BTreeMap::new();
    for python in interpreter::supported() {
        let said = ask(python).with_context(|| format!("{python} does not say its opcodes"))?;
        let table = tables.entry(python.minor).or_insert_with(|| Table {
            versions: BTreeSet::new(),
            rows: said.opcodes.clone(),
        });
        if table.rows != said.opcodes {
            bail!(
                "the opcodes of {python} are not those of {}: a table for each minor version \
                 is not enough any more",
                host_list(&table.versions)
            );
        }
        eprintln!("{python}: {} opcodes", said.opcodes.len());
        table.versions.insert(said.version);
    }
    let file = host.workspace.join(FILE);
    let old = fs::read_to_string(&file).unwrap_or_default();
    let lost: Vec<String> = write::minors(&old)
        .filter(|minor| !tables.contains_key(minor))
        .map(|minor| format!("3.{minor}"))
        .collect();
    if !lost.is_empty() || tables.is_empty() {
        bail!(
            "{FILE} has {}, and no interpreter here has: `cargo xtask setup --interpreters`, and \
             run as root, who alone can enter root file systems",
            lost.join(", ")
        );
    }
    marks::write(host, &file, &write::file(&tables))?;
    eprintln!("wrote {FILE}");
    Ok(ExitCode::SUCCESS)
}

fn host_list(versions: &BTreeSet<String>) -> String {
    versions.iter().cloned().collect::<Vec<_>>().join(", ")
}

fn ask(python: &Interpreter) -> Result<Said> {
    let mut command = python.command();
    let mut child = command
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("its input is piped")?;
    input.write_all(EXTRACT.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
