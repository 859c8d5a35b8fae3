//! Exit codes, and the failures that lead to them.

use std::{fmt, io, process::ExitCode};

use crate::{probes::ProbeError, report::ReportError, session::SessionError};

/// How a run ended. The numbers are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, also when no Python runs.
    Ok,
    /// It failed, or none of the processes asked for could be watched.
    Failure,
    /// The command line makes no sense.
    Usage,
    /// Findings, and `--fail-on` asked for this.
    Findings,
    /// A kernel feature or a privilege is missing.
    Preflight,
    /// Interrupted before there was any data.
    Interrupted,
    /// The watched command's own status, passed on.
    Command(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
            Exit::Preflight => 4,
            Exit::Interrupted => 130,
            Exit::Command(code) => code,
        })
    }
}

/// Why a command could not be carried out.
#[derive(Debug)]
pub enum Failure {
    /// The command line makes no sense together.
    Usage(String),
    /// A must-have is missing; the text says which and how to get it.
    Preflight(String),
    /// The run failed.
    Session(SessionError),
    /// The report could not be written.
    Report(ReportError),
    /// Another input or output failed.
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Failure {
    /// The exit code it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Preflight(_) | Self::Session(SessionError::Probe(ProbeError::NoObject)) => {
                Exit::Preflight
            }
            // Somebody closed the pipe: they have seen enough.
            _ if self.is_broken_pipe() => Exit::Ok,
            _ => Exit::Failure,
        }
    }

    /// The reader of our output has gone: nothing to say, nobody to say it to.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Report(error) => error.is_broken_pipe(),
            Self::Io { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Preflight(text) => f.write_str(text),
            Self::Session(error) => error.fmt(f),
            Self::Report(error) => error.fmt(f),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::Report(error)
    }
}
