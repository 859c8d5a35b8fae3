//! What was audited.

use serde::Serialize;

use crate::model::{AuditedIn, Process};

/// Places that are written at most.
const PLACES: usize = 50;

#[derive(Clone, Debug, Serialize)]
pub(super) struct AuditDto {
    event: String,
    count: u64,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

/// Null where nobody listened.
pub(super) fn audit(process: &Process) -> Option<Vec<AuditDto>> {
    let audited = process.audited()?.into_iter().take(PLACES);
    Some(audited.map(|one| AuditDto::new(process, one)).collect())
}

impl AuditDto {
    fn new(process: &Process, one: AuditedIn<'_>) -> Self {
        let function = one
            .frame
            .and_then(|frame| process.function(frame.function?));
        Self {
            event: one.event.to_owned(),
            count: one.count,
            function: function.map(|function| function.name.clone()),
            file: function.map(|function| function.file.clone()),
            line: one.frame.and_then(|frame| frame.line),
        }
    }
}
