//! pyperformance's benchmarks under observation: none of them waits, so none may be called
//! busy-waiting. `cargo xtask pyperformance` builds it and runs it as root; docs/spins.md has
//! what was found.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use leakcpu_tests::{
    accused::{self, Count, Judged, Said, say},
    interpreter::{self, Interpreter},
    observe,
    report::{Report, ns},
    venv,
};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::Deserialize;

/// Watches pyperformance's benchmarks.
#[derive(Parser)]
struct Arguments {
    /// The interpreter: 3.11, or 3.11.7 [default: the newest that is started directly]
    #[arg(long)]
    python: Option<String>,
    /// Only this benchmark (repeat for more)
    #[arg(long)]
    only: Vec<String>,
    /// How long each is watched
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

/// Accusations that are right, by benchmark and function, and why.
const RIGHTLY: [Judged; 0] = [];

/// Findings of high severity that are right, by benchmark and rule, and why.
const HIGH: [Judged; 13] = [
    ("async_generators", "async.cpu-in-loop", ONE_STEP),
    ("async_tree_eager", "async.cpu-in-loop", ONE_STEP),
    ("async_tree_eager_tg", "async.cpu-in-loop", ONE_STEP),
    (
        "async_tree_eager_cpu_io_mixed_tg",
        "async.cpu-in-loop",
        ONE_STEP,
    ),
    ("async_tree_eager_io", "cpu.gc-thrash", MANY_TASKS),
    ("async_tree_io_tg", "cpu.gc-thrash", MANY_TASKS),
    ("async_tree_eager_io_tg", "cpu.gc-thrash", MANY_TASKS),
    (
        "gc_traversal",
        "cpu.gc-thrash",
        "it only calls gc.collect()",
    ),
    ("gc_collect", "cpu.gc-thrash", "it only calls gc.collect()"),
    (
        "concurrent_imap",
        "cpu.run-queue",
        "a pool with a process for each CPU, and one that feeds it",
    ),
    (
        "concurrent_imap",
        "cpu.single-core-gil",
        "a pool of threads that do next to nothing each",
    ),
    (
        "fastapi",
        "cpu.single-core-gil",
        "the server is a thread beside that of its client",
    ),
    (
        "tornado_http",
        "cpu.single-core-gil",
        "each look-up of a name waits in a thread for the GIL that the loop keeps",
    ),
];

/// Why steps of coroutines are long there.
const ONE_STEP: &str =
    "its only task computes, or all of its tasks run in the step that makes them";
/// Why the collector has much to do there: `gc.callbacks` say half of the time too.
const MANY_TASKS: &str = "some 50,000 tasks live at a time, and the collector looks at all of them";

/// Parts of one benchmark at most; one that takes long to begin seems to have ever more.
const MAX_PARTS: u32 = 6;

fn main() -> ExitCode {
    accused::exit(run(&Arguments::parse()))
}

/// Whether nobody was accused falsely.
fn run(arguments: &Arguments) -> Result<bool> {
    let python = interpreter::own_build(arguments.python.as_deref())
        .context("there is no such CPython here that is started directly")?;
    let mut sums = Sums::default();
    for benchmark in benchmarks(python)? {
        if arguments.only.is_empty() || arguments.only.contains(&benchmark.name) {
            sums.add(&benchmark, benchmark.watch(python, arguments.seconds))?;
        }
    }
    ensure!(sums.parts > 0, "no benchmark could be run");
    say(&format!(
        "{python}: {} parts of {} benchmarks watched for {} s each, {} called busy-waiting, {} of them rightly; {} other findings of high severity, {} of them judged right; {} not run",
        sums.parts,
        sums.benchmarks,
        arguments.seconds,
        sums.spins.all,
        sums.spins.rightly,
        sums.high.all,
        sums.high.rightly,
        sums.not_run,
    ))?;
    Ok(sums.spins.is_right() && sums.high.is_right())
}

#[derive(Default)]
struct Sums {
    benchmarks: u32,
    parts: u32,
    not_run: u32,
    spins: Count,
    high: Count,
}

impl Sums {
    fn add(&mut self, benchmark: &Benchmark, watched: Result<Vec<Said>>) -> Result<()> {
        let name = &benchmark.name;
        let parts = match watched {
            Err(why) => {
                self.not_run += 1;
                return say(&format!("{name}: not run: {why:#}"));
            }
            Ok(parts) => parts,
        };
        self.benchmarks += 1;
        for (number, said) in parts.iter().enumerate() {
            self.parts += 1;
            say(&format!("{name}.{number}: {} accused", said.spins.len()))?;
            for line in self.spins.add(name, &said.spins, &RIGHTLY) {
                say(&line)?;
            }
            for line in self.high.add(name, &said.high, &HIGH) {
                say(&line)?;
            }
        }
        Ok(())
    }
}

/// One benchmark as pyperformance's list has it.
struct Benchmark {
    name: String,
    script: PathBuf,
    options: Vec<String>,
    packages: Vec<String>,
}

/// What a benchmark's `pyproject.toml` or its variant of it says.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    project: Project,
    #[serde(default)]
    tool: Tool,
}

