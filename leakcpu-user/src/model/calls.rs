//! What was called how often, as the interpreter's own probes said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FunctionId, ProbeWorth, Process, StackId, Tid, in_proportion};

/// By how much the price of a probe that fires may be wrong: it is measured on ourselves, and what
/// interpreters do to pass a probe's arguments differs by version (docs/usdt.md).
const PRICE_ERROR: f64 = 0.3;
/// The same where a program does much between its calls, in whose caches and branch predictors
/// the breakpoint leaves a wake: up to three times the price ...
const SELDOM_ERROR: f64 = 2.0;
/// ... which adds this much to the first at most.
const SELDOM_ERROR_AT_MOST: f64 = 0.15;
/// Of so many parts of the time for which calls were counted one at least is taken for the
/// target's own: where counting takes all of it, the rest is no measure.
const MAX_LOST_PARTS: u64 = 20;

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Called {
    /// Calls that ended, or went on to be resumed: generators and coroutines end one with each
    /// value.
    Function,
    /// Lines that were begun.
    Line,
}

/// How often one place in the code was passed in one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalledAt {
    /// What.
    pub what: Called,
    /// Thread.
    pub tid: Tid,
    /// Where: the innermost frame.
    pub stack: StackId,
    /// The line that was begun; `None` of a function.
    pub line: Option<u32>,
    /// How often, while somebody counted.
    pub count: u64,
}

/// What a process called while somebody counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// Places, most passed first.
    pub places: Vec<CalledAt>,
    /// Returns of frames of the interpreter's own, which are no calls: those below
    /// constructors that are specialised (3.15).
    pub of_interpreter: u64,
    /// It was counted all the time.
    pub is_exact: bool,
    /// Functions were counted; else only lines.
    pub has_functions: bool,
    /// Lines were counted.
    pub has_lines: bool,
    /// For how long the process was there.
    pub watched_ns: u64,
    /// For how long of that somebody counted.
    pub armed_ns: u64,
    /// What the process lost by that.
    pub lost_ns: u64,
}

impl Calls {
    /// What a count would be of all the time. While somebody counts, the process gets on by
    /// what is left to it only.
    pub fn of_all_the_time(&self, count: u64) -> u64 {
        if self.is_exact {
            count
        } else {
            in_proportion(count, self.watched_ns, self.own_ns())
        }
    }

    /// What was left to the process of the time for which somebody counted.
    fn own_ns(&self) -> u64 {
        let own_ns = self.armed_ns.saturating_sub(self.lost_ns);
        own_ns.max(self.armed_ns / MAX_LOST_PARTS)
    }

    /// By how much a count of all the time may be wrong for what is not known of the loss, of
    /// the count; 0 where all was counted.
    pub fn uncertainty(&self) -> f64 {
        if self.is_exact || self.armed_ns == 0 {
            return 0.0;
        }
        let lost = self.lost_ns as f64 / self.own_ns().max(1) as f64;
        (lost * SELDOM_ERROR).min(lost * PRICE_ERROR + SELDOM_ERROR_AT_MOST)
    }

    /// What the process lost, of the time that it was there.
    pub fn lost_share(&self) -> f64 {
        self.lost_ns as f64 / self.watched_ns.max(1) as f64
    }
}

/// How often what was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallTable {
    /// By function.
    pub functions: BTreeMap<FunctionId, u64>,
    /// By function and line.
    pub lines: BTreeMap<(FunctionId, u32), u64>,
    /// Calls of functions that could not be named.
    pub unnamed: u64,
}

impl Process {
    /// Whether calls are missing that no probe was passed in: counts are at least what there were.
    pub fn misses_calls(&self) -> bool {
        let probes = self.python.as_ref().and_then(|it| it.usdt.as_ref());
        probes.is_some_and(|all| {
            all.iter().any(|one| {
                one.probe == "function__return" && one.worth == Some(ProbeWorth::SomeMissing)
            })
        })
    }

    /// How often what was called, estimated where calls were not counted all the time; `None`
    /// if nobody counted.
    pub fn call_table(&self) -> Option<CallTable> {
        let calls = self.calls.as_ref()?;
        let mut table = CallTable::default();
        for at in &calls.places {
            let innermost = self.stack(at.stack).frames.first();
            let function = innermost.and_then(|frame| frame.function);
            match (at.what, function) {
                (Called::Function, None) => table.unnamed += at.count,
                (Called::Function, Some(id)) => {
                    *table.functions.entry(id).or_default() += at.count;
                }
                (Called::Line, Some(id)) => {
                    if let Some(line) = at.line {
                        *table.lines.entry((id, line)).or_default() += at.count;
                    }
                }
                (Called::Line, None) => {}
            }
        }
        let scaled = |count: &mut u64| *count = calls.of_all_the_time(*count);
        table.functions.values_mut().for_each(scaled);
        table.lines.values_mut().for_each(scaled);
        scaled(&mut table.unnamed);
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_moments_are_of_the_time_that_was_left() {
        let calls = Calls {
            watched_ns: 10_000_000_000,
            armed_ns: 100_000_000,
            lost_ns: 75_000_000,
            ..Calls::default()
        };
        assert_eq!(calls.of_all_the_time(3), 1_200);
        assert!((calls.uncertainty() - 1.05).abs() < 1e-9);
        let exact = Calls {
            is_exact: true,
            ..calls.clone()
        };
        assert_eq!(exact.of_all_the_time(3), 3);
        let overdone = Calls {
            lost_ns: 200_000_000,
            ..calls.clone()
        };
        assert_eq!(overdone.of_all_the_time(3), 6_000);
        let never = Calls {
            armed_ns: 0,
            lost_ns: 0,
            ..calls
        };
        assert_eq!(never.of_all_the_time(3), 0);
    }
}
