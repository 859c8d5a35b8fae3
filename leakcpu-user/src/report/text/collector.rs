//! What the garbage collector did, if that was much.

use super::line::{Line, Look, cut_end};
use super::place::frame_short;
use crate::classify::{
    sampled_collector_ns,
    say::{duration, percent},
};
use crate::model::Process;

/// Less of a process' wall time is not worth a line ...
const MIN_SHARE: f64 = 0.02;
/// ... unless one pause was this long.
const MIN_PAUSE_NS: u64 = 50_000_000;

/// `collector: 340 ms (7 %) in 12 collections, longest 81 ms; most of it set off in load app.py:12`
pub(super) fn collector(process: &Process, indent: usize, width: usize) -> Option<Line> {
    let Some(collector) = &process.collector else {
        return sampled(process, indent, width);
    };
    let pauses = collector.pauses();
    let share = process.collector_share()?;
    if pauses.count == 0 || share < MIN_SHARE && pauses.max_ns < MIN_PAUSE_NS {
        return None;
    }
    let mut text = format!(
        "collector: {} ({}) in {} collection{}, longest {}, {} objects freed",
        duration(pauses.total_ns),
        percent(share),
        pauses.count,
        if pauses.count == 1 { "" } else { "s" },
        duration(pauses.max_ns),
        pauses.collected,
    );
    let most = collector.collections.first();
    let place = most.and_then(|one| process.own_frame(process.stack(one.stack)));
    if let Some(place) = place.and_then(|frame| frame_short(process, frame)) {
        text.push_str("; most of it set off in ");
        text.push_str(&place);
    }
    let mut line = Line::new();
    line.pad_to(indent)
        .push(&cut_end(&text, width - indent), Look::Plain);
    Some(line)
}

/// `collector: about 340 ms (7 %), by samples`, where nobody listened.
fn sampled(process: &Process, indent: usize, width: usize) -> Option<Line> {
    let threads = process.threads.iter();
    let on_cpu_ns: Option<u64> = threads
        .map(|thread| sampled_collector_ns(process, thread))
        .sum();
    let lives = process.threads.iter().map(|thread| thread.times.wall_ns);
    let share = on_cpu_ns? as f64 / lives.max()?.max(1) as f64;
    if share < MIN_SHARE {
        return None;
    }
    let text = format!(
        "collector: about {} ({}), by samples",
        duration(on_cpu_ns?),
        percent(share)
    );
    let mut line = Line::new();
    line.pad_to(indent)
        .push(&cut_end(&text, width - indent), Look::Plain);
    Some(line)
}
