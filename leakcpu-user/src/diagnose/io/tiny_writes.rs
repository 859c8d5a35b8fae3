//! `io.tiny-writes`: a system call for each few bytes.

use crate::{
    classify::say,
    diagnose::{
        Case, Explanation, Finding, Rule,
        below::{OnCpu, on_cpu_of},
        finding::figure,
        per_second,
    },
    model::{FileRate, StackTime, StackTimeKind},
};

/// Which of the two a place does.
#[derive(Clone, Copy, PartialEq, Eq)]
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
        let of_way = |wanted: Way| {
            let places = on_cpu_of(case, |time| {
                let stack = case.process.stack(time.stack);
                let is_it = way(time) == Some(wanted);
                is_it.then(|| case.process.own_frame(stack)).flatten()
            });
            let found = places.into_iter();
            found.filter_map(move |place| finding(self.name(), case, rate, wanted, &place))
        };
        [Way::Reads, Way::Writes]
            .into_iter()
            .flat_map(of_way)
            .collect()
    }
}

/// The way of a time in the kernel that reads or writes.
fn way(time: &StackTime) -> Option<Way> {
    let StackTimeKind::OnCpuKernel {
        syscall: Some(name),
    } = &time.kind
    else {
        return None;
    };
    match name.as_str() {
        "read" | "readv" | "pread64" | "preadv" => Some(Way::Reads),
        "write" | "writev" | "pwrite64" | "pwritev" => Some(Way::Writes),
        _ => None,
    }
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
    let are_tiny = per_s >= limits.tiny_calls_per_s && mean <= limits.tiny_call_bytes;
    if !are_tiny || !of.is_worth_it(case, limits.needless_cpu_share) {
        return None;
    }
    let share = of.share(case);
    Some(Finding {
        evidence: vec![
            figure(
                format!(
                    "{} {verb} a second, of {} bytes each",
                    say::grouped(per_s),
                    say::grouped(mean)
                ),
                "calls_per_s",
                per_s as f64,
                "1/s",
            ),
            figure(
                format!(
                    "{} of its CPU time in the kernel for them, in {}",
                    say::percent(share),
                    of.place.short()
                ),
                "calls_cpu_share",
                share,
                "ratio",
            ),
        ],
        cause: "Each call enters the kernel, which takes longer than to copy those few bytes."
            .to_owned(),
        fix: format!(
            "leave the buffer on in {} (no buffering=0, no os.{} of single records), or collect some kilobytes before each call; flush where they must not be lost",
            of.place.short(),
            if way == Way::Reads { "read" } else { "write" }
        ),
        ..of.finding(case, rule)
    })
}
