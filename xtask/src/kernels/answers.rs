//! What the checks answered on one kernel.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::boot::{Output, last_lines};
use crate::{
    table::{probes::Price, reasons::Row},
    tally::Tally,
};

/// The last line: without it the machine ended before the checks did.
pub const END: &str = "{\"end\": true}\n";

/// The first line.
pub fn begin(release: &str) -> String {
    format!("{{\"release\": \"{release}\"}}\n")
}

/// A line.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Begin {
        release: String,
    },
    Check {
        check: String,
        answer: Kind,
        why: String,
    },
    End {
        end: bool,
    },
    Reason(Row),
    Price(Price),
}

/// How a check ended.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It works.
    Yes,
    /// It does not.
    No,
    /// The kernel or the host lacks something.
    Skipped,
}

/// One check's answer.
pub struct Answer {
    /// The check.
    pub check: String,
    /// How it ended.
    pub kind: Kind,
    /// What is wrong or lacking.
    pub why: String,
}

/// All answers on one kernel, in the order in which they were given.
pub struct Answers {
    /// As the table calls the kernel.
    pub name: String,
    /// As it calls itself; empty if it did not get as far.
    pub release: String,
    /// Of the checks that ended.
    pub checks: Vec<Answer>,
    /// What the check of reasons found, wait by wait.
    pub reasons: Vec<Row>,
    /// What listening at probes takes, way by way.
    pub prices: Vec<Price>,
    /// Whether all checks ran.
    pub is_whole: bool,
    console: String,
}

impl Answers {
    /// Reads what a run left.
    pub fn read(name: &str, output: &Output) -> Result<Self> {
        let file = &output.answers;
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut all = Self::parse(name, &text);
        all.console = last_lines(&output.console);
        Ok(all)
    }

    fn parse(name: &str, text: &str) -> Self {
        let mut all = Self {
            name: name.to_owned(),
            release: String::new(),
            checks: Vec::new(),
            reasons: Vec::new(),
            prices: Vec::new(),
            is_whole: false,
            console: String::new(),
        };
        // Half a line is what a machine leaves that is turned off.
        for line in text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
        {
            match line {
                Line::Begin { release } => all.release = release,
                Line::Check { check, answer, why } => all.checks.push(Answer {
                    check,
                    kind: answer,
                    why,
                }),
                Line::End { end } => all.is_whole = end,
                Line::Reason(row) => all.reasons.push(row),
                Line::Price(price) => all.prices.push(price),
            }
        }
        all
    }

    /// The answer of a check.
    pub fn of(&self, check: &str) -> Option<&Answer> {
        self.checks.iter().find(|answer| answer.check == check)
    }

    /// The version, for sorting.
    pub fn version(&self) -> Vec<u32> {
        self.release
            .split(|c: char| !c.is_ascii_digit())
            .map_while(|number| number.parse().ok())
            .collect()
    }

    /// Whether every check ran and none said no.
    pub fn is_good(&self) -> bool {
        self.is_whole
            && !self.checks.is_empty()
            && self.checks.iter().all(|answer| answer.kind != Kind::No)
    }

    /// Says what is wrong, with the end of what the machine showed.
    pub fn complain(&self) {
        if self.is_good() {
            return;
        }
        eprintln!("{}: the console ends with\n{}", self.name, self.console);
        for answer in self.checks.iter().filter(|answer| answer.kind == Kind::No) {
            eprintln!("{}: {}: {}", self.name, answer.check, answer.why);
        }
    }

    /// As a sum, of `expected` checks: what gave no answer failed.
    pub fn tally(&self, expected: usize) -> Tally {
        let count = |kind| {
            self.checks
                .iter()
                .filter(|answer| answer.kind == kind)
                .count()
        };
        let missing = expected.saturating_sub(self.checks.len());
        Tally {
            passed: count(Kind::Yes) as u64,
            failed: (count(Kind::No) + missing) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Kind};

    const TEXT: &str = r#"{"release": "5.10.0-46-cloud-amd64"}
{"answer":"yes","check":"a","why":""}
{"version":"3.8.1","wait":"nap","what":"w","reason":"sleep","never":[],"own_ns":2,"reported_ns":1,"holds":true}
{"way":"one link","passing_ns":520.5,"system_call_ns":80,"places":8,"detaching_ms":24}
{"answer":"skipped","check":"b","why":"no such helper"}
{"answer":"no","check":"c","why":"wrong line"}
"#;

    #[test]
    fn a_run_that_was_cut_short_is_not_good() {
        let cut = Answers::parse("5.10", &format!("{TEXT}{{\"ans"));
        assert!(!cut.is_whole && !cut.is_good());
        assert_eq!(cut.version(), [5, 10, 0, 46]);
        assert_eq!((cut.reasons.len(), cut.prices.len()), (1, 1));
        assert_eq!(cut.of("b").map(|b| b.kind), Some(Kind::Skipped));
        let tally = cut.tally(5);
        assert_eq!((tally.passed, tally.failed), (1, 3));
    }

    #[test]
    fn a_no_is_not_good() {
        let whole = Answers::parse("5.10", &format!("{TEXT}{}", super::END));
        assert!(whole.is_whole && !whole.is_good());
    }
}
