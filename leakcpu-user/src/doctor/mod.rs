//! Can pyobserve work here? One check per line, each with what is lost without
//! it and the exact fix. Nothing is assumed that can be tried.

mod fallbacks;
mod host;
mod kernel;
mod privileges;
mod programs;
mod pythons;
mod times;

use serde::Serialize;

pub use host::host;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Fine.
    Pass,
    /// Something is lost, the rest works.
    Warn,
    /// Nothing works without it.
    Fail,
}

impl Status {
    /// As printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable identifier.
    pub id: String,
    /// What is checked.
    pub title: String,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What is lost; `None` if it passed.
    pub lost_without: Option<String>,
    /// The next step; `None` if it passed.
    pub fix: Option<String>,
}

impl Check {
    fn pass(id: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            status: Status::Pass,
            detail: detail.into(),
            lost_without: None,
            fix: None,
        }
    }

    fn bad(
        status: Status,
        id: &str,
        title: &str,
        detail: impl Into<String>,
        lost_without: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            lost_without: Some(lost_without.into()),
            fix: Some(fix.into()),
        }
    }
}

/// The must-haves only, quickest first; used before and after a failed start.
pub fn must_haves() -> Vec<Check> {
    let mut checks = kernel::checks();
    checks.extend(privileges::checks());
    if checks.iter().all(|check| check.status != Status::Fail) {
        checks.extend(programs::checks());
    }
    checks
}

/// Everything.
pub fn all() -> Vec<Check> {
    let mut checks = kernel::checks();
    checks.extend(privileges::checks());
    checks.extend(programs::checks());
    checks.extend(times::checks());
    checks.extend(pythons::checks());
    checks
}
