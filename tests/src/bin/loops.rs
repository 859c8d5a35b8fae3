//! Every loop of the standard library and of installed packages, judged by its bytecode.
//! `cargo xtask loops` runs it; docs/spins.md says what the judgements mean and has what
//! was found.

#[path = "../../../leakcpu-user/tests/bytecode/record.rs"]
mod record;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use leakcpu_tests::interpreter::{self, Interpreter};
use pyobserve::bytecode::{Analysis, Judgement, LoopJudgement};
use record::Record;

/// Judges every loop of the standard library and of installed packages.
#[derive(Parser)]
struct Arguments {
    /// Only this interpreter: 3.11, or 3.11.7
    #[arg(long)]
    python: Option<String>,
    /// Files and folders instead of the standard library and what is installed beside it
    paths: Vec<PathBuf>,
}

/// What was found by one interpreter.
#[derive(Default)]
struct Found {
    codes: u64,
    unreadable: u64,
    judged: BTreeMap<Judgement, u64>,
    quiet: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |python: &&Interpreter| {
        let named = arguments.python.as_deref();
        named.is_none_or(|name| python.is_called(name))
            && (arguments.paths.is_empty() || python.is_local())
    };
    let pythons: Vec<_> = interpreter::supported()
        .into_iter()
        .filter(wanted)
        .collect();
    if pythons.is_empty() {
        bail!("no such interpreter here");
    }
    for python in pythons {
        let found = judge_all(python, &arguments.paths)?;
        let count = |judgement| found.judged.get(&judgement).copied().unwrap_or(0);
        let total: u64 = found.judged.values().sum();
        writeln!(
            std::io::stdout(),
            "{python}: {} code objects ({} unreadable), {total} loops: {} spin, {} poll, {} work, \
             {} unknown; {} of the last two with a way round that does nothing",
            found.codes,
            found.unreadable,
            count(Judgement::Spin),
            count(Judgement::Poll),
            count(Judgement::Work),
            count(Judgement::Unknown),
            found.quiet,
        )?;
    }
    Ok(())
}

fn judge_all(python: &Interpreter, paths: &[PathBuf]) -> Result<Found> {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../leakcpu-user/tests/bytecode/codes.py");
    let mut child = python
        .script(&script.canonicalize()?)
        .arg("judge")
        .args(paths)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {python}"))?;
    let mut found = Found::default();
    let lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    for line in lines {
        let record: Record = serde_json::from_str(&line?)?;
        found.codes += 1;
        let Ok(analysis) = Analysis::of(record.code()) else {
            found.unreadable += 1;
            continue;
        };
        for (one, judged) in analysis.loops().iter().zip(analysis.judge_all()) {
            *found.judged.entry(judged.judgement).or_default() += 1;
            found.quiet += u64::from(judged.quiet.is_some());
            if matches!(judged.judgement, Judgement::Spin | Judgement::Poll) {
                let line = one
                    .ranges
                    .iter()
                    .map(|range| record.line_at(range.start))
                    .min();
                tell(&record, line.unwrap_or(record.line), &judged)?;
            }
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "{python}: codes.py ended with {status}");
    Ok(found)
}

fn tell(record: &Record, line: u32, judged: &LoopJudgement) -> Result<()> {
    let mut calls: Vec<&str> = judged.calls.iter().map(|call| &*call.name).collect();
    calls.dedup();
    let with = if calls.is_empty() { "" } else { ", calls " };
    writeln!(
        std::io::stdout(),
        "{:?} {}:{line} {}{with}{}",
        judged.judgement,
        record.file,
        record.name,
        calls.join(", ")
    )?;
    Ok(())
}
