//! What every command that watches begins with.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use super::doctor::line;
use crate::{
    cli::{exit::Failure, program_file::program_file, progress::Progress},
    doctor::{self, Status},
    session::{Session, SessionError},
};

/// What runs it: one thread.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|source| Failure::Io {
        doing: "start".to_owned(),
        source,
    })
}

/// It cannot be found out when to end.
pub(super) fn signals(source: std::io::Error) -> Failure {
    Failure::Io {
        doing: "listen for signals".to_owned(),
        source,
    }
}

/// A start that failed for want of something that `doctor` knows about says what
/// `doctor` would.
pub(super) fn with_preflight(error: SessionError) -> Failure {
    let SessionError::Probe(probe) = &error else {
        return error.into();
    };
    let missing: Vec<String> = doctor::must_haves()
        .iter()
        .filter(|check| check.status == Status::Fail)
        .map(|check| line(check, false))
        .collect();
    if missing.is_empty() {
        tracing::debug!(%probe, "no check explains it");
        return error.into();
    }
    Failure::Preflight(format!(
        "this host or user lacks what watching needs; `pyobserve doctor` says the same\n{}",
        missing.join("\n")
    ))
}

/// Listens at the probes of the interpreter that a command is, before it runs.
pub(super) fn listen_from_the_start(session: &mut Session, command: &[String]) {
    let file = command.first().and_then(|name| program_file(name));
    if let Some(file) = file {
        session.listen_from_the_start(&file);
    }
}

/// The status as a shell would give it.
pub(super) fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// A run interrupted this early has seen nothing worth a report.
pub(super) const NO_DATA_BEFORE: Duration = Duration::from_millis(50);

/// How the command did, if there was one.
pub(super) enum CommandEnd {
    Seen(ExitStatus),
    /// It goes on without us, or there is none.
    NotSeen,
}

/// What may end a window.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    pub(super) command: Option<Child>,
}

/// What ended a window.
pub(super) enum End {
    Duration,
    Interrupted,
    Command(ExitStatus),
}

impl Stop {
    /// From now on Ctrl-C ends the window and not this process.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(signals)?,
            terminate: signal(SignalKind::terminate()).map_err(signals)?,
            command: None,
        })
    }

    /// Waits for it, or until `limit` has passed since `started`.
    pub(super) async fn or_after(
        &mut self,
        limit: Option<Duration>,
        started: Instant,
        progress: &Progress,
    ) -> End {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return End::Interrupted,
                _ = self.terminate.recv() => return End::Interrupted,
                _ = beat.tick() => {
                    progress.tick(started.elapsed());
                    if limit.is_some_and(|limit| started.elapsed() >= limit) {
                        return End::Duration;
                    }
                    if let Some(status) = self.command.as_mut().and_then(ended) {
                        return End::Command(status);
                    }
                }
            }
        }
    }
}

pub(super) fn ended(command: &mut Child) -> Option<ExitStatus> {
    command.try_wait().ok().flatten()
}
