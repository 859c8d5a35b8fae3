//! Watching one window, for a document of its own.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use super::watching::{
    CommandEnd, End, NO_DATA_BEFORE, Stop, code_of, ended, listen_from_the_start, runtime,
    with_preflight,
};
use crate::{
    cli::{
        args::Args,
        child,
        exit::{Exit, Failure},
        output::{terminal_width, wants_color},
        progress::Progress,
        usdt,
    },
    model::Profile,
    probes::LoadConfig,
    report::TextOptions,
    session::{Purpose, Session, Targets},
};

/// How long it watches unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);
/// Distinct (thread, stack, instruction) combinations counted.
const MAX_LEAVES: usize = 65_536;
/// Share of a core that context switches may cost.
const BUDGET_SHARE: f64 = 0.05;

/// What is watched, and how.
pub(super) struct OneWindow<'a> {
    /// These processes; all if there are none, and no command.
    pub pids: &'a [u32],
    /// This command.
    pub command: &'a [String],
    /// For so long; `None`: until the command ends.
    pub duration: Option<Duration>,
    /// The programs; whom they follow is decided here.
    pub load: LoadConfig,
    /// The command's status is that of pyobserve.
    pub exit_status: bool,
}

impl OneWindow<'_> {
    /// Watches, and has the window's profile written.
    pub(super) fn run(
        &self,
        args: &Args,
        write: impl FnOnce(&Profile) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let Some((profile, end)) = runtime()?.block_on(self.watch(args))? else {
            return Ok(Exit::Interrupted);
        };
        write(&profile)?;
        match end {
            CommandEnd::Seen(status) if self.exit_status => Ok(Exit::Command(code_of(status))),
            _ => Ok(Exit::Ok),
        }
    }

    /// Watches one window; `None` if the user gave up before there was any data.
    async fn watch(&self, args: &Args) -> Result<Option<(Profile, CommandEnd)>, Failure> {
        usdt::announce(self.load.usdt, self.load.call_counting, args.quiet);
        // Installed first, so that Ctrl-C during the start does not kill us with programs
        // attached and a command held back.
        let mut stop = Stop::new()?;
        let (targets, held) = if !self.command.is_empty() {
            let held = child::hold(self.command)?;
            (Targets::Child(held.pid), Some(held))
        } else if self.pids.is_empty() {
            (Targets::All, None)
        } else {
            (Targets::Pids(self.pids.to_vec()), None)
        };
        let load = LoadConfig {
            follow_children: !matches!(targets, Targets::Pids(_)),
            watch_every_exec: matches!(targets, Targets::All),
            ..self.load
        };
        let mut session = Session::start(targets, Purpose::Report, load, MAX_LEAVES, BUDGET_SHARE)
            .map_err(with_preflight)?;
        let limit = match held {
            Some(_) => self.duration,
            None => Some(self.duration.unwrap_or(DEFAULT_DURATION)),
        };
        if held.is_some() {
            listen_from_the_start(&mut session, self.command);
        }
        stop.command = held.map(child::HeldCommand::release).transpose()?;
        let started = Instant::now();
        let progress = Progress::new(session.process_count(), limit, args.quiet);
        let mut how = None;
        let outcome = session
            .run(async {
                how = Some(stop.or_after(limit, started, &progress).await);
            })
            .await;
        progress.finish();
        outcome?;
        if matches!(how, Some(End::Interrupted)) && started.elapsed() < NO_DATA_BEFORE {
            return Ok(None);
        }
        let status = match how {
            Some(End::Command(status)) => Some(status),
            // The command goes on without us, unless it has just ended.
            _ => stop.command.as_mut().and_then(ended),
        };
        let end = status.map_or(CommandEnd::NotSeen, CommandEnd::Seen);
        Ok(Some((session.finish()?, end)))
    }
}

/// How text is written to stdout.
pub(super) fn text_options(args: &Args, all: bool) -> TextOptions {
    let terminal = io::stdout().is_terminal();
    TextOptions {
        width: terminal_width(terminal),
        color: wants_color(args.color, terminal),
        all,
    }
}

/// Stdout could not be written to.
pub(super) fn not_written(source: io::Error) -> Failure {
    Failure::Io {
        doing: "write the report".to_owned(),
        source,
    }
}
