//! `cargo xtask kernels`: what works on which kernel. The checks are tests
//! (`tests/tests/kernels.rs`), which run here and in emulated machines with Debian's
//! kernels; their answers are the tables of docs/kernels.md and docs/reasons.md.

mod answers;
mod boot;
mod disk;
mod fetch;
mod image;
mod table;

use std::{
    fs,
    panic::resume_unwind,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;

use self::{answers::Answers, image::Image};
use crate::{
    build::Executable,
    debian::{self, Kernel},
    host::Host,
    marks, roots, setup,
    tally::Tally,
    test::{everything, kernel as run_here},
};

pub use self::fetch::ensure;

/// Arguments of `kernels`.
#[derive(Args)]
pub struct Arguments {
    /// Only this kernel (repeat for more), or `native`; leaves docs/kernels.md as it is
    #[arg(long, value_name = "VERSION", value_parser = version)]
    only: Vec<String>,
    /// Only the checks whose test has this in its name
    #[arg(long, value_name = "NAME", requires = "only")]
    check: Option<String>,
    /// Only make the tables, of what each kernel answered last
    #[arg(long, conflicts_with_all = ["only", "check"])]
    tables: bool,
    /// Machines at a time; each takes a CPU of this host, and a gigabyte and a half
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    at_a_time: u8,
}

/// The kernel of this host, among the versions.
const NATIVE: &str = "native";

/// The test whose cases are the checks.
const TEST: &str = "kernels";

/// All checks on an emulated machine take a few minutes.
const PATIENCE: Duration = Duration::from_mins(20);

/// What `cargo xtask test` checks on the oldest kernel, and how long that may take.
const SMOKE: [&str; 4] = ["programs_load", "cpu_bound", "waiting", "poll_spin"];
/// What it is called there.
pub const SMOKE_TITLE: &str = "kernel: the oldest one, emulated";
const SMOKE_PATIENCE: Duration = Duration::from_mins(4);

fn version(typed: &str) -> Result<String, String> {
    let known = || debian::KERNELS.iter().map(|kernel| kernel.version);
    if typed == NATIVE || known().any(|version| version == typed) {
        return Ok(typed.to_owned());
    }
    let known: Vec<_> = known().chain([NATIVE]).collect();
    Err(format!("it is one of {}", known.join(", ")))
}

/// Runs the task.
#[expect(clippy::print_stdout, reason = "the table is this task's data")]
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.tables {
        let all = last_answers(host)?;
        println!("{}", table::of(&all));
        table::put(host, &all)?;
        return Ok(exit_code(&all));
    }
    setup::ensure(host)?;
    roots::ensure(host, Duration::from_mins(30));
    let is_wanted = |version: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only == version)
    };
    let kernels: Vec<&Kernel> = debian::KERNELS
        .iter()
        .filter(|kernel| is_wanted(kernel.version))
        .collect();
    if !kernels.is_empty() {
        ensure(host, &kernels)?;
    }
    let built = everything(host)?;
    let filter: Vec<&str> = arguments.check.as_deref().into_iter().collect();
    let bench = Bench::new(host, &built)?;
    let mut all = Vec::new();
    if !kernels.is_empty() {
        let image = bench.image(&filter)?;
        all = bench.boot_all(&kernels, &image, arguments.at_a_time)?;
    }
    if is_wanted(NATIVE) {
        all.push(bench.native(&filter)?);
    }
    all.sort_by_key(Answers::version);
    println!("{}", table::of(&all));
    if arguments.only.is_empty() {
        table::put(host, &all)?;
    }
    Ok(exit_code(&all))
}

