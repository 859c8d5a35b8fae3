//! One proved busy-wait, as a line of a stream.

use std::io::Write;

use serde::Serialize;

use super::{
    SCHEMA_VERSION, VERSION, identity::IdentityDto, verdict::FindingDto, verdict::rounded,
};
use crate::{
    diagnose::Finding,
    model::{Loss, Process, Profile, Window},
    report::ReportError,
};

/// A document of kind `spin`.
#[derive(Clone, Debug, Serialize)]
struct SpinDto {
    schema_version: u32,
    kind: &'static str,
    pyobserve_version: &'static str,
    window: Window,
    loss: Loss,
    process: IdentityDto,
    threads: Vec<SpinningThreadDto>,
    finding: FindingDto,
}

#[derive(Clone, Debug, Serialize)]
struct SpinningThreadDto {
    tid: u32,
    ns_tid: Option<u32>,
    name: Option<String>,
    on_cpu_share: f64,
}

/// Writes a finding of threads of `process` as one line.
pub fn write_spin_json(
    profile: &Profile,
    process: &Process,
    finding: &Finding,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let document = SpinDto {
        schema_version: SCHEMA_VERSION,
        kind: "spin",
        pyobserve_version: VERSION,
        window: profile.window.clone(),
        loss: profile.loss.clone(),
        process: IdentityDto::from(process),
        threads: finding
            .threads_of(process)
            .map(|thread| SpinningThreadDto {
                tid: thread.tid.0,
                ns_tid: thread.ns_tid,
                name: thread.name.clone(),
                on_cpu_share: rounded(thread.on_cpu_share()),
            })
            .collect(),
        finding: FindingDto::from(finding),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}
