//! `pyobserve spins`.

use std::{
    collections::HashSet,
    future,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use super::watching::{runtime, signals, with_preflight};
use crate::{
    classify::{classify, say},
    cli::{
        args::{Args, SpinsArgs},
        config,
        exit::{Exit, Failure},
        output::{terminal_width, wants_color},
    },
    diagnose::{Finding, Settings, diagnose, proved_spins},
    model::{Process, Profile},
    probes::LoadConfig,
    report::{ReportError, TextOptions, write_spin_json, write_spin_text},
    session::{Purpose, Session, Targets},
};

/// How long it watches unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(5);
/// Samples a second and CPU.
const RATE_HZ: u32 = 99;
/// Distinct (thread, stack, instruction) combinations counted.
const MAX_LEAVES: usize = 16_384;
/// Share of a core that context switches may cost.
const BUDGET_SHARE: f64 = 0.01;
/// Findings remembered as said: more than a person reads.
const MAX_SAID: usize = 65_536;

pub(crate) fn run(args: &Args, spins: &SpinsArgs) -> Result<Exit, Failure> {
    runtime()?.block_on(watch(args, spins))
}

async fn watch(args: &Args, spins: &SpinsArgs) -> Result<Exit, Failure> {
    // Installed first, so that Ctrl-C does not kill us with programs attached.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let targets = if spins.pids.is_empty() {
        Targets::All
    } else {
        Targets::Pids(spins.pids.clone())
    };
    let settings = Settings {
        at_most: None,
        ..config::settings(spins.config.as_deref())?
    };
    let load = load_config(&targets);
    let mut session = Session::start(targets, Purpose::Spins, load, MAX_LEAVES, BUDGET_SHARE)
        .map_err(with_preflight)?;
    let limit = match spins.duration {
        None if spins.watch => None,
        duration => Some(duration.unwrap_or(DEFAULT_DURATION)),
    };
    let mut end = std::pin::pin!(async {
        let over = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = over => {}
        }
    });
    let mut said = Said::new(args, spins, settings);
    while let Some(profile) = session.next_suspicion(end.as_mut()).await? {
        said.say_new(&profile)?;
    }
    said.end(session.process_count(), limit)?;
    Ok(said.exit(spins.fail_on))
}

fn load_config(targets: &Targets) -> LoadConfig {
    let all = matches!(targets, Targets::All);
    LoadConfig {
        follow_children: all,
        watch_every_exec: all,
        rate_hz: RATE_HZ,
        ..LoadConfig::default()
    }
}

/// Writes what is new.
struct Said {
    json: bool,
    quiet: bool,
    options: TextOptions,
    settings: Settings,
    ids: HashSet<String>,
    /// The largest share of a core that one of them took.
    largest_share: Option<f64>,
}

impl Said {
    fn new(args: &Args, spins: &SpinsArgs, settings: Settings) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            json: spins.json,
            quiet: args.quiet,
            options: TextOptions {
                width: terminal_width(terminal),
                color: wants_color(args.color, terminal),
                all: false,
            },
            settings,
            ids: HashSet::new(),
            largest_share: None,
        }
    }

    fn say_new(&mut self, profile: &Profile) -> Result<(), Failure> {
        if !self.quiet {
            for warning in &profile.warnings {
                anstream::eprintln!("pyobserve: {warning}");
            }
        }
        let classification = classify(profile);
        let findings = diagnose(profile, &classification, &self.settings);
        for (process, finding) in proved_spins(profile, &classification, &findings) {
            if self.ids.len() >= MAX_SAID {
                self.ids.clear();
            }
            if self.ids.insert(finding.id.clone()) {
                self.say(profile, process, finding)
                    .map_err(Failure::Report)?;
            }
        }
        Ok(())
    }

    fn say(
        &mut self,
        profile: &Profile,
        process: &Process,
        finding: &Finding,
    ) -> Result<(), ReportError> {
        let share = finding.cores(process);
        self.largest_share = Some(
            self.largest_share
                .map_or(share, |known: f64| known.max(share)),
        );
        let mut out = io::stdout().lock();
        if self.json {
            write_spin_json(profile, process, finding, &mut out)?;
        } else {
            write_spin_text(process, finding, &self.options, &mut out)?;
        }
        // Somebody may be waiting for it at the other end of a pipe.
        Ok(out.flush()?)
    }

    /// Nothing was found: that is said too.
    fn end(&self, processes: usize, limit: Option<Duration>) -> Result<(), Failure> {
        if self.json || self.largest_share.is_some() {
            return Ok(());
        }
        let watched = say::count(processes as u64, "Python process", "Python processes");
        let span = limit.map_or(String::new(), |limit| format!(" for {limit:?}"));
        let mut out = io::stdout().lock();
        writeln!(out, "no busy-waiting found: {watched} watched{span}")
            .and_then(|()| out.flush())
            .map_err(|error| Failure::Report(error.into()))
    }

    fn exit(&self, fail_on: Option<f64>) -> Exit {
        match (fail_on, self.largest_share) {
            (Some(least), Some(largest)) if largest >= least => Exit::Findings,
            _ => Exit::Ok,
        }
    }
}
