//! What the garbage collector did, if that was much.

use super::line::{Line, Look, cut_end};
use super::place::frame_short;
use crate::classify::say::{duration, percent};
use crate::model::Process;

/// Less of a process' wall time is not worth a line ...
const MIN_SHARE: f64 = 0.02;
/// ... unless one pause was this long.
const MIN_PAUSE_NS: u64 = 50_000_000;

/// `collector: 340 ms (7 %) in 12 collections, longest 81 ms; most of it set off in load app.py:12`
pub(super) fn collector(process: &Process, indent: usize, width: usize) -> Option<Line> {
    let collector = process.collector.as_ref()?;
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
