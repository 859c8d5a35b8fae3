//! Classes that stay what they are, from window to window.
//!
//! One window is short: a server that answers a burst, a worker between two jobs. In continuous
//! use a class is given up only for one that most of the last windows had. A busy-wait is
//! proved or not, each time anew: it is said at once, and taken back at once.

use std::collections::{BTreeMap, VecDeque};

use super::{Because, Class, Classification, Detail, Verdict};
use crate::model::{Pid, Process, Profile, Tid};

/// Windows that are remembered ...
const WINDOWS: usize = 5;
/// ... of which so many have to agree on another class than the one that is said.
const AGREE: usize = 3;

/// What is said of whom, and what the last windows were called.
#[derive(Debug, Default)]
pub struct Steady {
    known: BTreeMap<Who, Label>,
}

/// A process, or a thread of it; when it began tells it from others with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    pid: Pid,
    start_boottime_ns: Option<u64>,
    thread: Option<Tid>,
}

#[derive(Debug)]
struct Label {
    class: Class,
    detail: Option<Detail>,
    otherwise: Option<Class>,
    recent: VecDeque<Class>,
    /// It was in the last window.
    is_there: bool,
}

impl Steady {
    /// Takes in a window's verdicts on processes and threads, and makes them what is to be
    /// said of these. `classification` is of `profile`.
    pub fn settle(&mut self, profile: &Profile, classification: &mut Classification) {
        for label in self.known.values_mut() {
            label.is_there = false;
        }
        for (process, verdicts) in profile.processes.iter().zip(&mut classification.processes) {
            self.settle_one(Who::of(process, None), &mut verdicts.verdict);
            for (thread, verdict) in process.threads.iter().zip(&mut verdicts.threads) {
                self.settle_one(Who::of(process, Some(thread.tid)), verdict);
            }
        }
        self.known.retain(|_, label| label.is_there);
    }

    fn settle_one(&mut self, who: Who, verdict: &mut Verdict) {
        let label = self.known.entry(who).or_insert_with(|| Label::of(verdict));
        label.is_there = true;
        label.settle(verdict);
    }
}

impl Who {
    const fn of(process: &Process, thread: Option<Tid>) -> Self {
        Self {
            pid: process.pid,
            start_boottime_ns: process.start_boottime_ns,
            thread,
        }
    }
}

impl Label {
    fn of(verdict: &Verdict) -> Self {
        Self {
            class: verdict.class,
            detail: verdict.detail,
            otherwise: verdict.otherwise,
            recent: VecDeque::new(),
            is_there: true,
        }
    }

    fn settle(&mut self, verdict: &mut Verdict) {
        if self.recent.len() == WINDOWS {
            self.recent.pop_front();
        }
        self.recent.push_back(verdict.class);
        let windows_of = |class: Class| self.recent.iter().filter(|c| **c == class).count();
        if verdict.class == self.class
            || matches!(self.class, Class::BusyWaiting | Class::Unknown)
            || verdict.class == Class::BusyWaiting
            || windows_of(verdict.class) >= AGREE
        {
            self.class = verdict.class;
            self.detail = verdict.detail;
            self.otherwise = verdict.otherwise;
            return;
        }
        let agreeing = windows_of(self.class);
        let windows = self.recent.len();
        let held = Because {
            text: format!(
                "{} in {agreeing} of the last {windows} windows; this one alone is {}",
                self.class, verdict.class
            ),
            name: "windows_agreeing",
            value: agreeing as f64,
            unit: "count",
        };
        verdict.because.insert(0, held);
        verdict.class = self.class;
        verdict.detail = self.detail;
        verdict.otherwise = self.otherwise;
        verdict.confidence = verdict.confidence.min(agreeing as f64 / windows as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(class: Class) -> Verdict {
        Verdict {
            class,
            detail: None,
            confidence: 0.9,
            otherwise: None,
            shares: BTreeMap::new(),
            blame: None,
            because: Vec::new(),
        }
    }

    /// What is said of windows that were called this, one after the other.
    fn said(windows: &[Class]) -> Vec<Class> {
        let mut label = Label::of(&verdict(windows[0]));
        let settle = |class: &Class| {
            let mut verdict = verdict(*class);
            label.settle(&mut verdict);
            verdict.class
        };
        windows.iter().map(settle).collect()
    }

    use Class::{BusyWaiting, CpuBound, Idle, IoBound, Mixed, Unknown};

    #[test]
    fn a_window_or_two_change_nothing() {
        let windows = [
            IoBound, CpuBound, IoBound, CpuBound, IoBound, Mixed, CpuBound, IoBound,
        ];
        assert_eq!(said(&windows), [IoBound; 8]);
    }

    #[test]
    fn three_of_five_do() {
        let windows = [Idle, CpuBound, IoBound, CpuBound, CpuBound, Idle];
        assert_eq!(said(&windows), [Idle, Idle, Idle, Idle, CpuBound, CpuBound]);
    }

    #[test]
    fn a_busy_wait_is_said_and_taken_back_at_once() {
        let windows = [IoBound, BusyWaiting, IoBound, BusyWaiting, CpuBound];
        assert_eq!(said(&windows), windows);
    }

    #[test]
    fn too_little_is_no_class_to_stay_with() {
        let windows = [Unknown, CpuBound, Unknown, CpuBound];
        assert_eq!(said(&windows), [Unknown, CpuBound, CpuBound, CpuBound]);
    }

    #[test]
    fn what_is_held_says_so_and_is_less_sure() {
        let mut label = Label::of(&verdict(IoBound));
        label.settle(&mut verdict(IoBound));
        let mut held = verdict(CpuBound);
        label.settle(&mut held);
        assert_eq!(held.class, IoBound);
        assert!((held.confidence - 0.5).abs() < 1e-9);
        assert_eq!(
            held.because[0].text,
            "io-bound in 1 of the last 2 windows; this one alone is cpu-bound"
        );
    }
}
