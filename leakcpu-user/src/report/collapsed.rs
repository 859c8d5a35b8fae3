//! Collapsed stacks, one a line, for flame graphs and other tools.

use std::collections::BTreeMap;
use std::io::Write;

use super::{ReportError, clean, native, program_name};
use crate::classify::service_name;
use crate::model::{Frame, MixedFrame, Process, Profile, Reason, StackTime, StackTimeKind, Thread};

/// Whether stacks show where C called Python (3.11 and later: before, every call of a
/// Python function went through C, and frames do not say which ones C made).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Borders {
    /// Frames only.
    #[default]
    Hidden,
    /// The frame `[C]` before each that C called, the outermost one left out.
    Marked,
}

/// On-CPU samples, root first: `process;thread;outer (file:line);leaf (file:line) COUNT`.
pub fn write_collapsed(
    profile: &Profile,
    borders: Borders,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    write_lines(&on_cpu_lines(profile, borders), out)
}

/// Off-CPU time in microseconds, the wait as last frame:
/// `process;thread;outer (file:line);leaf (file:line);[net-recv 127.0.0.1:5432] MICROSECONDS`.
pub fn write_collapsed_off_cpu(
    profile: &Profile,
    borders: Borders,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    write_lines(&off_cpu_lines(profile, borders), out)
}

fn write_lines(lines: &[String], out: &mut dyn Write) -> Result<(), ReportError> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Lines of on-CPU samples, sorted.
pub(super) fn on_cpu_lines(profile: &Profile, borders: Borders) -> Vec<String> {
    merged(profile, |process, thread, entry| {
        if !entry.kind.is_on_cpu() {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let mut rest = entry.count;
        for leaf in &entry.leaves {
            let stack = process.stack(entry.stack);
            if let Some(mixed) = process.mixed_stack(stack, leaf) {
                let count = leaf.count.min(rest);
                rest -= count;
                // What C there was is in it.
                let path = path(process, thread, entry, &mixed.frames, Borders::Hidden);
                lines.push((path, count));
            }
        }
        lines.push((python_path(process, thread, entry, borders), rest));
        lines
    })
}

/// Lines of off-CPU microseconds, sorted.
pub(super) fn off_cpu_lines(profile: &Profile, borders: Borders) -> Vec<String> {
    merged(profile, |process, thread, entry| {
        let frames = python_path(process, thread, entry, borders);
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
    weigh: impl Fn(&Process, &Thread, &StackTime) -> Vec<(String, u64)>,
) -> Vec<String> {
    let mut weights: BTreeMap<String, u64> = BTreeMap::new();
    for process in &profile.processes {
        for thread in &process.threads {
            for entry in &thread.stack_times {
                for (line, weight) in weigh(process, thread, entry) {
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

/// Process, thread and Python frames, root first.
fn python_path(process: &Process, thread: &Thread, entry: &StackTime, borders: Borders) -> String {
    let frames: Vec<MixedFrame> = process
        .stack(entry.stack)
        .frames
        .iter()
        .map(|&frame| MixedFrame::Python(frame))
        .collect();
    path(process, thread, entry, &frames, borders)
}

/// Process, thread and frames, root first.
fn path(
    process: &Process,
    thread: &Thread,
    entry: &StackTime,
    frames: &[MixedFrame],
    borders: Borders,
) -> String {
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
    let mut has_gap = stack.truncated && stack.has_root;
    for (i, &frame) in frames.iter().rev().enumerate() {
        match frame {
            MixedFrame::Native(frame) => path.push(frame_text(&native::frame(process, frame))),
            MixedFrame::Python(frame) => {
                if frame.called_from_c && i > 0 && borders == Borders::Marked {
                    path.push("[C]".to_owned());
                }
                path.push(named(process, frame));
                if std::mem::take(&mut has_gap) {
                    // Behind the root.
                    path.push("[frames not seen]".to_owned());
                }
            }
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
        child,
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
        (None, None) => child
            .as_ref()
            .and_then(|child| child.name.as_ref())
            .map_or_else(String::new, |name| format!(" {name}")),
    };
    Some(frame_text(&format!("[{}{what}]", reason.name())))
}

/// A frame may hold neither the separator nor a line end.
fn frame_text(text: &str) -> String {
    clean(text).replace(';', ",")
}
