//! An event loop that is kept from its turns, in a line.

use std::fmt::Write as _;

use super::line::{Line, Look, cut_end};
use super::place::short_file_line;
use crate::classify::say::duration;
use crate::model::{EventLoop, Gap, Process};
use crate::report::clean;

/// Gaps from this length on are worth a line.
const WORTH_SAYING_NS: u64 = 100_000_000;

/// `event loop: no turn for 203 ms (201 ms blocked), 5 times over 100 ms: fetch app.py:12, in
/// task handler`; of the loop with the longest gap.
pub(super) fn event_loop(process: &Process, indent: usize, width: usize) -> Option<Line> {
    let loops = process.threads.iter().filter_map(|t| process.event_loop(t));
    let (event_loop, longest) = loops
        .filter_map(|of| {
            let longest = of.gaps.longest?;
            Some((of, longest))
        })
        .filter(|(_, longest)| longest.duration_ns >= WORTH_SAYING_NS)
        .max_by_key(|(_, longest)| longest.duration_ns)?;
    let mut text = format!(
        "event loop: no turn for {} ({})",
        duration(longest.duration_ns),
        spent(&longest)
    );
    if event_loop.gaps.very_long > 1 {
        let times = event_loop.gaps.very_long;
        let _ = write!(text, ", {times} times over 100 ms");
    }
    if event_loop.turning_samples > 0 {
        text.push_str(", many callbacks");
    }
    if let Some(who) = who(process, &event_loop, &longest) {
        let _ = write!(text, ": {who}");
    }
    let mut line = Line::new();
    line.pad_to(indent)
        .push(&cut_end(&clean(&text), width - indent), Look::Warning);
    Some(line)
}

/// What the most of a gap was spent on.
fn spent(gap: &Gap) -> String {
    let times = &gap.times;
    let parts = [
        (times.gil_wait_ns, "waiting for the GIL"),
        (times.on_cpu_ns, "on a CPU"),
        (
            times.blocked_ns.saturating_sub(times.gil_wait_ns),
            "blocked",
        ),
        (times.runnable_ns + times.throttled_ns, "ready to run"),
    ];
    let most = parts.iter().max_by_key(|(ns, _)| *ns);
    most.map_or(String::new(), |(ns, what)| {
        format!("{} {what}", duration(*ns))
    })
}

fn who(process: &Process, of: &EventLoop, longest: &Gap) -> Option<String> {
    let stack = process.stack(longest.stack?);
    let place = process.place_in_loop(of, stack);
    let frame = place.frame?;
    let function = process.function(frame.function?)?;
    let at = short_file_line(&function.file, frame.line);
    let task = place.task.and_then(|id| process.function(id));
    let inside = match task {
        Some(task) if task != function => format!(", in {}", task.name),
        _ => String::new(),
    };
    Some(format!("{} {at}{inside}", function.name))
}
