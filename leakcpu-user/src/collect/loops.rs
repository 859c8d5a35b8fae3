//! Event loops: the gaps between two of their waits, as the kernel side noted them.

use leakcpu_common::{
    event_loop::{GapTimes, LoopState},
    thread::{ThreadState, run_state},
};

use super::ThreadRecord;

/// A gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawGap {
    /// When it began, `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// Its length.
    pub duration_ns: u64,
    /// What it was spent on.
    pub times: GapTimes,
    /// A stack seen in it, by its hash; 0 for none.
    pub stack: u64,
}

/// The gaps of one loop thread.
#[derive(Clone, Copy, Debug)]
pub struct LoopRecord {
    /// Those that ended.
    pub state: LoopState,
    /// The one in which the thread was when the window ended.
    pub open: Option<RawGap>,
}

impl LoopRecord {
    /// Puts together what the kernel side noted of a loop and of its thread, if that is
    /// still there, at the window's end.
    pub(super) fn new(state: LoopState, thread: Option<&ThreadState>, end_ns: u64) -> Self {
        let open = thread
            .filter(|thread| thread.gap_since_ns != 0 && thread.run_state != run_state::DEAD)
            .map(|thread| open_gap(state, thread, end_ns));
        Self { state, open }
    }

    /// The longest of those that ended.
    pub fn longest(&self) -> Option<RawGap> {
        (self.state.gaps > 0).then_some(RawGap {
            began_ns: self.state.longest_began_ns,
            duration_ns: self.state.longest_ns,
            times: self.state.longest,
            stack: self.state.longest_stack,
        })
    }
}

fn open_gap(mut state: LoopState, thread: &ThreadState, end_ns: u64) -> RawGap {
    let closed = ThreadRecord::close(*thread, end_ns).state;
    let duration_ns = end_ns.saturating_sub(thread.gap_since_ns);
    if matches!(thread.run_state, run_state::BLOCKED | run_state::RUNNABLE) {
        let off_ns = end_ns.saturating_sub(thread.off_since_ns);
        if off_ns > state.wait_ns {
            state.wait_ns = off_ns;
            state.wait_stack = thread.wait_stack;
        }
    }
    RawGap {
        began_ns: thread.gap_since_ns,
        duration_ns,
        times: GapTimes::of(&closed).since(state.began),
        stack: state.stack_of_gap(duration_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_is_open_at_the_end_counts_up_to_it() {
        let thread = ThreadState {
            gap_since_ns: 1_000,
            on_cpu_ns: 700,
            blocked_ns: 50,
            state_since_ns: 1_200,
            off_since_ns: 1_200,
            wait_stack: 7,
            run_state: run_state::BLOCKED,
            ..ThreadState::default()
        };
        let state = LoopState {
            began: GapTimes {
                on_cpu_ns: 500,
                blocked_ns: 50,
                ..GapTimes::default()
            },
            sample_stack: 9,
            samples: 3,
            ..LoopState::default()
        };
        let open = LoopRecord::new(state, Some(&thread), 2_000).open.unwrap();
        assert_eq!(open.duration_ns, 1_000);
        assert_eq!((open.times.on_cpu_ns, open.times.blocked_ns), (200, 800));
        assert_eq!(open.stack, 7);
        assert!(LoopRecord::new(state, None, 2_000).open.is_none());
    }
}
