//! Writes the model to a `Write`: text, JSON, flame graphs, collapsed stacks. Decides nothing.

mod collapsed;
mod flamegraph;
mod json;
mod native;
mod program;
mod pstats;
mod text;

use std::io;

pub use collapsed::{Borders, write_collapsed, write_collapsed_off_cpu};
pub use flamegraph::{FlameKind, write_flamegraph};
pub use json::{
    CLASSIFY_SCHEMA, DOCTOR_SCHEMA, FUNCTIONS_SCHEMA, IMPORTS_SCHEMA, SCHEMA_VERSION, SPIN_SCHEMA,
    VERSION, classify_document, write_functions_json, write_imports_json, write_json,
    write_spin_json,
};
pub use program::{clean, program_name};
pub use pstats::write_pstats;
pub use text::{
    TextOptions, write_functions_text, write_imports_text, write_spin_text, write_text,
};

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The output refused the bytes.
    #[error("cannot write the report: {0}")]
    Write(#[from] io::Error),
    /// A figure could not be put into JSON.
    #[error("cannot write the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The flame graph could not be drawn.
    #[error("cannot draw the flame graph: {0}")]
    FlameGraph(io::Error),
}

impl ReportError {
    /// Whether the reader went away (a closed pipe): no failure to complain about.
    pub fn is_broken_pipe(&self) -> bool {
        match self {
            Self::Write(error) | Self::FlameGraph(error) => {
                error.kind() == io::ErrorKind::BrokenPipe
            }
            Self::Json(error) => error.io_error_kind() == Some(io::ErrorKind::BrokenPipe),
        }
    }
}
