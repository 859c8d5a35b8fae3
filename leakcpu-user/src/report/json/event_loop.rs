//! Event loops and who holds them.

use serde::Serialize;

use crate::model::{EventLoop, Frame, FunctionId, Gap, GapTimes, Holder, LoopKind, Process};

/// Holders that are written at most.
const HOLDERS: usize = 20;

#[derive(Clone, Debug, Serialize)]
pub(super) struct EventLoopDto {
    kind: LoopKind,
    gaps: u64,
    gaps_ns: u64,
    long_gaps: u64,
    long_gaps_ns: u64,
    long: GapTimes,
    very_long_gaps: u64,
    longest: Option<GapDto>,
    held_by: Vec<HolderDto>,
    turning_samples: u64,
}

#[derive(Clone, Debug, Serialize)]
struct GapDto {
    at_ns: u64,
    duration_ns: u64,
    #[serde(flatten)]
    times: GapTimes,
    #[serde(flatten)]
    place: PlaceDto,
}

#[derive(Clone, Debug, Serialize)]
struct HolderDto {
    #[serde(flatten)]
    place: PlaceDto,
    on_cpu_ns: u64,
    blocked_ns: u64,
    gil_ns: u64,
    runnable_ns: u64,
    samples: u64,
    waits: u64,
}

#[derive(Clone, Debug, Serialize)]
struct PlaceDto {
    task: Option<String>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl EventLoopDto {
    pub(super) fn new(process: &Process, of: &EventLoop) -> Self {
        let gaps = &of.gaps;
        Self {
            kind: of.kind,
            gaps: gaps.count,
            gaps_ns: gaps.total_ns,
            long_gaps: gaps.long,
            long_gaps_ns: gaps.long_ns,
            long: gaps.long_times,
            very_long_gaps: gaps.very_long,
            longest: gaps.longest.map(|gap| GapDto::new(process, of, &gap)),
            held_by: of
                .holders
                .iter()
                .take(HOLDERS)
                .map(|holder| HolderDto::new(process, holder))
                .collect(),
            turning_samples: of.turning_samples,
        }
    }
}

impl GapDto {
    fn new(process: &Process, of: &EventLoop, gap: &Gap) -> Self {
        let place = gap
            .stack
            .map(|stack| process.place_in_loop(of, process.stack(stack)));
        Self {
            at_ns: gap.at_ns,
            duration_ns: gap.duration_ns,
            times: gap.times,
            place: PlaceDto::new(
                process,
                place.and_then(|place| place.task),
                place.and_then(|place| place.frame),
            ),
        }
    }
}

impl HolderDto {
    fn new(process: &Process, holder: &Holder) -> Self {
        Self {
            place: PlaceDto::new(process, holder.task, holder.frame),
            on_cpu_ns: holder.on_cpu_ns,
            blocked_ns: holder.blocked_ns,
            gil_ns: holder.gil_ns,
            runnable_ns: holder.runnable_ns,
            samples: holder.samples,
            waits: holder.waits,
        }
    }
}

impl PlaceDto {
    fn new(process: &Process, task: Option<FunctionId>, frame: Option<Frame>) -> Self {
        let name = |id| process.function(id).map(|function| function.name.clone());
        let function = frame.and_then(|frame| process.function(frame.function?));
        Self {
            task: task.and_then(name),
            function: function.map(|function| function.name.clone()),
            file: function.map(|function| function.file.clone()),
            line: frame.and_then(|frame| frame.line),
        }
    }
}
