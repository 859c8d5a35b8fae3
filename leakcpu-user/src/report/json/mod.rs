//! The JSON document that other programs rely on.
//!
//! Within one schema version fields are added, never renamed or re-typed. Times are
//! integer nanoseconds; a value that is not known is null, never 0. The published
//! schemas beside the code say of every figure whether it is exact or estimated.

mod audit;
mod collector;
mod document;
mod event_loop;
mod function;
mod functions;
mod identity;
mod imports;
mod lock;
mod process;
mod round_trips;
mod spin;
mod verdict;
mod wait;

use std::io::Write;

pub use document::Document;
pub use functions::write_functions_json;
pub use imports::write_imports_json;
pub use spin::write_spin_json;

use super::ReportError;
use crate::classify::Classification;
use crate::diagnose::Findings;
use crate::model::Profile;

/// Version of the document's shape.
pub const SCHEMA_VERSION: u32 = 1;
/// Version of the program that writes it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// JSON Schema of `kind: "classify"`.
pub const CLASSIFY_SCHEMA: &str = include_str!("../../../schema/classify.schema.json");
/// JSON Schema of `kind: "spin"`.
pub const SPIN_SCHEMA: &str = include_str!("../../../schema/spin.schema.json");
/// JSON Schema of `kind: "functions"`.
pub const FUNCTIONS_SCHEMA: &str = include_str!("../../../schema/functions.schema.json");
/// JSON Schema of `kind: "imports"`.
pub const IMPORTS_SCHEMA: &str = include_str!("../../../schema/imports.schema.json");
/// JSON Schema of `kind: "doctor"`.
pub const DOCTOR_SCHEMA: &str = include_str!("../../../schema/doctor.schema.json");

/// The document of one window, for `serde_json` or another serializer.
pub fn classify_document(
    profile: &Profile,
    classification: &Classification,
    findings: &Findings,
) -> Document {
    Document::new(profile, classification, findings)
}

/// Writes the document of one window as one line, as a stream of windows needs it.
pub fn write_json(
    profile: &Profile,
    classification: &Classification,
    findings: &Findings,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    serde_json::to_writer(
        &mut *out,
        &classify_document(profile, classification, findings),
    )?;
    writeln!(out)?;
    Ok(())
}
