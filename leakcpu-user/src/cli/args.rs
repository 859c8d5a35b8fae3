//! The command line as typed.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use leakcpu_common::config::DEFAULT_FRAMES;

use super::{
    fail_on::{self, FailOn},
    quantity, usdt,
};
use crate::{
    model::FunctionOrder,
    probes::{MapSizes, ProbeGroups},
};

/// What every CPython process of this host does, waits for, and wastes.
///
/// Nothing is installed in and nothing changed about the processes watched.
#[derive(Debug, Parser)]
#[command(name = "pyobserve", version, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Say more on stderr (-v, -vv, -vvv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Show no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Colours; auto: only on a terminal and if `NO_COLOR` is not set
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell CPU-bound, I/O-bound, busy-waiting ... for every Python process, with function, line and reason
    Classify(ClassifyArgs),
    /// Name every thread, function and line that burns CPU or wake-ups on waiting, with the proof and what to do instead
    Spins(SpinsArgs),
    /// Print the table of functions that cProfile's users read, without touching the process: calls, time, time with what was called
    Functions(FunctionsArgs),
    /// Tell what a command or a process imports, and what each module takes
    Imports(ImportsArgs),
    /// List what findings there are and what each needs; explain one: symptom, evidence, fix, an example
    Rules(RulesArgs),
    /// Check whether pyobserve can work here, and how to fix what is missing
    Doctor(DoctorArgs),
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// The JSON contract.
    Json,
    /// FILE.on-cpu.svg and FILE.off-cpu.svg; needs -o FILE.
    Flamegraph,
    /// `outer;...;leaf count` for other tools; with -o FILE also FILE.off-cpu.
    Collapsed,
}

/// `pyobserve rules`.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Explain this one, by the name that reports have
    #[arg(value_name = "ID")]
    pub name: Option<String>,
}

/// `pyobserve classify`.
#[derive(Debug, clap::Args)]
pub struct ClassifyArgs {
    /// Watch this process (repeat for more); default: every Python process
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pids: Vec<u32>,

    /// How long: 10, 10s, 500ms, 2m [default: 10s; with a command: until it ends]
    #[arg(short, long, value_parser = quantity::duration)]
    pub duration: Option<Duration>,

    /// Keep watching: a report for every duration, until Ctrl-C or the end of the command
    #[arg(short, long, conflicts_with = "output")]
    pub watch: bool,

    /// Samples a second and CPU, 1 to 10,000: 99, 1khz
    #[arg(short, long, visible_alias = "freq", default_value = "99", value_parser = quantity::rate_hz)]
    pub rate: u32,

    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,

    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Show idle processes one by one
    #[arg(long)]
    pub all: bool,

    /// Take native stacks too (as far as code has frame pointers) and show both as one
    #[arg(long)]
    pub native: bool,

    /// Mark in stacks where C called Python, as a frame [C] (3.11 and later)
    #[arg(long)]
    pub c_calls: bool,

    /// Take the kernel's stack where a thread runs in the kernel
    #[arg(long)]
    pub kernel_stacks: bool,

    /// Listen at the interpreters' own probes (USDT): auto, none, or some of gc,import,audit,calls,line; auto is gc, the pauses of the collector
    #[arg(long, value_name = "GROUPS", default_value = "auto", value_parser = usdt::parse)]
    pub usdt: ProbeGroups,

    /// Show all findings of a process, not only the three with the most to gain
    #[arg(long)]
    pub all_findings: bool,

    /// Read what findings go by, and which are not wanted, from FILE [default: /etc/pyobserve/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Exit with 3 if a process is of this class (for at least PCT % of its active time)
    #[arg(long, value_name = "CLASS[>=PCT%]", value_parser = fail_on::parse)]
    pub fail_on: Vec<FailOn>,

    /// Exit with the status of the command that was run
    #[arg(long, requires = "command")]
    pub exit_status: bool,

    /// Frames kept of a stack, leaf side first
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FRAMES, value_parser = clap::value_parser!(u32).range(16..=512), help_heading = "Limits")]
    pub max_frames: u32,

    /// Threads watched at most
    #[arg(long, value_name = "N", default_value_t = MapSizes::DEFAULT.threads, value_parser = clap::value_parser!(u32).range(16..=1_048_576), help_heading = "Limits")]
    pub max_threads: u32,

    /// Processes watched at most
    #[arg(long, value_name = "N", default_value_t = MapSizes::DEFAULT.processes, value_parser = clap::value_parser!(u32).range(16..=65_536), help_heading = "Limits")]
    pub max_processes: u32,

    /// Distinct (thread, stack, wait) combinations kept
    #[arg(long, value_name = "N", default_value_t = MapSizes::DEFAULT.totals, value_parser = clap::value_parser!(u32).range(1_024..=1_048_576), help_heading = "Limits")]
    pub max_totals: u32,

    /// Distinct stacks kept
    #[arg(long, value_name = "N", default_value_t = MapSizes::DEFAULT.stacks, value_parser = clap::value_parser!(u32).range(1_024..=1_048_576), help_heading = "Limits")]
    pub max_stacks: u32,

    /// Distinct (thread, stack, instruction) combinations kept
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1_024..=1_048_576), help_heading = "Limits")]
    pub max_leaves: u32,

    /// Ring buffer between kernel and user space
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = quantity::ring_bytes, help_heading = "Limits")]
    pub ring_buffer: u32,

    /// Share of a core that context switches may cost (a tenth of it below 10,000 a second, all from 100,000 on); over it, stacks are taken of some only, chosen by chance, and times by function are estimated
    #[arg(long, value_name = "PCT", default_value = "5%", value_parser = quantity::share, help_heading = "Limits")]
    pub budget: f64,

    /// Run this command (as the user who called sudo) and watch it and its children
    #[arg(last = true, value_name = "CMD", conflicts_with = "pids")]
    pub command: Vec<String>,
}

