//! What was audited, where somebody asked for it.

use super::line::{Line, Look, wrap};
use super::place::frame_short;
use crate::classify::say::grouped;
use crate::model::Process;

/// Places that are named.
const PLACES: usize = 5;

/// `audited: 1,204 open in load app.py:12, 88 socket.connect in ask client.py:40`
pub(super) fn audited(process: &Process, indent: usize, width: usize) -> Vec<Line> {
    let Some(audited) = process.audited() else {
        return Vec::new();
    };
    let named: Vec<String> = audited
        .iter()
        .take(PLACES)
        .map(|one| {
            let place = one.frame.and_then(|frame| frame_short(process, frame));
            let place = place.map_or_else(String::new, |place| format!(" in {place}"));
            format!("{} {}{place}", grouped(one.count), one.event)
        })
        .collect();
    let text = match (named.len(), audited.len()) {
        (0, _) => "audited: nothing".to_owned(),
        (shown, all) if shown < all => {
            format!("audited: {}, and {} more", named.join(", "), all - shown)
        }
        _ => format!("audited: {}", named.join(", ")),
    };
    wrap(&text, width - indent)
        .into_iter()
        .map(|text| {
            let mut line = Line::new();
            line.pad_to(indent).push(&text, Look::Plain);
            line
        })
        .collect()
}
