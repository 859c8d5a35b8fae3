//! Collapsed stacks, one a line, for flame graphs and other tools.

use std::collections::BTreeMap;
use std::io::Write;

use super::{ReportError, clean, program_name};
use crate::classify::service_name;
use crate::model::{Frame, Process, Profile, Reason, StackTime, StackTimeKind, Thread};

/// On-CPU samples, root first: `process;thread;outer (file:line);leaf (file:line) COUNT`.
pub fn write_collapsed(profile: &Profile, out: &mut dyn Write) -> Result<(), ReportError> {
    write_lines(&on_cpu_lines(profile), out)
}

/// Off-CPU time in microseconds, the wait as last frame:
/// `process;thread;outer (file:line);leaf (file:line);[net-recv 127.0.0.1:5432] MICROSECONDS`.
pub fn write_collapsed_off_cpu(profile: &Profile, out: &mut dyn Write) -> Result<(), ReportError> {
    write_lines(&off_cpu_lines(profile), out)
}

fn write_lines(lines: &[String], out: &mut dyn Write) -> Result<(), ReportError> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Lines of on-CPU samples, sorted.
pub(super) fn on_cpu_lines(profile: &Profile) -> Vec<String> {
    merged(profile, |entry, frames| {
        if entry.kind.is_on_cpu() {
            let frames = std::mem::take(frames);
            vec![(frames, entry.count)]
        } else {
            Vec::new()
        }
    })
}

/// Lines of off-CPU microseconds, sorted.
pub(super) fn off_cpu_lines(profile: &Profile) -> Vec<String> {
    merged(profile, |entry, frames| {
        let mut lines = Vec::new();
        if let Some(wait) = wait_frame(&entry.kind) {
            lines.push((format!("{frames};{wait}"), entry.blocked_ns / 1000));
        }
        lines.push((format!("{frames};[runnable]"), entry.runnable_ns / 1000));
        lines
    })
}

fn merged(
    profile: &Profile,
    weigh: impl Fn(&StackTime, &mut String) -> Vec<(String, u64)>,
) -> Vec<String> {
    let mut weights: BTreeMap<String, u64> = BTreeMap::new();
    for process in &profile.processes {
        for thread in &process.threads {
            for entry in &thread.stack_times {
                let mut frames = path(process, thread, entry);
                for (line, weight) in weigh(entry, &mut frames) {
                    if weight > 0 {
                        *weights.entry(line).or_default() += weight;
                    }
                }
            }
        }
    }
    weights
        .into_iter()
        .map(|(line, weight)| format!("{line} {weight}"))
        .collect()
}

/// Process, thread and frames, root first.
fn path(process: &Process, thread: &Thread, entry: &StackTime) -> String {
    let stack = process.stack(entry.stack);
    let name = thread.name.as_deref().unwrap_or("thread");
    let mut path = vec![
        frame_text(&format!("{} ({})", program_name(process), process.pid)),
        frame_text(&format!("{name} ({})", thread.tid)),
    ];
    if (stack.truncated && !stack.has_root) || stack.partial {
        path.push("[root not reached]".to_owned());
    }
    if stack.frames.is_empty() {
        path.push("[no Python frame]".to_owned());
    }
    for (from_root, &frame) in stack.frames.iter().rev().enumerate() {
        path.push(named(process, frame));
        if from_root == 0 && stack.truncated && stack.has_root {
            path.push("[frames not seen]".to_owned());
        }
    }
    path.join(";")
}

fn named(process: &Process, frame: Frame) -> String {
    let Some(function) = frame.function.and_then(|id| process.function(id)) else {
        return "[unnamed frame]".to_owned();
    };
    let line = frame.line.unwrap_or(function.first_line);
    frame_text(&format!("{} ({}:{line})", function.name, function.file))
}

/// The wait as a frame.
fn wait_frame(kind: &StackTimeKind) -> Option<String> {
    let StackTimeKind::Blocked {
        reason,
        syscall,
        peer,
        file,
    } = kind
    else {
        return None;
    };
    let what = match (peer, file) {
        (Some(peer), _) => match service_name(peer) {
            Some(service) => format!(" {peer} {service}"),
            None => format!(" {peer}"),
        },
        (None, Some(file)) => format!(" {file}"),
        (None, None) if *reason == Reason::KernelOther => {
            syscall.as_ref().map_or(String::new(), |s| format!(" {s}"))
        }
        (None, None) => String::new(),
    };
    Some(frame_text(&format!("[{}{what}]", reason.name())))
}

/// A frame may hold neither the separator nor a line end.
fn frame_text(text: &str) -> String {
    clean(text).replace(';', ",")
}