/// `pyobserve spins`.
#[derive(Debug, clap::Args)]
pub struct SpinsArgs {
    /// Watch this process (repeat for more); default: every Python process
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pids: Vec<u32>,

    /// How long: 10, 10s, 500ms, 2m [default: 5s; with --watch: until Ctrl-C]
    #[arg(short, long, value_parser = quantity::duration)]
    pub duration: Option<Duration>,

    /// Keep watching and print each one as it is found
    #[arg(short, long)]
    pub watch: bool,

    /// Print JSON, a line for each
    #[arg(long)]
    pub json: bool,

    /// Read what findings go by, and which are not wanted, from FILE [default: /etc/pyobserve/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Exit with 3 if one was found (that takes at least PCT % of a core)
    #[arg(long, value_name = "PCT%", num_args = 0..=1, require_equals = true, default_missing_value = fail_on::ANY, value_parser = fail_on::any_or_share)]
    pub fail_on: Option<f64>,
}

/// `pyobserve imports`.
#[derive(Debug, clap::Args)]
pub struct ImportsArgs {
    /// Watch this process (repeat for more); default: every Python process
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pids: Vec<u32>,

    /// How long: 10, 10s, 500ms, 2m [default: 10s; with a command: until it ends]
    #[arg(short, long, value_parser = quantity::duration)]
    pub duration: Option<Duration>,

    /// Samples a second and CPU, 1 to 10,000: 99, 1khz
    #[arg(short, long, visible_alias = "freq", default_value = "1khz", value_parser = quantity::rate_hz)]
    pub rate: u32,

    /// import: measure each module by the interpreters' own probes (USDT); none: estimate from stacks
    #[arg(long, value_name = "GROUPS", default_value = "none", value_parser = usdt::parse)]
    pub usdt: ProbeGroups,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Show modules too that took next to nothing
    #[arg(long)]
    pub all: bool,

    /// Exit with the status of the command that was run
    #[arg(long, requires = "command")]
    pub exit_status: bool,

    /// Run this command (as the user who called sudo) and watch it and its children
    #[arg(last = true, value_name = "CMD", conflicts_with = "pids")]
    pub command: Vec<String>,
}

/// `pyobserve functions`.
#[derive(Debug, clap::Args)]
pub struct FunctionsArgs {
    /// Watch this process (repeat for more); default: every Python process
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pids: Vec<u32>,

    /// How long: 10, 10s, 500ms, 2m [default: 10s; with a command: until it ends]
    #[arg(short, long, value_parser = quantity::duration)]
    pub duration: Option<Duration>,

    /// Samples a second and CPU, 1 to 10,000: 99, 1khz
    #[arg(short, long, visible_alias = "freq", default_value = "1khz", value_parser = quantity::rate_hz)]
    pub rate: u32,

    /// calls: count calls by the interpreters' own probes (USDT), for moments only; line: count lines; auto: neither
    #[arg(long, value_name = "GROUPS", default_value = "auto", value_parser = usdt::parse)]
    pub usdt: ProbeGroups,

    /// Share of its time that a process may lose to the counting of calls and lines
    #[arg(long, value_name = "PCT", default_value = "1%", value_parser = quantity::loss)]
    pub max_loss: f64,

    /// Count every call (or line, with --usdt line), whatever the process loses
    #[arg(long, conflicts_with = "max_loss")]
    pub exact: bool,

    /// By which column rows are sorted, largest first
    #[arg(short, long, value_enum, default_value_t = SortBy::Tottime)]
    pub sort: SortBy,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Write FILE too, for the standard library's pstats (FILE.PID each, if there are several processes)
    #[arg(long, value_name = "FILE")]
    pub pstats: Option<PathBuf>,

    /// Show every function
    #[arg(long)]
    pub all: bool,

    /// Exit with the status of the command that was run
    #[arg(long, requires = "command")]
    pub exit_status: bool,

    /// Run this command (as the user who called sudo) and watch it and its children
    #[arg(last = true, value_name = "CMD", conflicts_with = "pids")]
    pub command: Vec<String>,
}

/// Columns of the table of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SortBy {
    /// Calls.
    Ncalls,
    /// Time in the function itself.
    Tottime,
    /// Time with what it called.
    Cumtime,
}

impl From<SortBy> for FunctionOrder {
    fn from(by: SortBy) -> Self {
        match by {
            SortBy::Ncalls => Self::Ncalls,
            SortBy::Tottime => Self::Tottime,
            SortBy::Cumtime => Self::Cumtime,
        }
    }
}

/// `pyobserve doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn bad_arguments_are_refused() {
        for line in [
            "classify -p 0",
            "classify -p words",
            "classify -d 0",
            "classify -d soon",
            "classify -r 0",
            "classify -r 20000",
            "classify --max-frames 5",
            "classify --budget 0",
            "classify --budget all",
            "functions --max-loss 0",
            "functions --max-loss 60%",
            "functions --exact --max-loss 2%",
            "functions --usdt everything",
            "functions --sort name",
            "classify --format pdf",
            "classify --json --format text",
            "classify --exit-status",
            "classify --watch -o report",
            "classify --usdt everything",
            "imports --usdt audit,",
            "imports -p 1 -- true",
            "classify -p 1 -- true",
            "classify --fail-on slow",
            "observe",
            "spins -p 0",
            "spins --fail-on 20%",
            "spins --fail-on=much",
        ] {
            let words = std::iter::once("pyobserve").chain(line.split(' '));
            assert!(Args::try_parse_from(words).is_err(), "{line}");
        }
    }
}
