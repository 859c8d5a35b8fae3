//! `cargo xtask`: set-up, build, test, benches and install of pyobserve.
//!
//! Runs as the user and asks sudo for single steps, so that nothing in `target/`
//! ends up owned by root. Data goes to stdout, what is being done to stderr.

mod bench;
mod build;
mod classify;
mod corpus;
mod debian;
mod environment;
mod fuzz;
mod host;
mod install;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/src/interpreter/mod.rs"]
mod interpreter;
mod kernels;
mod lint;
mod loops;
mod marks;
mod offsets;
mod opcodes;
mod origin;
mod roots;
mod servers;
mod setup;
mod table;
mod tally;
mod test;
#[expect(dead_code, reason = "the build script uses the rest")]
#[path = "../../leakcpu-user/build/toolchain.rs"]
mod toolchain;
mod well_known;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::{host::Host, interpreter::cache};

/// Set-up, build, test and install of pyobserve.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need, after saying what that is
    Setup(setup::Arguments),
    /// Build pyobserve, its eBPF programs included
    Build(build::Arguments),
    /// Run every test: the pure ones as the user, the kernel's as root
    Test(test::Arguments),
    /// Check formatting and run clippy
    Lint,
    /// Put pyobserve where `sudo pyobserve` finds it
    Install(install::Arguments),
    /// Build and run `pyobserve classify`, on demo workloads if asked for
    Classify(classify::Arguments),
    /// Write docs/interpreters.md and the README's table from the tests of every
    /// interpreter in every form
    Table(table::Arguments),
    /// Check what works on which kernel, in emulated machines with Debian's kernels, and
    /// write docs/kernels.md
    Kernels(kernels::Arguments),
    /// Measure what watching costs, beside py-spy and the aims
    Bench(bench::Arguments),
    /// Run programs whose right verdict is known, count how often pyobserve says it, and
    /// write docs/corpus.md
    Corpus(corpus::Arguments),
    /// Compare every layout with the installed headers of every version
    Offsets,
    /// Write the opcode tables from the modules of the installed interpreters
    Opcodes,
    /// Judge every loop of the standard library and of installed packages: does it only wait?
    Loops(loops::Arguments),
    /// Watch pyperformance's benchmarks: none of them may be called busy-waiting
    Pyperformance(well_known::Arguments),
    /// Watch pip, black, pytest, sphinx-build and gunicorn: what is found has to be right
    Tools(well_known::Arguments),
    /// Fuzz the decoders of foreign files and memory
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let host = Host::look()?;
    match arguments.task {
        Task::Setup(arguments) => setup::run(&host, &arguments),
        Task::Build(arguments) => build::run(&host, &arguments),
        Task::Test(arguments) => Ok(test::run(&host, &arguments)),
        Task::Lint => lint::run(&host),
        Task::Install(arguments) => install::run(&host, &arguments),
        Task::Classify(arguments) => classify::run(&host, &arguments),
        Task::Table(arguments) => table::run(&host, &arguments),
        Task::Kernels(arguments) => kernels::run(&host, &arguments),
        Task::Bench(arguments) => bench::run(&host, &arguments),
        Task::Corpus(arguments) => corpus::run(&host, &arguments),
        Task::Offsets => offsets::run(&host),
        Task::Opcodes => opcodes::run(&host),
        Task::Loops(arguments) => loops::run(&host, &arguments),
        Task::Pyperformance(arguments) => {
            well_known::run(&host, well_known::PYPERFORMANCE, &arguments)
        }
        Task::Tools(arguments) => well_known::run(&host, well_known::TOOLS, &arguments),
        Task::Fuzz(arguments) => fuzz::run(&host, &arguments),
    }
}
