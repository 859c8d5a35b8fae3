//! `cargo xtask bench`: what pyobserve costs those that it watches, the host and
//! itself, beside py-spy and beside its aims. docs/bench.md says what each figure means.

mod cost;
mod cpus;
mod figures;
mod kernel;
mod probes;
mod scale;
mod slowdown;
mod switches;
mod table;
mod target;
mod watcher;

use std::{
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use self::{cpus::Cpus, table::Section, watcher::PySpy};
use crate::{
    build,
    host::{self, Host},
    setup, workload,
};

/// Arguments of `bench`.
#[derive(Args)]
pub struct Arguments {
    /// Shorter and less often: whether it works, not what it costs
    #[arg(long)]
    quick: bool,
    /// Only this part (repeat for more)
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
    /// The interpreter of the targets
    #[arg(long)]
    python: Option<PathBuf>,
}

/// A part that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What a busy target loses
    Slowdown,
    /// What a busy target with 150 waiting threads loses
    Throughput,
    /// What the eBPF programs cost
    Kernel,
    /// What pyobserve itself needs
    Cost,
    /// How long very many processes and frames take
    Scale,
    /// What targets lose that hardly compute
    Switches,
    /// What interpreters' own probes take
    Probes,
}

/// Rates at which everything is watched.
const RATES_HZ: [u32; 2] = [99, 999];

/// What the parts share.
struct Bench<'a> {
    host: &'a Host,
    /// The optimised binary.
    pyobserve: PathBuf,
    /// The interpreter of the targets.
    python: PathBuf,
    /// `None` if it cannot be had.
    py_spy: Option<PySpy>,
    cpus: Cpus,
    quick: bool,
}

impl Bench<'_> {
    /// A bench script.
    fn script(&self, name: &str) -> PathBuf {
        self.host.workspace.join("tests/bench").join(name)
    }

    /// The longer or the shorter.
    fn choose<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How often watchers take turns.
    fn rounds(&self) -> usize {
        self.choose(5, 2)
    }

    /// How long each watches in its turn.
    fn turn(&self) -> Duration {
        Duration::from_secs(self.choose(4, 1))
    }
}

/// Runs the task. A figure that misses its aim is no failure; one that could not be
/// measured is.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    setup::ensure(host)?;
    let start = Instant::now();
    let wanted = |part| arguments.only.is_empty() || arguments.only.contains(&part);
    let pyobserve = build::pyobserve(host, true)?;
    // Before anything is measured.
    let build = |part, name| -> Result<Option<PathBuf>> {
        wanted(part).then(|| figures::build(host, name)).transpose()
    };
    let kernel_bench = build(Part::Kernel, kernel::PROGRAM)?;
    let probe_bench = build(Part::Probes, probes::PROGRAM)?;
    let symbolize_bench = build(Part::Scale, scale::PROGRAM)?;
    let python = real_python(host, arguments)?;
    let py_spy = if wanted(Part::Slowdown) || wanted(Part::Throughput) {
        let folder = pyobserve
            .parent()
            .and_then(std::path::Path::parent)
            .context("a binary lies in the target folder")?
            .join("bench-venv");
        PySpy::install(host, &python, &folder)
            .inspect_err(|why| {
                eprintln!("SKIPPED: py-spy cannot be installed, so there is nothing to compare with: {why:#}");
            })
            .ok()
    } else {
        None
    };
    let bench = Bench {
        host,
        pyobserve,
        python,
        py_spy,
        cpus: Cpus::choose()?,
        quick: arguments.quick,
    };

    let mut sections: Vec<Section> = Vec::new();
    let mut failed = false;
    let mut part = |part: Part, measure: &mut dyn FnMut() -> Result<Section>| -> Result<()> {
        if !wanted(part) {
            return Ok(());
        }
        match measure() {
            Ok(section) => {
                if !arguments.json {
                    say(&section.to_string())?;
                }
                sections.push(section);
            }
            Err(why) => {
                eprintln!("error: not measured: {part:?}: {why:#}");
                failed = true;
            }
        }
        Ok(())
    };
    if !arguments.json {
        say(&setting(&bench)?)?;
    }
    part(Part::Slowdown, &mut || slowdown::busy(&bench))?;
    part(Part::Throughput, &mut || slowdown::with_waiting(&bench))?;
    part(Part::Kernel, &mut || match &kernel_bench {
        Some(binary) => kernel::run(&bench, binary),
        None => anyhow::bail!("it was not built"),
    })?;
    part(Part::Cost, &mut || cost::run(&bench))?;
    part(Part::Scale, &mut || match &symbolize_bench {
        Some(binary) => scale::run(&bench, binary),
        None => anyhow::bail!("it was not built"),
    })?;
    part(Part::Switches, &mut || switches::run(&bench))?;
    part(Part::Probes, &mut || match &probe_bench {
        Some(binary) => probes::prices(&bench, binary),
        None => anyhow::bail!("it was not built"),
    })?;
    part(Part::Probes, &mut || probes::losses(&bench))?;
    if arguments.json {
        say(&serde_json::to_string_pretty(&sections)?)?;
    } else {
        say(&format!("{:.0} s in all\n", start.elapsed().as_secs_f64()))?;
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Prints at once: a run takes minutes.
fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .context("cannot write to stdout")
}

/// The interpreter itself, not a launcher that stands for it on the PATH.
fn real_python(host: &Host, arguments: &Arguments) -> Result<PathBuf> {
    let python = match &arguments.python {
        Some(python) => python.clone(),
        None => workload::find_python()?.into(),
    };
    let mut command = host.as_user(&python);
    command.args(["-c", "import sys; print(sys.executable)"]);
    let output = command
        .output()
        .with_context(|| format!("cannot run `{}`", host::typed(&command)))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    anyhow::ensure!(
        output.status.success() && !path.is_empty(),
        "{} does not say where it lies",
        python.display()
    );
    Ok(path.into())
}

/// What a reader must know of the machine.
fn setting(bench: &Bench<'_>) -> Result<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's version")?;
    let version = bench
        .host
        .as_user(&bench.python)
        .arg("--version")
        .output()
        .context("cannot ask the interpreter for its version")?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    Ok(format!(
        "Linux {}, {} CPUs, {}; {}; load at the start {load}{}\n",
        kernel.trim(),
        bench.cpus.count,
        String::from_utf8_lossy(&version.stdout).trim(),
        bench.cpus,
        if bench.quick {
            "; --quick, so figures are rough"
        } else {
            ""
        },
    ))
}
