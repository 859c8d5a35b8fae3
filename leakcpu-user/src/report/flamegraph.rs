//! Flame graphs as SVG.

use std::io::Write;

use inferno::flamegraph::{Options, from_lines};

use super::ReportError;
use super::collapsed::{Borders, off_cpu_lines, on_cpu_lines};
use crate::classify::say::duration;
use crate::model::Profile;

/// What a flame graph shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlameKind {
    /// On-CPU samples.
    OnCpu,
    /// Time blocked or kept from running, wait reasons as innermost frames.
    OffCpu,
}

impl FlameKind {
    /// The part of a file name that tells it: `FILE.on-cpu.svg`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::OnCpu => "on-cpu",
            Self::OffCpu => "off-cpu",
        }
    }
}

/// Draws one flame graph. An empty one says so instead of failing.
pub fn write_flamegraph(
    profile: &Profile,
    kind: FlameKind,
    borders: Borders,
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let (lines, title, unit, nothing) = match kind {
        FlameKind::OnCpu => (
            on_cpu_lines(profile, borders),
            "On CPU",
            "samples",
            "[nothing was seen on a CPU] 1",
        ),
        FlameKind::OffCpu => (
            off_cpu_lines(profile, borders),
            "Off CPU",
            "\u{b5}s",
            "[nothing was seen off the CPU] 1",
        ),
    };
    let mut options = Options::default();
    title.clone_into(&mut options.title);
    options.subtitle = Some(format!(
        "pyobserve: {}, {}",
        super::clean(&profile.host.hostname),
        duration(profile.window.duration_ns)
    ));
    unit.clone_into(&mut options.count_name);
    options.hash = true; // the same function has the same colour in every picture
    options.deterministic = true;
    let lines = if lines.is_empty() {
        vec![nothing.to_owned()]
    } else {
        lines
    };
    from_lines(&mut options, lines.iter().map(String::as_str), out).map_err(ReportError::FlameGraph)
}
