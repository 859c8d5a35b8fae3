//! Continuous use: which threads are judged in a window of their own, and when again.

use std::collections::{HashMap, HashSet};

use super::suspects::Seen;

/// A thread that was judged is left alone for this long, twice as long after the next
/// time, and so on: it may have been busy with its start only.
const FIRST_REST_NS: u64 = 1_000_000_000;
const LONGEST_REST_NS: u64 = 60_000_000_000;
/// A thread that was not busy for so long begins anew.
const FORGOTTEN_NS: u64 = 2 * LONGEST_REST_NS;

/// When a thread that was judged may be again.
#[derive(Clone, Copy)]
struct Rest {
    /// Tells two owners of one tid apart.
    thread: u64,
    until_ns: u64,
    length_ns: u64,
    charge: Charge,
}

/// Why a thread may spin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Charge {
    /// It is on a CPU.
    Busy,
    /// It is seen in calls that may be useless, or wakes up very often.
    Calls,
}

/// Threads that may spin.
#[derive(Default)]
pub(super) struct Trials {
    /// Those that the next window is to be about ...
    accused: HashMap<u32, (Seen, Charge)>,
    /// ... and this one is, and their processes.
    on_trial: HashMap<u32, (Seen, Charge)>,
    concerned: HashSet<u32>,
    resting: HashMap<u32, Rest>,
}

impl Trials {
    /// Thread `tid` may spin.
    pub(super) fn accuse(&mut self, tid: u32, seen: Seen, charge: Charge) {
        if let Some((_, known)) = self.on_trial.get_mut(&tid) {
            *known = charge.max(*known);
        } else {
            self.accused.insert(tid, (seen, charge));
        }
    }

    /// Whether there is a thread to be judged.
    pub(super) fn are_due(&self) -> bool {
        !self.accused.is_empty()
    }

    /// The window begins in which they are looked at.
    pub(super) fn begin(&mut self) {
        self.on_trial = std::mem::take(&mut self.accused);
        self.concerned = self.on_trial.values().map(|(seen, _)| seen.pid).collect();
    }

    /// Whether the window's profile is to have this process.
    pub(super) fn concern(&self, pid: u32) -> bool {
        self.concerned.contains(&pid)
    }

    /// They have been judged.
    pub(super) fn end(&mut self, now_ns: u64) {
        self.resting
            .retain(|_, rest| now_ns < rest.until_ns.saturating_add(FORGOTTEN_NS));
        for (tid, (seen, charge)) in self.on_trial.drain() {
            let before = self.resting.get(&tid);
            let same = before.filter(|rest| rest.thread == seen.start_boottime_ns);
            let length_ns = same.map_or(FIRST_REST_NS, |same| {
                same.length_ns.saturating_mul(2).min(LONGEST_REST_NS)
            });
            let rest = Rest {
                thread: seen.start_boottime_ns,
                until_ns: now_ns.saturating_add(length_ns),
                length_ns,
                charge,
            };
            self.resting.insert(tid, rest);
        }
        self.concerned.clear();
    }

    /// Whether a thread was not judged just now, or not on that charge.
    pub(super) fn may_be_tried(&self, tid: u32, seen: &Seen, charge: Charge) -> bool {
        self.resting.get(&tid).is_none_or(|rest| {
            rest.thread != seen.start_boottime_ns
                || seen.at_ns >= rest.until_ns
                || charge > rest.charge
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64, start_boottime_ns: u64) -> Seen {
        Seen {
            pid: 7,
            start_boottime_ns,
            at_ns: seconds * SECOND,
            ..Seen::default()
        }
    }

    fn judge(trials: &mut Trials, seen: Seen) {
        trials.accuse(8, seen, Charge::Busy);
        assert!(trials.are_due());
        trials.begin();
        assert!(trials.concern(7) && !trials.are_due());
        trials.end(seen.at_ns);
        assert!(!trials.concern(7));
    }

    #[test]
    fn a_thread_that_was_judged_is_left_alone_longer_each_time() {
        let mut trials = Trials::default();
        let mut now = 10;
        for rest in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(trials.may_be_tried(8, &at(now, 1), Charge::Busy));
            judge(&mut trials, at(now, 1));
            let before = at(now + rest - 1, 1);
            assert!(!trials.may_be_tried(8, &before, Charge::Busy));
            assert!(
                trials.may_be_tried(8, &before, Charge::Calls),
                "a graver charge"
            );
            now += rest;
        }
        let other = at(now - 1, 2);
        assert!(
            trials.may_be_tried(8, &other, Charge::Busy),
            "another thread"
        );
        // It has done something else for long.
        now += 200;
        judge(&mut trials, at(now, 1));
        assert!(trials.may_be_tried(8, &at(now + 1, 1), Charge::Busy));
    }

    #[test]
    fn who_is_accused_meanwhile_waits_for_the_next_window() {
        let mut trials = Trials::default();
        trials.accuse(8, at(1, 1), Charge::Busy);
        trials.begin();
        trials.accuse(8, at(2, 1), Charge::Busy);
        assert!(!trials.are_due());
        trials.accuse(9, at(2, 1), Charge::Calls);
        trials.end(3 * SECOND);
        assert!(trials.are_due());
    }
}
