//! The probes of an interpreter (USDT), as far as a run had to do with them.

use serde::{Deserialize, Serialize};

/// What a probe says of what it is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeWorth {
    /// It fires once each time.
    Exact,
    /// It hardly ever fires, unless something else traces the program.
    Silent,
    /// It fires too often.
    TooMany,
    /// It leaves some out.
    SomeMissing,
    /// Nobody has measured it in this version.
    Unknown,
}

impl ProbeWorth {
    /// In a word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Silent => "silent",
            Self::TooMany => "too many",
            Self::SomeMissing => "some missing",
            Self::Unknown => "not measured",
        }
    }
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeUse {
    /// `gc__start`.
    pub probe: String,
    /// The interpreter has it.
    pub present: bool,
    /// It was listened at.
    pub armed: bool,
    /// How often it fired; `None` if nobody listened.
    pub fired: Option<u64>,
    /// What it says in this version; `None` if it is not there.
    #[serde(default)]
    pub worth: Option<ProbeWorth>,
    /// Why that is less than one might think.
    #[serde(default)]
    pub why: Option<String>,
}
