//! What will be done: the arguments checked against each other.

use std::{path::PathBuf, time::Duration};

use super::{
    args::{Args, ClassifyArgs, Format},
    config,
    exit::Failure,
    fail_on::FailOn,
    output::Destination,
};
use crate::{
    diagnose::Settings,
    probes::{LoadConfig, MapSizes},
    report::Borders,
};

/// How long a run takes unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Every Python process.
    Everything,
    /// These processes.
    Pids(Vec<u32>),
    /// A command to be run.
    Command(Vec<String>),
}

/// A classify run.
#[derive(Debug)]
pub struct Plan {
    /// What is watched.
    pub what: What,
    /// How long; `None`: until the command ends.
    pub duration: Option<Duration>,
    /// Whether another window begins when one ends.
    pub watch: bool,
    /// What the programs are told.
    pub load: LoadConfig,
    /// Distinct (thread, stack, instruction) combinations counted.
    pub max_leaves: usize,
    /// Share of a core that context switches may cost.
    pub budget_share: f64,
    /// Output format.
    pub format: Format,
    /// Where the output goes.
    pub destination: Destination,
    /// Idle processes one by one.
    pub all: bool,
    /// Whether stacks show where C called Python.
    pub borders: Borders,
    /// How to diagnose.
    pub diagnose: Settings,
    /// Conditions for exit code 3.
    pub fail_on: Vec<FailOn>,
    /// Pass the command's status on.
    pub exit_status: bool,
}

impl Plan {
    /// Makes the plan.
    pub fn new(args: &Args, classify: &ClassifyArgs) -> Result<Self, Failure> {
        let format = if classify.json {
            Format::Json
        } else {
            classify.format
        };
        if classify.watch && !matches!(format, Format::Text | Format::Json) {
            return Err(Failure::Usage(
                "--watch writes one report after the other: as text, or with --json a line for each"
                    .to_owned(),
            ));
        }
        let what = if !classify.command.is_empty() {
            What::Command(classify.command.clone())
        } else if classify.pids.is_empty() {
            What::Everything
        } else {
            let mut pids = classify.pids.clone();
            pids.sort_unstable();
            pids.dedup();
            What::Pids(pids)
        };
        let duration = match (&what, classify.duration) {
            (What::Command(_), duration) if !classify.watch => duration,
            (_, duration) => Some(duration.unwrap_or(DEFAULT_DURATION)),
        };
        let load = LoadConfig {
            frame_limit: classify.max_frames,
            follow_children: !matches!(what, What::Pids(_)),
            watch_every_exec: matches!(what, What::Everything),
            sizes: MapSizes {
                threads: classify.max_threads,
                processes: classify.max_processes,
                totals: classify.max_totals,
                stacks: classify.max_stacks,
                ring_bytes: classify.ring_buffer,
            },
            rate_hz: classify.rate,
            native_stacks: classify.native,
            kernel_stacks: classify.kernel_stacks,
            usdt: classify.usdt,
            ..LoadConfig::default()
        };
        let mut diagnose = config::settings(classify.config.as_deref())?;
        if classify.all_findings {
            diagnose.at_most = None;
        }
        Ok(Self {
            destination: destination(format, classify.output.clone(), args)?,
            what,
            duration,
            watch: classify.watch,
            load,
            max_leaves: classify.max_leaves as usize,
            budget_share: classify.budget,
            format,
            all: classify.all,
            borders: if classify.c_calls {
                Borders::Marked
            } else {
                Borders::Hidden
            },
            diagnose,
            fail_on: classify.fail_on.clone(),
            exit_status: classify.exit_status,
        })
    }
}

fn destination(
    format: Format,
    output: Option<PathBuf>,
    args: &Args,
) -> Result<Destination, Failure> {
    match output {
        Some(path) => {
            // Found out now, not after ten seconds of watching.
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
            if let Some(parent) = parent
                && !parent.is_dir()
            {
                return Err(Failure::Usage(format!(
                    "-o {}: there is no directory {}",
                    path.display(),
                    parent.display()
                )));
            }
            Ok(Destination::File {
                path,
                color: args.color,
            })
        }
        None if format == Format::Flamegraph => Err(Failure::Usage(
            "--format flamegraph writes two files; name them with -o FILE (FILE.on-cpu.svg and FILE.off-cpu.svg)".to_owned(),
        )),
        None => Ok(Destination::Stdout { color: args.color }),
    }
}
