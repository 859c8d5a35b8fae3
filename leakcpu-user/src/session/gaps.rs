//! From a loop's kernel record to the model's gaps.

use leakcpu_common::{event_loop, stack::EMPTY_STACK};

use super::stacks::Stacks;
use crate::{
    collect::{LoopRecord, RawGap},
    model::{Gap, GapTimes, Gaps},
};

/// The gaps of a loop in a window that began at `start_ns`.
pub(super) fn gaps(record: &LoopRecord, stacks: &Stacks, start_ns: u64) -> Gaps {
    let gap = |raw: RawGap| Gap {
        at_ns: raw.began_ns.saturating_sub(start_ns),
        duration_ns: raw.duration_ns,
        times: times(raw.times),
        stack: (raw.stack != EMPTY_STACK)
            .then(|| stacks.by_hash(raw.stack))
            .flatten(),
    };
    let state = &record.state;
    Gaps {
        count: state.gaps,
        total_ns: state.gaps_ns,
        long: state.long_gaps,
        long_ns: state.long_gaps_ns,
        long_times: times(state.long),
        very_long: state.very_long_gaps,
        longest: record.longest().map(gap),
        open: record.open.map(gap),
    }
}

const fn times(raw: event_loop::GapTimes) -> GapTimes {
    GapTimes {
        on_cpu_ns: raw.on_cpu_ns,
        runnable_ns: raw.runnable_ns,
        throttled_ns: raw.throttled_ns,
        blocked_ns: raw.blocked_ns,
        gil_wait_ns: raw.gil_wait_ns,
    }
}
