//! What is said of programs that are known to be well made: accusations, which have to have a
//! reason that somebody has written down.

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::report::{Report, list, text};

/// An accusation that was judged right: the program, a part of what is said, and why.
pub type Judged = (&'static str, &'static str, &'static str);

/// What was said of one window.
#[derive(Debug, Default)]
pub struct Said {
    /// Processes, threads and findings that say busy-waiting.
    pub spins: Vec<String>,
    /// Other findings of high severity.
    pub high: Vec<String>,
}

impl Said {
    /// What a report says, of all its processes.
    pub fn of(report: &Report) -> Self {
        let mut said = Self::default();
        for process in list(&report.0, "processes") {
            said.add(process);
        }
        said
    }

    fn add(&mut self, process: &Value) {
        let threads = list(process, "threads").iter();
        let verdicts = threads.map(|thread| ("thread", &thread["verdict"]));
        for (what, verdict) in verdicts.chain([("process", &process["verdict"])]) {
            if text(verdict, "class") == "busy-waiting" {
                self.spins.push(format!(
                    "{what} is {}, {}",
                    verdict["detail"], verdict["blame"]
                ));
            }
        }
        for finding in list(process, "findings") {
            let one = format!(
                "{} in {} {}:{}",
                finding["rule"], finding["function"], finding["file"], finding["line"]
            );
            if text(finding, "rule").starts_with("busy-wait.") {
                self.spins.push(one);
            } else if text(finding, "severity") == "high" {
                self.high.push(one);
            }
        }
    }
}

/// How many were accused, and how many of those rightly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// All.
    pub all: usize,
    /// Those with a reason.
    pub rightly: usize,
}

impl Count {
    /// Counts what was said of `program`; the lines that tell it, with the reasons.
    pub fn add(&mut self, program: &str, said: &[String], judged: &[Judged]) -> Vec<String> {
        let lines = said.iter().map(|one| {
            let mut judged = judged.iter();
            let reason = judged.find(|(of, part, _)| *of == program && one.contains(part));
            self.all += 1;
            self.rightly += usize::from(reason.is_some());
            let reason = reason.map_or("FALSE, or to be judged", |(_, _, why)| why);
            format!("    {one}: {reason}")
        });
        lines.collect()
    }

    /// Whether nobody is accused without a reason.
    pub const fn is_right(&self) -> bool {
        self.all == self.rightly
    }
}

/// A line for whoever runs this.
pub fn say(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush().context("cannot write to stdout")
}

/// How a program ends that has found nobody accused wrongly, or somebody, or could not find out.
pub fn exit(is_right: Result<bool>) -> ExitCode {
    match is_right {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn accusations_need_a_reason_of_their_program() {
        let report = json!({"processes": [{
            "verdict": {"class": "cpu-bound"},
            "threads": [{"verdict": {"class": "busy-waiting", "detail": null, "blame": "spin"}}],
            "findings": [
                {"rule": "cpu.json", "severity": "high", "function": "load"},
                {"rule": "cpu.exceptions", "severity": "medium"},
                {"rule": "busy-wait.flag-spin", "severity": "low"},
            ],
        }]});
        let said = Said::of(&Report(report));
        assert_eq!((said.spins.len(), said.high.len()), (2, 1));
        let judged = [("shop", "cpu.json", "it does nothing else")];
        let mut count = Count::default();
        assert!(count.add("shop", &said.high, &judged)[0].ends_with("nothing else"));
        assert!(count.is_right());
        assert!(count.add("other", &said.high, &judged)[0].contains("to be judged"));
        assert!(!count.is_right());
    }
}
