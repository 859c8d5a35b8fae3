//! The head of the document.

use serde::Serialize;

use super::process::ProcessDto;
use super::{SCHEMA_VERSION, VERSION};
use crate::classify::Classification;
use crate::diagnose::{Findings, ProcessFindings};
use crate::model::{Cost, Host, Loss, Lost, Profile, Sampling, Window};

/// A report of kind `classify`.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    schema_version: u32,
    kind: &'static str,
    pyobserve_version: &'static str,
    host: Host,
    window: Window,
    sampling: Sampling,
    loss: Loss,
    cost: Cost,
    processes: Vec<ProcessDto>,
    warnings: Vec<String>,
}

impl Document {
    pub(super) fn new(
        profile: &Profile,
        classification: &Classification,
        findings: &Findings,
    ) -> Self {
        let none = ProcessFindings::default();
        let mut loss: Loss = profile
            .loss
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(lost, n)| (*lost, *n))
            .collect();
        for always in Lost::ALWAYS {
            loss.entry(always).or_insert(0);
        }
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "classify",
            pyobserve_version: VERSION,
            host: profile.host.clone(),
            window: profile.window.clone(),
            sampling: profile.sampling.clone(),
            loss,
            cost: profile.cost.clone(),
            processes: profile
                .processes
                .iter()
                .zip(&classification.processes)
                .enumerate()
                .map(|(i, (process, verdicts))| {
                    let findings = findings.processes.get(i).unwrap_or(&none);
                    ProcessDto::new(process, verdicts, findings)
                })
                .collect(),
            warnings: profile.warnings.clone(),
        }
    }
}
