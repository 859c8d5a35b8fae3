//! Checks that do not stop at the first failure: a run under observation is dear,
//! so everything that is wrong with it is said at once.

use std::fmt::{self, Display};

/// What was found wrong so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<String>,
    context: String,
}

impl Problems {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names what is checked from here on.
    pub fn about(&mut self, context: impl Display) {
        self.context = context.to_string();
    }

    /// Notes a problem.
    pub fn add(&mut self, what: impl Display) {
        let text = if self.context.is_empty() {
            what.to_string()
        } else {
            format!("{}: {what}", self.context)
        };
        // In the log right away: what follows may panic.
        eprintln!("PROBLEM {text}");
        self.found.push(text);
    }

    /// Notes a problem unless `holds`.
    pub fn check(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.add(what);
        }
    }

    /// Notes a problem unless both are equal.
    pub fn equal<T: PartialEq + fmt::Debug>(&mut self, what: impl Display, got: &T, want: &T) {
        if got != want {
            self.add(format!("{what} is {got:?}, not {want:?}"));
        }
    }

    /// Notes a problem unless `got` is within `tolerance` nanoseconds of `want`.
    pub fn near(&mut self, what: impl Display, got: i64, want: i64, tolerance: i64) {
        if (got - want).abs() > tolerance {
            self.add(format!(
                "{what} is {} ms, the truth {} ms: off by {}, allowed {}",
                ms(got),
                ms(want),
                ms(got - want),
                ms(tolerance)
            ));
        }
    }

    /// Notes a problem unless `low <= got <= high`, in nanoseconds.
    pub fn between(&mut self, what: impl Display, got: i64, low: i64, high: i64) {
        if got < low || got > high {
            self.add(format!(
                "{what} is {} ms, not between {} and {} ms",
                ms(got),
                ms(low),
                ms(high)
            ));
        }
    }

    /// Adds what was found wrong elsewhere.
    pub fn join(&mut self, other: Self) {
        for text in other.found {
            self.add(text);
        }
    }

    /// How much was found wrong.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// What was found wrong first.
    pub fn first(&self) -> Option<&str> {
        self.found.first().map(String::as_str)
    }

    /// Fails the test if anything was noted.
    pub fn finish(self) {
        assert!(
            self.found.is_empty(),
            "{} problems:\n{}",
            self.found.len(),
            self.found.join("\n")
        );
    }
}

/// Checks what others may disturb again until nothing is wrong, `tries` times at most, of
/// which `check` is told the number; what was wrong the last time.
pub fn until_right(tries: usize, mut check: impl FnMut(usize, &mut Problems)) -> Problems {
    let mut wrong = Problems::new();
    for attempt in 0..tries {
        wrong = Problems::new();
        check(attempt, &mut wrong);
        if wrong.count() == 0 {
            break;
        }
    }
    wrong
}

/// Nanoseconds as milliseconds with two decimals.
fn ms(ns: i64) -> String {
    format!("{:.2}", ns as f64 / 1e6)
}
