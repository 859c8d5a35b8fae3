//! What a rule finds.

use super::Case;
use crate::classify::{Because, Blame};
use crate::model::{Process, Thread, Tid};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth an afternoon.
    Medium,
    /// Look at this first.
    High,
}

impl Severity {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a fix gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// Time on a CPU, for others to use.
    Cpu,
    /// Time that the process waits, or takes longer for other reasons.
    Time,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable for the same finding of the same process over windows.
    pub id: String,
    /// The rule's name.
    pub rule: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// 0..1.
    pub confidence: f64,
    /// Threads that it is about, if it is about single ones.
    pub threads: Vec<Tid>,
    /// Where.
    pub place: Option<Blame>,
    /// The figures it rests on.
    pub evidence: Vec<Because>,
    /// Why it is slow, in one sentence.
    pub cause: String,
    /// One concrete step.
    pub fix: String,
    /// What the fix can give back at most, per second of wall time ...
    pub recoverable_ns_per_s: Option<u64>,
    /// ... and of what.
    pub gain: Gain,
}

impl Finding {
    /// Those of a process' threads that it is about.
    pub fn threads_of<'a>(&'a self, process: &'a Process) -> impl Iterator<Item = &'a Thread> {
        let threads = process.threads.iter();
        threads.filter(|thread| self.threads.contains(&thread.tid))
    }

    /// The share of one core that these threads took.
    pub fn cores(&self, process: &Process) -> f64 {
        self.threads_of(process).map(Thread::on_cpu_share).sum()
    }
}

impl Case<'_> {
    /// A finding whose fix gives back so much of each second at most: as severe as that, as sure
    /// as the verdict, and about no single threads. What it says is for the rule to fill in.
    pub(super) fn finding(
        self,
        rule: &'static str,
        place: Option<Blame>,
        recoverable_ns_per_s: u64,
    ) -> Finding {
        Finding {
            id: stable_id(self.process, rule, place.as_ref()),
            rule,
            severity: self.thresholds.severity(recoverable_ns_per_s),
            confidence: self.verdicts.verdict.confidence,
            threads: Vec::new(),
            place,
            evidence: Vec::new(),
            cause: String::new(),
            fix: String::new(),
            recoverable_ns_per_s: Some(recoverable_ns_per_s),
            gain: Gain::Time,
        }
    }
}

/// The id of a finding: 64 bits of FNV-1a over what does not change between windows.
/// The line is left out, since the hottest line of a loop may change.
pub(super) fn stable_id(process: &Process, rule: &str, place: Option<&Blame>) -> String {
    let pid = process.pid.to_string();
    let start = process.start_boottime_ns.unwrap_or(0).to_string();
    let parts = [
        rule,
        &pid,
        &start,
        place.map_or("", |p| &p.function),
        place.map_or("", |p| &p.file),
    ];
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.join("\0").bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// A figure of the evidence, with the words around it.
pub(super) fn figure(text: String, name: &'static str, value: f64, unit: &'static str) -> Because {
    Because {
        text,
        name,
        value,
        unit,
    }
}
