//! `cargo xtask test`: every test. The pure ones run as the user; those that load
//! eBPF are built as the user and run as root, one at a time, for they measure.

use std::{
    ffi::OsStr,
    fmt,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;

use crate::{
    build, environment,
    host::Host,
    kernels, roots, servers, setup,
    tally::{self, Tally},
};

/// Arguments of `test`.
#[derive(Args)]
pub struct Arguments {
    /// Only the tests that need neither root nor a kernel
    #[arg(long, conflicts_with = "kernel")]
    pure: bool,
    /// Only the end-to-end tests on this kernel
    #[arg(long)]
    kernel: bool,
    /// Only the slow tests, which are left out otherwise
    #[arg(long)]
    slow: bool,
    /// Only tests whose name contains this
    filter: Option<String>,
}

/// All but the eBPF programs, which leakcpu-user's build script builds.
const EVERY_PACKAGE: [&str; 3] = ["--workspace", "--exclude", "leakcpu-ebpf"];

/// Slow tests are marked as ignored, with their duration as the reason.
const ONLY_SLOW: &str = "--ignored";

/// Fetching interpreters takes less than three minutes where the network is there; the
/// tests go on without.
const ROOTS_PATIENCE: Duration = Duration::from_mins(6);

/// Runs the task. The last line is `N passed, M failed`, whatever happens.
#[expect(clippy::print_stdout, reason = "the sum is what CI reads")]
pub fn run(host: &Host, arguments: &Arguments) -> ExitCode {
    let mut built = Vec::new();
    let mut groups = vec![Group::of("set-up and build".to_owned(), || {
        setup::ensure(host)?;
        if !arguments.pure {
            roots::ensure(host, ROOTS_PATIENCE);
            servers::ensure(host);
        }
        built = everything(host)?;
        Ok(Tally::default())
    })];
    built.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    if !built.is_empty() {
        groups.extend(all(host, arguments, &built));
    }

    println!();
    let mut sum = Tally::default();
    for group in groups {
        println!("{group}");
        sum += group.tally;
    }
    println!("{sum}");
    if sum.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tests that run one after the other.
struct Group {
    name: String,
    tally: Tally,
    took: Duration,
}

impl Group {
    fn of(name: String, work: impl FnOnce() -> Result<Tally>) -> Self {
        let start = Instant::now();
        let tally = work().unwrap_or_else(|why| {
            eprintln!("error: {name}: {why:#}");
            Tally::ONE_FAILED
        });
        Self {
            name,
            tally,
            took: start.elapsed(),
        }
    }

    /// Its thread did, and has said why.
    fn panicked(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tally: Tally::ONE_FAILED,
            took: Duration::ZERO,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(formatter, "{seconds:7.1} s  {}", self.name)?;
        if self.tally == Tally::default() {
            return Ok(());
        }
        write!(formatter, ": {}", self.tally)
    }
}

fn all(host: &Host, arguments: &Arguments, built: &[build::Executable]) -> Vec<Group> {
    let end_to_end = host.workspace.join("tests");
    let (kernel_tests, pure_tests): (Vec<_>, Vec<_>) = built
        .iter()
        .filter(|executable| executable.is_test)
        .partition(|test| test.package == end_to_end);
    let has_smoke = !arguments.pure && !arguments.slow && arguments.filter.is_none();
    let mut groups = Vec::new();
    // The emulated machine takes one CPU and measures nothing, and neither do pure tests.
    thread::scope(|scope| {
        let smoke = has_smoke.then(|| {
            let work = || kernels::smoke(host, built);
            scope.spawn(move || Group::of(kernels::SMOKE_TITLE.to_owned(), work))
        });
        if !arguments.kernel {
            groups.extend(pure_tests.iter().map(|test| pure(host, arguments, test)));
            if !arguments.slow {
                groups.push(documentation(host, arguments));
            }
        }
        groups.extend(smoke.map(|smoke| {
            smoke
                .join()
                .unwrap_or_else(|_| Group::panicked(kernels::SMOKE_TITLE))
        }));
    });
    let pyobserve = built
        .iter()
        .find(|executable| !executable.is_test && executable.name == "pyobserve");
    if let (false, Some(pyobserve)) = (arguments.pure, pyobserve) {
        let mut harness: Vec<&str> = arguments.filter.as_deref().into_iter().collect();
        if arguments.slow {
            harness.push(ONLY_SLOW);
        }
        groups.extend(kernel_tests.iter().map(|test| {
            Group::of(format!("kernel: {}", test.title()), || {
                kernel(host, &pyobserve.path, test, &harness, &[])
            })
        }));
    }
    groups
}

fn pure(host: &Host, arguments: &Arguments, test: &build::Executable) -> Group {
    Group::of(format!("pure: {}", test.title()), || {
        let mut command = host.as_user(&test.path);
        command.current_dir(&test.package).args(&arguments.filter);
        if arguments.slow {
            command.arg(ONLY_SLOW);
        }
        tally::run(&mut command)
    })
}

fn documentation(host: &Host, arguments: &Arguments) -> Group {
    Group::of("pure: examples in the documentation".to_owned(), || {
        let mut cargo = host.cargo();
        cargo
            .arg("test")
            .args(EVERY_PACKAGE)
            .arg("--doc")
            .env(build::REQUIRE_EBPF.0, build::REQUIRE_EBPF.1);
        if let Some(filter) = &arguments.filter {
            cargo.args(["--", filter]);
        }
        tally::run(&mut cargo)
    })
}

/// Builds all there is to run. One build for all, for another choice of packages means
/// other features, and so most crates once more.
pub fn everything(host: &Host) -> Result<Vec<build::Executable>> {
    let mut cargo = host.cargo();
    cargo
        .arg("build")
        .args(EVERY_PACKAGE)
        .args(["--lib", "--bins", "--tests"])
        .env(build::REQUIRE_EBPF.0, build::REQUIRE_EBPF.1);
    build::executables(&mut cargo)
}

/// Runs an end-to-end test as root, with the arguments of its harness and with variables
/// of its own.
pub fn kernel(
    host: &Host,
    pyobserve: &Path,
    test: &build::Executable,
    arguments: &[&str],
    variables: &[(&str, &OsStr)],
) -> Result<Tally> {
    let mut command = environment::as_root(host, &test.path, pyobserve, variables)?;
    command
        .current_dir(&test.package)
        .arg("--test-threads=1")
        .args(arguments);
    tally::run(&mut command)
}