fn exit_code(all: &[Answers]) -> ExitCode {
    if all.iter().all(Answers::is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What each kernel answered when all checks were last run on it.
fn last_answers(host: &Host) -> Result<Vec<Answers>> {
    let folder = host.target().join("kernels");
    let names = debian::KERNELS.iter().map(|kernel| kernel.version);
    let mut all: Vec<Answers> = names
        .chain([NATIVE])
        .map(|name| Answers::read(name, &boot::Output::below(&folder.join(name))))
        .collect::<Result<_>>()?;
    all.sort_by_key(Answers::version);
    Ok(all)
}

/// A few checks on the oldest kernel, for `cargo xtask test`. Skipped aloud where the
/// kernel or the emulator cannot be had.
pub fn smoke(host: &Host, built: &[Executable]) -> Result<Tally> {
    let kernel = &debian::KERNELS[0];
    let ready = ensure(host, &[kernel]).and_then(|()| Bench::new(host, built)?.image(&SMOKE));
    let image = match ready {
        Ok(image) => image,
        Err(why) => {
            eprintln!("SKIPPED: kernel {}: {why:#}", kernel.version);
            return Ok(Tally::default());
        }
    };
    let answers = Bench::new(host, built)?.boot(kernel, &image, SMOKE_PATIENCE)?;
    eprint!("{}", table::of(std::slice::from_ref(&answers)));
    answers.complain();
    Ok(answers.tally(SMOKE.len()))
}

/// What the checks run with.
struct Bench<'a> {
    host: &'a Host,
    pyobserve: &'a Executable,
    test: &'a Executable,
    /// Where images, consoles and answers lie.
    folder: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(host: &'a Host, built: &'a [Executable]) -> Result<Self> {
        let named = |name: &str, is_test: bool| {
            built
                .iter()
                .find(|executable| executable.name == name && executable.is_test == is_test)
                .with_context(|| format!("cargo built no {name}"))
        };
        // Absolute, for the tests run in a folder of their own.
        let folder = std::path::absolute(host.target().join("kernels"))?;
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        host.give_to_user(&folder);
        Ok(Self {
            host,
            pyobserve: named("pyobserve", false)?,
            test: named(TEST, true)?,
            folder,
        })
    }

    fn image(&self, filter: &[&str]) -> Result<Image> {
        Image::make(
            self.host,
            &self.folder,
            &self.pyobserve.path,
            self.test,
            filter,
        )
    }

    fn boot(&self, kernel: &Kernel, image: &Image, patience: Duration) -> Result<Answers> {
        let start = Instant::now();
        let vmlinuz = fetch::vmlinuz(self.host, kernel)?;
        let output = boot::run(
            self.host,
            &vmlinuz,
            image,
            &self.folder.join(kernel.version),
            patience,
        )?;
        eprintln!("{} took {:.0?}", kernel.version, start.elapsed());
        Answers::read(kernel.version, &output)
    }

    /// Each in a machine of its own, so many of them at a time.
    fn boot_all(&self, kernels: &[&Kernel], image: &Image, at_a_time: u8) -> Result<Vec<Answers>> {
        let next = AtomicUsize::new(0);
        let boot_some = || {
            let mut answers = Vec::new();
            while let Some(kernel) = kernels.get(next.fetch_add(1, Ordering::Relaxed)) {
                answers.push(self.boot(kernel, image, PATIENCE)?);
            }
            Ok(answers)
        };
        let each: Result<Vec<Vec<Answers>>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..at_a_time).map(|_| scope.spawn(boot_some)).collect();
            let done = threads.into_iter().map(thread::ScopedJoinHandle::join);
            done.map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        Ok(each?.into_iter().flatten().collect())
    }

    /// On this host, as any end-to-end test runs.
    fn native(&self, filter: &[&str]) -> Result<Answers> {
        let output = boot::Output::below(&self.folder.join(NATIVE));
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context("cannot read the kernel's release")?;
        marks::write(self.host, &output.answers, &answers::begin(release.trim()))?;
        let mut arguments = vec!["--ignored"];
        arguments.extend(filter);
        let tally = run_here(
            self.host,
            &self.pyobserve.path,
            self.test,
            &arguments,
            &[
                ("PYOBSERVE_CHECKS", output.answers.as_os_str()),
                ("PYOBSERVE_TABLE", output.answers.as_os_str()),
            ],
        )?;
        eprintln!("{NATIVE}: {tally}");
        let so_far = fs::read_to_string(&output.answers).unwrap_or_default();
        marks::write(
            self.host,
            &output.answers,
            &format!("{so_far}{}", answers::END),
        )?;
        Answers::read(NATIVE, &output)
    }
}
