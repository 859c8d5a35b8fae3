//! One proved busy-wait in a few lines: who, where, the proof, what to do instead.

use std::io::Write;

use super::{
    MIN_WIDTH, TextOptions,
    line::{Line, Look, wrap},
    place::{file_line, short_name},
};
use crate::{
    classify::{Class, say::percent},
    diagnose::Finding,
    model::{Process, Thread},
    report::{ReportError, program_name},
};

const INDENT: usize = 5;
/// Threads named one by one.
const MAX_THREADS: usize = 3;

/// Writes a finding of threads of `process`.
pub fn write_spin_text(
    process: &Process,
    finding: &Finding,
    options: &TextOptions,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let width = options.width.max(MIN_WIDTH);
    let threads: Vec<&Thread> = finding.threads_of(process).collect();
    let cores = finding.cores(process);
    let mut head = Line::new();
    let kind = finding.rule.split_once('.').map_or("", |(_, kind)| kind);
    head.push(&format!("{} ", process.pid), Look::Strong)
        .push(
            &format!("busy-waiting ({kind}), {} of a core", percent(cores)),
            Look::Class(Class::BusyWaiting),
        )
        .push(&format!("  {}", program_name(process)), Look::Plain);
    let mut lines = vec![head];
    let mut place = Line::new();
    place.pad_to(INDENT);
    if let Some(at) = &finding.place {
        let room = width / 2;
        place
            .push(&short_name(&at.function, room / 2), Look::Strong)
            .push(
                &format!("  {}  ", file_line(&at.file, at.line, room)),
                Look::Plain,
            );
    }
    place.push(&in_threads(process, &threads), Look::Faint);
    lines.push(place);
    let proof: Vec<&str> = finding.evidence.iter().map(|e| e.text.as_str()).collect();
    for text in wrap(&proof.join("; "), width - INDENT) {
        let mut line = Line::new();
        line.pad_to(INDENT).push(&text, Look::Plain);
        lines.push(line);
    }
    for (i, text) in wrap(&finding.fix, width - INDENT).into_iter().enumerate() {
        let mut line = Line::new();
        if i == 0 {
            line.push("  -> ", Look::Step);
        }
        line.pad_to(INDENT).push(&text, Look::Step);
        lines.push(line);
    }
    for line in lines {
        line.write(out, options.width, options.color)?;
    }
    Ok(())
}

/// `thread 4712 (poller)`; nothing where the process has one only.
fn in_threads(process: &Process, threads: &[&Thread]) -> String {
    if process.threads.len() <= 1 {
        return String::new();
    }
    let named = threads.iter().take(MAX_THREADS).map(|thread| {
        let name = thread.name.as_deref().unwrap_or("?");
        format!("{} ({name})", thread.tid)
    });
    let mut said: Vec<String> = named.collect();
    let more = threads.len().saturating_sub(MAX_THREADS);
    if more > 0 {
        said.push(format!("{more} more"));
    }
    let what = if threads.len() == 1 {
        "thread"
    } else {
        "threads"
    };
    format!("{what} {}", said.join(", "))
}
