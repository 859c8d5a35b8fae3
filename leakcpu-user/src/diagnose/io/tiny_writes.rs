//! `io.tiny-writes`: a system call for each few bytes.

use crate::{
    classify::{Because, say},
    diagnose::{
        Case, Explanation, Finding, Rule,
        below::{Lines, OnCpu},
        finding::stable_id,
        per_second,
    },
    model::{FileRate, FunctionId, StackTimeKind},
};
use std::collections::BTreeMap;

/// Which of the two a place does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Reads,
    Writes,
}

/// The rule.
pub struct TinyWrites;

impl Rule for TinyWrites {
    fn name(&self) -> &'static str {
        "io.tiny-writes"
    }

    fn about(&self) -> &'static str {
        "Files are written or read a few bytes at a time, each by a system call of its own."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Much time in the kernel, and a disk that has nothing to do.",
            evidence: "Samples in the kernel's read or write below one function, and how many such calls the process makes, of how many bytes each, counted for a moment.",
            needs: "Samples; /proc/PID/io, readable.",
            fix: "Leave the buffer on (no buffering=0), or collect some kilobytes before each call. What is in a buffer is lost if the process dies: flush where that matters.",
            slow: "log = open(\"track\", \"ab\", buffering=0)\nfor position in positions:\n    log.write(position)",
            fixed: "log = open(\"track\", \"ab\")    # 8 KiB at a time",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let Some(rate) = &case.process.file_rate else {
            return Vec::new();
        };
        places(case)
            .iter()
            .filter_map(|(way, place)| finding(self.name(), case, rate, *way, place))
            .collect()
    }
}

/// CPU time in the kernel's reads and writes, by function of the user's own code, but for threads
/// that are proved to spin.
fn places(case: Case<'_>) -> Vec<(Way, OnCpu)> {
    let process = case.process;
    let mut sums: BTreeMap<(Way, FunctionId), (Lines, u64, u64)> = BTreeMap::new();
    for (index, thread) in process.threads.iter().enumerate() {
        if case.is_spinning(index) {
            continue;
        }
        for (time, charge) in thread.stack_times.iter().zip(thread.charges()) {
            let StackTimeKind::OnCpuKernel {
                syscall: Some(name),
            } = &time.kind
            else {
                continue;
            };
            let way = match name.as_str() {
                "read" | "readv" | "pread64" | "preadv" => Way::Reads,
                "write" | "writev" | "pwrite64" | "pwritev" => Way::Writes,
                _ => continue,
            };
            let frame = process.own_frame(process.stack(time.stack));
            if let Some((frame, id)) = frame.and_then(|frame| Some((frame, frame.function?))) {
                let (lines, ns, samples) = sums.entry((way, id)).or_default();
                lines.add(frame.line, charge.on_cpu_ns);
                *ns += charge.on_cpu_ns;
                *samples += time.count;
            }
        }
    }
    sums.into_iter()
        .filter_map(|((way, id), (lines, ns, samples))| {
            let place = lines.place(process, id)?;
            Some((way, OnCpu { place, ns, samples }))
        })
        .collect()
}

fn finding(
    rule: &'static str,
    case: Case<'_>,
    rate: &FileRate,
    way: Way,
    of: &OnCpu,
) -> Option<Finding> {
    let limits = case.thresholds;
    let (calls, bytes, verb) = match way {
        Way::Reads => (rate.reads, rate.read_bytes, "reads"),
        Way::Writes => (rate.writes, rate.written_bytes, "writes"),
    };
    let per_s = per_second(calls, rate.watched_ns);
    let mean = bytes / calls.max(1);
    let on_cpu_ns = case.process.times().on_cpu_ns;
    let share = of.ns as f64 / on_cpu_ns.max(1) as f64;
    let recoverable = per_second(of.ns, case.verdicts.span_ns);
    if per_s < limits.tiny_calls_per_s
        || mean > limits.tiny_call_bytes
        || of.samples < limits.samples
        || share < limits.needless_cpu_share
        || recoverable < limits.needless_cpu_ns_per_s
    {
        return None;
    }
    Some(Finding {
        id: stable_id(case.process, rule, Some(&of.place)),
        rule,
        severity: limits.severity(recoverable),
        confidence: case.verdicts.verdict.confidence,
        threads: Vec::new(),
        place: Some(of.place.clone()),
        evidence: vec![
            Because {
                text: format!(
                    "{} {verb} a second, of {} bytes each",
                    say::grouped(per_s),
                    say::grouped(mean)
                ),
                name: "calls_per_s",
                value: per_s as f64,
                unit: "1/s",
            },
            Because {
                text: format!(
                    "{} of its CPU time in the kernel for them, in {}",
                    say::percent(share),
                    of.place.short()
                ),
                name: "calls_cpu_share",
                value: share,
                unit: "ratio",
            },
        ],
        cause: "Each call enters the kernel, which takes longer than to copy those few bytes."
            .to_owned(),
        fix: format!(
            "leave the buffer on in {} (no buffering=0, no os.{} of single records), or collect some kilobytes before each call; flush where they must not be lost",
            of.place.short(),
            if way == Way::Reads { "read" } else { "write" }
        ),
        recoverable_ns_per_s: Some(recoverable),
    })
}
