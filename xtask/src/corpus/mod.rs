//! `cargo xtask corpus`: what pyobserve says of programs whose right verdict is known,
//! counted, beside what else a user would have had. docs/corpus.md says what is counted.

#[path = "../../../leakcpu-user/src/classify/class.rs"]
mod class;
mod rest;
#[path = "../../../tests/src/corpus/row.rs"]
mod row;
mod score;
mod table;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use self::row::{Row, Setting};
use crate::{
    build, environment,
    host::{self, Host},
    marks::{self, Marks},
    origin::Origin,
    servers, setup,
};

/// Arguments of `corpus`.
#[derive(Args)]
pub struct Arguments {
    /// The interpreter: 3.11, or its path [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this program (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// Only one half of the corpus: tune or judge
    #[arg(long)]
    half: Option<String>,
    /// What runs beside it: N0 nothing, N1 a process that computes, N2 four, N3 a disk
    /// hog, N4 50 000 switches a second, N5 50 000 system calls a second, N6 256 MiB for all,
    /// N7 pyobserve has a fifth of a CPU, N8 the program has just been restarted
    #[arg(long, default_value = "N0")]
    noise: String,
    /// How long each program is watched
    #[arg(long, default_value = "5")]
    seconds: String,
    /// Watch each program for 3, 2 and 1 s too, as long as its verdicts are right
    #[arg(long)]
    first_right: bool,
    /// Watch the programs at rest only, all of them at a time and for so many minutes
    #[arg(long, value_name = "MINUTES", conflicts_with_all = ["only", "half", "first_right"])]
    rest: Option<u32>,
    /// Run nothing: write docs/corpus.md from earlier runs, the first in full
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
}

/// The program of the tests that runs the corpus.
const PROGRAM: &str = "corpus";

/// Where the tables stand.
const DOCUMENT: &str = "docs/corpus.md";

/// The lines between which they do.
const MARKS: Marks = Marks {
    begin: "<!-- cargo xtask corpus: begin -->",
    end: "<!-- cargo xtask corpus: end -->",
};

/// A run, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Run {
    /// The day it was made, UTC.
    date: String,
    /// The commit, and whether the work tree had changes beyond it.
    commit: String,
    /// Under which conditions.
    setting: Setting,
    /// What came of each program.
    rows: Vec<Row>,
}

/// Runs the task. A miss is no failure; that nothing could be judged is.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.from.is_empty() {
        let runs: Vec<Run> = arguments
            .from
            .iter()
            .map(|file| read(file))
            .collect::<Result<_>>()?;
        MARKS.put(
            host,
            &host.workspace.join(DOCUMENT),
            &table::document(&runs),
        )?;
        eprintln!("wrote the tables of {DOCUMENT}");
        return Ok(ExitCode::SUCCESS);
    }
    setup::ensure(host)?;
    servers::ensure(host);
    let [pyobserve, program] = build::with_pyobserve(host, PROGRAM)?;
    if let Some(minutes) = arguments.rest {
        let python = arguments.python.as_deref();
        return rest::run(host, python, minutes, &pyobserve, &program);
    }
    let run = watch(host, arguments, &pyobserve, &program)?;
    let file = keep(host, &run)?;
    let text = table::document(std::slice::from_ref(&run));
    say(&text)?;
    eprintln!("the rows are in {}", file.display());
    if arguments.only.is_empty() && arguments.half.is_none() {
        MARKS.put(host, &host.workspace.join(DOCUMENT), &text)?;
        eprintln!("wrote the tables of {DOCUMENT}");
    }
    let score = score::Score::of(&run.rows);
    Ok(if score.judged == 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Runs the programs as root, for what is watched by eBPF.
fn watch(host: &Host, arguments: &Arguments, pyobserve: &Path, program: &Path) -> Result<Run> {
    let mut command = environment::as_root(host, program, pyobserve, &[])?;
    command
        .args(["--noise", &arguments.noise])
        .args(["--seconds", &arguments.seconds]);
    for (option, value) in [("--python", &arguments.python), ("--half", &arguments.half)] {
        if let Some(value) = value {
            command.args([option, value]);
        }
    }
    if arguments.first_right {
        command.arg("--first-right");
    }
    for name in &arguments.only {
        command.args(["--only", name]);
    }
    let line = host::typed(&command);
    eprintln!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
    let first = lines
        .next()
        .with_context(|| format!("`{line}` says nothing; its message is above"))??;
    let setting = serde_json::from_str(&first).with_context(|| format!("no setting: {first}"))?;
    let rows = lines
        .map(|row| {
            let row = row.context("cannot read the rows")?;
            serde_json::from_str(&row).with_context(|| format!("no row: {row}"))
        })
        .collect::<Result<Vec<Row>>>()?;
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    let Origin { day: date, commit } = Origin::now(host)?;
    Ok(Run {
        date,
        commit,
        setting,
        rows,
    })
}

/// Keeps a run beside what was built.
fn keep(host: &Host, run: &Run) -> Result<PathBuf> {
    let Setting { python, noise, .. } = &run.setting;
    let file = host.target().join(format!("corpus/{python}-{noise}.json"));
    marks::write(host, &file, &serde_json::to_string(run)?)?;
    Ok(file)
}

fn read(file: &Path) -> Result<Run> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no run", file.display()))
}

fn say(text: &str) -> Result<()> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("cannot write to stdout")
}
