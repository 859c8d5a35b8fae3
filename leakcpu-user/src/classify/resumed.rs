//! Whose answers an event loop waits for: the code that it runs in between.

use std::collections::BTreeMap;

use crate::model::{Awaits, Frame, LoopKind, LoopSamples, Process, StackId, StackTime, Thread};

/// Fewer samples inside the user's own code name nobody.
const MIN_SAMPLES: u64 = 5;

/// An event loop's waits for answers. Its stack is the loop's own meanwhile, and says only who
/// started it.
pub(super) struct LoopWaits {
    waits: Vec<StackId>,
    /// The user's own code that the loop runs, with samples; empty if too few were met.
    places: Vec<(Frame, u64)>,
}

impl LoopWaits {
    /// Those of `thread`; `None` if it runs no loop of asyncio or gevent, whose tasks are
    /// suspended while it waits.
    pub(super) fn of(process: &Process, thread: &Thread) -> Option<Self> {
        let event_loop = process
            .event_loop(thread)
            .filter(|of| of.kind != LoopKind::Other)?;
        let mut places: BTreeMap<_, (Frame, u64)> = BTreeMap::new();
        for LoopSamples { stack, count } in thread.samples_by_stack() {
            let place = process.place_in_loop(&event_loop, process.stack(stack));
            let own = place.frame.filter(|frame| process.is_own_frame(*frame));
            if let Some(frame) = own.filter(|_| !place.is_own) {
                let sum = places.entry((frame.function, frame.line));
                sum.or_insert((frame, 0)).1 += count;
            }
        }
        let mut places: Vec<(Frame, u64)> = places.into_values().collect();
        if places.iter().map(|(_, count)| count).sum::<u64>() < MIN_SAMPLES {
            places.clear();
        }
        // A call that blocks in a task waits there, and the stack says where.
        let is_own = |stack: &StackId| {
            process
                .place_in_loop(&event_loop, process.stack(*stack))
                .is_own
        };
        let waits = event_loop.waits.iter().copied().filter(is_own).collect();
        Some(Self { waits, places })
    }

    /// Whether `entry` is one of the waits.
    pub(super) fn contain(&self, entry: &StackTime) -> bool {
        entry.awaits == Some(Awaits::Answer) && self.waits.contains(&entry.stack)
    }

    /// Who answers for them, with weights that sum to `ns`.
    pub(super) fn places(&self, ns: u64) -> impl Iterator<Item = (Frame, u64)> {
        let weights: Vec<u64> = self.places.iter().map(|(_, count)| *count).collect();
        let parts = crate::model::apportion(ns, &weights);
        self.places.iter().map(|(frame, _)| *frame).zip(parts)
    }
}
