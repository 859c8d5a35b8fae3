//! What was imported, as a document of its own.

use std::io::Write;

use serde::Serialize;

use super::{SCHEMA_VERSION, VERSION, identity::IdentityDto};
use crate::{
    model::{Host, Imports, Loss, Process, Profile, Window},
    report::ReportError,
};

/// A document of kind `imports`.
#[derive(Clone, Debug, Serialize)]
struct ImportsDto {
    schema_version: u32,
    kind: &'static str,
    pyobserve_version: &'static str,
    host: Host,
    window: Window,
    loss: Loss,
    processes: Vec<ImporterDto>,
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ImporterDto {
    process: IdentityDto,
    source: &'static str,
    from_start: bool,
    total_ns: u64,
    modules: Vec<ModuleDto>,
    begun_before: u64,
    left_out: u64,
}

#[derive(Clone, Debug, Serialize)]
struct ModuleDto {
    module: String,
    tid: u32,
    parent: Option<usize>,
    found: Option<bool>,
    start_ns: Option<u64>,
    total_ns: u64,
    on_cpu_ns: u64,
    blocked_ns: u64,
    self_total_ns: u64,
    self_on_cpu_ns: u64,
    self_blocked_ns: u64,
}

/// Writes what each process imported as one line.
pub fn write_imports_json(
    profile: &Profile,
    imports: &[(&Process, Imports)],
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let document = ImportsDto {
        schema_version: SCHEMA_VERSION,
        kind: "imports",
        pyobserve_version: VERSION,
        host: profile.host.clone(),
        window: profile.window.clone(),
        loss: profile.loss.clone(),
        processes: imports
            .iter()
            .map(|(process, imports)| ImporterDto::new(process, imports))
            .collect(),
        warnings: profile.warnings.clone(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

impl ImporterDto {
    fn new(process: &Process, imports: &Imports) -> Self {
        let own = imports.own_times();
        let modules = imports.modules.iter().zip(own);
        Self {
            process: IdentityDto::from(process),
            source: if imports.is_sampled {
                "samples"
            } else {
                "probes"
            },
            from_start: imports.is_whole,
            total_ns: imports.total_ns(),
            modules: modules
                .map(|(module, own)| ModuleDto {
                    module: module.module.clone(),
                    tid: module.tid.0,
                    parent: module.parent,
                    found: module.found,
                    start_ns: (!imports.is_sampled).then_some(module.start_ns),
                    total_ns: module.total_ns,
                    on_cpu_ns: module.on_cpu_ns,
                    blocked_ns: module.blocked_ns,
                    self_total_ns: own.total_ns,
                    self_on_cpu_ns: own.on_cpu_ns,
                    self_blocked_ns: own.blocked_ns,
                })
                .collect(),
            begun_before: imports.unmatched,
            left_out: imports.left_out,
        }
    }
}
