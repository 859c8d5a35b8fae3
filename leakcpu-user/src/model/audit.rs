//! What a process did that is audited (PEP 578), as the interpreter's own probe said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Frame, Process, StackId, Tid};

/// Audited events of one name that one place in the code raised in one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedAt {
    /// `open`, `socket.connect`; empty if it could not be read.
    pub event: String,
    /// Thread.
    pub tid: Tid,
    /// Where.
    pub stack: StackId,
    /// How often.
    pub count: u64,
}

/// Audited events of one name, by the user's own code that led to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditedIn<'a> {
    /// Its name.
    pub event: &'a str,
    /// The innermost frame of the user's own code; `None` if there is none.
    pub frame: Option<Frame>,
    /// How often.
    pub count: u64,
}

impl Process {
    /// Audited events by the user's own code that led to them, most first; `None` if nobody
    /// listened.
    pub fn audited(&self) -> Option<Vec<AuditedIn<'_>>> {
        // By the event, the function and the line.
        let mut sums: BTreeMap<(&str, Option<u32>, Option<u32>), AuditedIn<'_>> = BTreeMap::new();
        for one in self.audits.as_ref()? {
            let frame = self.own_frame(self.stack(one.stack));
            let function = frame.and_then(|frame| frame.function).map(|id| id.0);
            let line = frame.and_then(|frame| frame.line);
            sums.entry((&one.event, function, line))
                .or_insert(AuditedIn {
                    event: &one.event,
                    frame,
                    count: 0,
                })
                .count += one.count;
        }
        let mut audited: Vec<AuditedIn<'_>> = sums.into_values().collect();
        audited.sort_by_key(|one| std::cmp::Reverse(one.count));
        Some(audited)
    }
}