#[derive(Default, Deserialize)]
struct Project {
    #[serde(default)]
    dependencies: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Tool {
    #[serde(default)]
    pyperformance: Options,
}

#[derive(Default, Deserialize)]
struct Options {
    #[serde(default)]
    extra_opts: Vec<String>,
}

/// The benchmarks of pyperformance's list.
fn benchmarks(python: &Interpreter) -> Result<Vec<Benchmark>> {
    let with = venv::with_packages(python, &["pyperformance"])
        .context("pyperformance cannot be installed")?;
    let libraries = with.path.parent().and_then(Path::parent);
    let folder = libraries
        .context("a virtual environment has a bin folder")?
        .join(format!(
            "lib/python3.{}/site-packages/pyperformance/data-files/benchmarks",
            python.minor
        ));
    let list = folder.join("MANIFEST");
    let list = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let entries = list.lines().filter_map(|line| line.split_once('\t'));
    entries
        .filter(|(name, file)| !name.starts_with('#') && file.starts_with("<local"))
        .map(|(name, file)| {
            let of = file
                .strip_prefix("<local:")
                .and_then(|of| of.strip_suffix('>'));
            let folder = folder.join(format!("bm_{}", of.unwrap_or(name)));
            Benchmark::read(name, &folder, of.is_some())
                .with_context(|| format!("the benchmark {name}"))
        })
        .collect()
}

impl Benchmark {
    fn read(name: &str, folder: &Path, is_variant: bool) -> Result<Self> {
        let read = |file: &str| -> Result<Metadata> {
            let file = folder.join(file);
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            Ok(toml::from_str(&text)?)
        };
        let project = read("pyproject.toml")?;
        let tool = if is_variant {
            read(&format!("bm_{name}.toml"))?.tool
        } else {
            project.tool
        };
        Ok(Self {
            name: name.to_owned(),
            script: folder.join("run_benchmark.py"),
            options: tool.pyperformance.extra_opts,
            packages: project.project.dependencies,
        })
    }

    /// Watches one part of it after the other; who was accused in each.
    fn watch(&self, python: &Interpreter, seconds: u32) -> Result<Vec<Said>> {
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let with = venv::with_packages(python, &packages).context("its packages")?;
        let mut parts = Vec::new();
        for part in 0..MAX_PARTS {
            let report = self.part(&with, part, seconds)?;
            // There is no such part.
            if ns(&report.0["window"], "duration_ns") < i64::from(seconds) * 900_000_000 {
                break;
            }
            parts.push(Said::of(&report));
        }
        if parts.is_empty() {
            bail!("it ends at once: {:?}", self.options);
        }
        Ok(parts)
    }

    /// Runs one part of it, over and over, and watches.
    fn part(&self, python: &Interpreter, part: u32, seconds: u32) -> Result<Report> {
        let folder = tempfile::tempdir()?;
        let mut command = observe::command(&["classify", "--json", "--all", "-d"]);
        command
            .arg(format!("{seconds}s"))
            // What it prints must not keep our pipe open.
            .args(["--", "sh", "-c", "exec \"$@\" > /dev/null 2>&1", "sh"])
            .arg(&python.path)
            .arg(&self.script)
            .args(["--worker", "--warmups", "0", "--loops", "1"])
            .args(["--values", "1000000", "--worker-task"])
            .arg(part.to_string())
            .args(&self.options)
            .current_dir(folder.path())
            .process_group(0);
        let running = observe::start(command);
        let group = Pid::from_raw(i32::try_from(running.child.id())?);
        let outcome = running.wait();
        // It goes on without us; or it has ended.
        let _ = killpg(group, Signal::SIGKILL);
        ensure!(outcome.code() == 0, "pyobserve says: {}", outcome.stderr);
        Ok(outcome.report())
    }
}
