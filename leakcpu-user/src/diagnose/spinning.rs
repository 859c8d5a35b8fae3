//! Findings of threads that are proved to spin, one for each place.

use super::finding::stable_id;
use super::{Case, Finding, Gain, per_second};
use crate::{classify::Spin, model::Tid};

/// What the names of the rules of busy-waiting begin with.
const BUSY_WAIT: &str = "busy-wait.";

/// Whether a finding is of threads that are proved to spin.
pub(super) fn is_proved(finding: &Finding, case: Case<'_>) -> bool {
    let spins = |tid: &Tid| {
        let threads = case.process.threads.iter().zip(&case.verdicts.spins);
        threads
            .filter(|(thread, _)| thread.tid == *tid)
            .any(|(_, spin)| spin.is_some())
    };
    finding.rule.starts_with(BUSY_WAIT) && finding.threads.iter().any(spins)
}

/// What a rule says of a spin that is its own.
pub(super) struct Advice {
    /// Why it is slow.
    pub cause: String,
    /// One concrete step.
    pub fix: String,
}

/// The findings of `rule` of those threads on whose spin it has an advice; threads that spin
/// in one place share one.
pub(super) fn spinning(
    case: Case<'_>,
    rule: &'static str,
    advice: impl Fn(&Spin) -> Option<Advice>,
) -> Vec<Finding> {
    let verdicts = case.verdicts;
    let mut findings: Vec<Finding> = Vec::new();
    for (i, thread) in case.process.threads.iter().enumerate() {
        let spin = verdicts.spins.get(i).and_then(Option::as_ref);
        let Some(advice) = spin.and_then(&advice) else {
            continue;
        };
        let verdict = &verdicts.threads[i];
        let recoverable = per_second(thread.times.on_cpu_ns, thread.times.wall_ns);
        let id = stable_id(case.process, rule, verdict.blame.as_ref());
        if let Some(same) = findings.iter_mut().find(|f| f.id == id) {
            let sum = same.recoverable_ns_per_s.unwrap_or(0) + recoverable;
            same.recoverable_ns_per_s = Some(sum);
            same.severity = case.thresholds.severity(sum);
            same.threads.push(thread.tid);
            continue;
        }
        findings.push(Finding {
            id,
            rule,
            severity: case.thresholds.severity(recoverable),
            confidence: verdict.confidence,
            threads: vec![thread.tid],
            place: verdict.blame.clone(),
            evidence: verdict.because.clone(),
            cause: advice.cause,
            fix: advice.fix,
            recoverable_ns_per_s: Some(recoverable),
            gain: Gain::Cpu,
        });
    }
    findings
}
