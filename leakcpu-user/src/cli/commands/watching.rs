//! What every command that watches begins with.

use tokio::runtime::{Builder, Runtime};

use super::doctor::line;
use crate::{
    cli::exit::Failure,
    doctor::{self, Status},
    session::SessionError,
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
