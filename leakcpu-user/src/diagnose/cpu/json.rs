//! `cpu.json`: the standard library's JSON takes a large part of the CPU time.

use crate::diagnose::below::{self, Advice, called, on_cpu};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::model::{Frame, Function, Process, Stack};

/// Files of the module; what it does in C is native code below them.
const FILES: [&str; 4] = [
    "/json/encoder.py",
    "/json/decoder.py",
    "/json/scanner.py",
    "/json/__init__.py",
];

/// Where installed packages are, some of which have a module json of their own.
const INSTALLED: [&str; 2] = ["/site-packages/", "/dist-packages/"];

/// The rule.
pub struct Json;

impl Rule for Json {
    fn name(&self) -> &'static str {
        "cpu.json"
    }

    fn about(&self) -> &'static str {
        "Reading and writing JSON with the standard library takes a large part of the CPU time."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A service computes all the time, and only passes data on.",
            evidence: "Samples in the module json, its C code included, below one function of the program.",
            needs: "Samples of Python frames.",
            fix: "Parse and serialise once and keep the result, and only what is needed. orjson does the same several times faster; it returns bytes and rejects NaN.",
            slow: "for client in clients:\n    client.send(json.dumps(catalogue))",
            fixed: "text = json.dumps(catalogue)    # once, or orjson.dumps(catalogue)\nfor client in clients:\n    client.send(text)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = on_cpu(case, |stack| calls_json(case.process, stack));
        let finding = |found| {
            let advice = Advice {
                doing: "reading and writing JSON",
                cause: "The standard library's json makes every value an object, or a text, one by one."
                    .to_owned(),
                fix: "parse or serialise once and keep the result, and only what is needed; orjson does the same faster (it returns bytes and rejects NaN)"
                    .to_owned(),
            };
            below::finding(
                case,
                self.name(),
                found,
                case.thresholds.library_cpu_share,
                advice,
            )
        };
        found.iter().filter_map(finding).collect()
    }
}

/// The user's own code that JSON is read or written for. A method of its own that json calls
/// for an object is its own work.
fn calls_json(process: &Process, stack: &Stack) -> Option<Frame> {
    let called = called(process, stack)?;
    let is_json = |function: &&Function| {
        FILES.iter().any(|file| function.file.ends_with(file))
            && !INSTALLED.iter().any(|mark| function.file.contains(mark))
    };
    (called.is_own && called.below.iter().any(is_json)).then_some(called.frame)
}
