//! What is known of one program after a run. xtask includes this file by its path: it
//! reads what the tests' program writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::class::{Class, Detail};

/// Which half of the corpus a program belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// Thresholds may be chosen so that it comes out right.
    Tune,
    /// It only judges.
    Judge,
}

impl Half {
    /// The name used in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tune => "tune",
            Self::Judge => "judge",
        }
    }
}

/// Under which conditions rows were made; the first line of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Of the interpreter.
    pub python: String,
    /// As `uname -r` says it.
    pub kernel: String,
    /// CPUs that may be used.
    pub cpus: usize,
    /// How long each program was watched.
    pub watched_s: f64,
    /// `N0` if nothing else was made to run.
    pub noise: String,
    /// Load average over a minute, at the start.
    pub load: f64,
}

/// A verdict, or the one that would be right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Its class.
    pub class: Class,
    /// What refines it, if that is said or known.
    pub detail: Option<Detail>,
    /// What it would be without the machine's part.
    pub otherwise: Option<Class>,
    /// The function to blame.
    pub function: Option<String>,
}

/// What pyobserve said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The verdict on the process.
    pub verdict: Judgement,
    /// 0 to 1.
    pub confidence: f64,
    /// The line to blame.
    pub line: Option<u32>,
    /// The first of its reasons.
    pub because: String,
    /// What each class got of the active time.
    pub shares: BTreeMap<String, f64>,
    /// What was found; rows of before 2026-11-23 15:00 UTC say nothing of it.
    #[serde(default)]
    pub findings: Vec<Found>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// By which rule.
    pub rule: String,
    /// How much it matters.
    pub severity: String,
    /// Where.
    pub function: Option<String>,
    /// Where in it.
    pub line: Option<u32>,
}

/// What else a user would have had of the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// CPU time of the process over the time that passed, as top shows it.
    pub top_pct: Option<f64>,
    /// CPU time over wall time by the program's own clocks.
    pub cpu_over_wall: f64,
    /// The share of py-spy's looks that found an active thread.
    pub py_spy_active: Option<f64>,
}

/// How a comparison came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The program did not do what its label says, or could not run; why.
    NotValid(String),
    /// It did, and pyobserve had no verdict to give; why. As wrong as a wrong one.
    NoReport(String),
    /// It did, and pyobserve said this.
    Judged(Box<Comparison>),
}

/// pyobserve's word, the truth, and how they agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What would be right in this run: the label, and starved besides if it was.
    pub right: Judgement,
    /// What was said.
    pub said: Said,
    /// Whether the class is right; under starvation what it would be otherwise, too.
    pub class_holds: bool,
    /// Whether the detail is; none if the class is wrong or the label has no detail.
    pub detail_holds: Option<bool>,
    /// Whether the function to blame is; none if the label has none.
    pub function_holds: Option<bool>,
    /// Whether the line to blame is one of the marked ones.
    pub line_holds: Option<bool>,
    /// Half the sum of the differences between reported shares of time and true ones.
    pub time_error: f64,
    /// What else a user would have had.
    pub others: Others,
}

/// How soon verdicts on a program were right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstRight {
    /// From this window on, all longer ones included.
    After {
        /// The window, seconds.
        window_s: f64,
        /// From the start of pyobserve to the end of its report, seconds.
        took_s: f64,
    },
    /// Not in the longest window.
    Never,
}

/// What is known of one program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Of the program.
    pub name: String,
    /// The label's class.
    pub class: Class,
    /// Its half.
    pub half: Half,
    /// What came of it.
    pub outcome: Outcome,
    /// How soon; none if that was not looked for, or the program was not valid in a window.
    #[serde(default)]
    pub first_right: Option<FirstRight>,
}
