//! Verdicts, reasons and findings.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use crate::classify::{Because, Blame, Class, Detail, Verdict};
use crate::diagnose::Finding;

#[derive(Clone, Debug, Serialize)]
pub(super) struct VerdictDto {
    class: Class,
    detail: Option<Detail>,
    confidence: f64,
    otherwise: Option<Class>,
    shares: BTreeMap<&'static str, f64>,
    blame: Option<BlameDto>,
    because: Vec<BecauseDto>,
}

#[derive(Clone, Debug, Serialize)]
struct BlameDto {
    function: String,
    file: String,
    line: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
struct BecauseDto {
    text: String,
    name: &'static str,
    value: Option<Number>,
    unit: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct FindingDto {
    id: String,
    rule: &'static str,
    severity: &'static str,
    confidence: f64,
    tids: Vec<u32>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    evidence: Vec<BecauseDto>,
    cause: String,
    fix: String,
    recoverable_ns_per_s: Option<u64>,
}

impl From<&Verdict> for VerdictDto {
    fn from(verdict: &Verdict) -> Self {
        Self {
            class: verdict.class,
            detail: verdict.detail,
            confidence: verdict.confidence,
            otherwise: verdict.otherwise,
            shares: verdict
                .shares
                .iter()
                .map(|(class, share)| (class.name(), rounded(*share)))
                .collect(),
            blame: verdict.blame.as_ref().map(BlameDto::from),
            because: verdict.because.iter().map(BecauseDto::from).collect(),
        }
    }
}

impl From<&Blame> for BlameDto {
    fn from(blame: &Blame) -> Self {
        Self {
            function: blame.function.clone(),
            file: blame.file.clone(),
            line: blame.line,
        }
    }
}

impl From<&Because> for BecauseDto {
    fn from(because: &Because) -> Self {
        let value = match because.unit {
            // Times and counts are integers.
            "ns" | "count" => format!("{:.0}", because.value).parse().ok(),
            _ => Number::from_f64(rounded(because.value)),
        };
        Self {
            text: because.text.clone(),
            name: because.name,
            value,
            unit: because.unit,
        }
    }
}

impl From<&Finding> for FindingDto {
    fn from(finding: &Finding) -> Self {
        let place = finding.place.as_ref();
        Self {
            id: finding.id.clone(),
            rule: finding.rule,
            severity: finding.severity.name(),
            confidence: finding.confidence,
            tids: finding.threads.iter().map(|tid| tid.0).collect(),
            function: place.map(|p| p.function.clone()),
            file: place.map(|p| p.file.clone()),
            line: place.and_then(|p| p.line),
            evidence: finding.evidence.iter().map(BecauseDto::from).collect(),
            cause: finding.cause.clone(),
            fix: finding.fix.clone(),
            recoverable_ns_per_s: finding.recoverable_ns_per_s,
        }
    }
}

pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
