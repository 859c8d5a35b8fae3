//! Runs the corpus and writes what came of it as lines of JSON: the setting, then a row
//! for each program. `cargo xtask corpus` builds it, runs it as root and counts.

use std::{fs, io::Write as _, path::PathBuf, process::ExitCode, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use leakcpu_tests::{
    corpus::{
        labels::{self, Label},
        noise::{Noise, Surroundings},
        others,
        program::Servers,
        rest,
        row::{Detail, Half, Outcome, Row, Setting},
        run::Plan,
    },
    interpreter::{self, Interpreter},
};
use serde::Serialize;

/// Runs programs whose right verdict is known.
#[derive(Parser)]
struct Arguments {
    /// The interpreter: 3.11, or its path [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this program (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// Only one half of the corpus
    #[arg(long, value_parser = half)]
    half: Option<Half>,
    /// What runs beside it
    #[arg(long, value_enum, default_value = "N0")]
    noise: Noise,
    /// How long each is watched
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Watch those at rest only, all at a time and for so many minutes
    #[arg(long, value_name = "MINUTES")]
    rest: Option<u32>,
    /// Watch each for 3, 2 and 1 s too, as long as its verdicts are right
    #[arg(long)]
    first_right: bool,
}

fn half(text: &str) -> Result<Half> {
    [Half::Tune, Half::Judge]
        .into_iter()
        .find(|half| half.name() == text)
        .with_context(|| format!("{text} is neither tune nor judge"))
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let labels = chosen(arguments)?;
    if let Some(minutes) = arguments.rest {
        let python = python(arguments.python.as_deref())?;
        let watched = Duration::from_mins(minutes.into());
        for rested in rest::watch(&python, &labels, &mut Servers::default(), watched) {
            say(&rested)?;
        }
        return Ok(());
    }
    let plan = Plan {
        python: python(arguments.python.as_deref())?,
        watch: Duration::try_from_secs_f64(arguments.seconds)?,
        starvation: arguments.noise.starvation(),
        surroundings: Surroundings::make(arguments.noise)
            .context("that condition cannot be made here")?,
        py_spy: others::py_spy(),
        sooner: arguments.first_right,
    };
    say(&setting(&plan)?)?;
    let mut servers = Servers::default();
    for (number, label) in (1..).zip(&labels) {
        let row = plan.row(label, &mut servers);
        eprintln!("{number}/{} {}", labels.len(), in_short(&row));
        say(&row)?;
    }
    Ok(())
}

fn chosen(arguments: &Arguments) -> Result<Vec<Label>> {
    let mut labels = labels::read()?;
    for name in &arguments.only {
        ensure!(
            labels.iter().any(|label| label.name == *name),
            "{name} has no label"
        );
    }
    labels.retain(|label| {
        (arguments.only.is_empty() || arguments.only.contains(&label.name))
            && arguments.half.is_none_or(|half| label.half == half)
    });
    ensure!(!labels.is_empty(), "no program is left");
    Ok(labels)
}

/// The interpreter of this version, one that is started directly if there is one.
fn python(named: Option<&str>) -> Result<Interpreter> {
    let Some(named) = named else {
        return Ok(interpreter::newest().clone());
    };
    let path = PathBuf::from(named);
    let mut all = interpreter::supported();
    all.sort_by_key(|python| (!python.is_local(), interpreter::is_debian(python)));
    let found = all
        .into_iter()
        .find(|python| python.path == path || python.is_called(named));
    match found {
        Some(python) => Ok(python.clone()),
        None => bail!("there is no CPython {named} here"),
    }
}

fn setting(plan: &Plan) -> Result<Setting> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's version")?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(Setting {
        python: plan.python.version.clone(),
        kernel: kernel.trim().to_owned(),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        watched_s: plan.watch.as_secs_f64(),
        noise: plan.surroundings.noise.name().to_owned(),
        load: load
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or(0.0),
    })
}

fn in_short(row: &Row) -> String {
    match &row.outcome {
        Outcome::NotValid(why) => format!("{}: not valid: {why}", row.name),
        Outcome::NoReport(why) => format!("{}: no report: {why}", row.name),
        Outcome::Judged(it) => format!(
            "{}: {} ({}){}",
            row.name,
            it.said.verdict.class,
            it.said.verdict.detail.map_or("-", Detail::name),
            if it.class_holds {
                ""
            } else {
                ", which is wrong"
            }
        ),
    }
}

/// Writes a line at once: a run takes a quarter of an hour.
fn say(line: &impl Serialize) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, line)?;
    stdout.write_all(b"\n")?;
    stdout.flush().context("cannot write to stdout")
}
