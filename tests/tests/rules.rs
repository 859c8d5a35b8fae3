//! Every rule: raised by a program that is slow for its reason, in the right line, and neither by
//! the same program mended nor by those that look alike. `cargo xtask table findings` makes the
//! tables of docs/findings.md of what is found here.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use leakcpu_tests::{
    corpus::program::Servers,
    findings::{self, FIXED, Program, SLOW},
    interpreter::{self, Interpreter},
    observe,
    problems::{Problems, until_right},
    report::{Report, is_called, list},
    table_rows,
};
use pyobserve::diagnose::rule;
use serde_json::{Value, json};

/// The machine may be busy for a moment.
const TRIES: usize = 3;
/// For how long programs are watched, all modes of one at a time.
const WINDOW: &str = "2500ms";
/// What starts has started.
const SETTLE: Duration = Duration::from_millis(300);

/// One program in one mode, and what was found of it.
struct Judged<'a> {
    mode: &'a str,
    /// By its own rule.
    own: Option<Value>,
    /// By others: rule and severity.
    others: Vec<(String, String)>,
}

/// Runs a program in all of its modes; `None`, said aloud, where it cannot run.
fn judge<'a>(
    python: &Interpreter,
    program: &Program,
    modes: &[&'a str],
    servers: &mut Servers,
) -> Option<Vec<Judged<'a>>> {
    // Who waits for others does not wait for them to make room for his like.
    let at_once = if program.rule.starts_with("io.") {
        1
    } else {
        modes.len()
    };
    let mut all = Vec::new();
    for modes in modes.chunks(at_once.max(1)) {
        all.extend(judge_at_once(python, program, modes, servers)?);
    }
    Some(all)
}

fn judge_at_once<'a>(
    python: &Interpreter,
    program: &Program,
    modes: &[&'a str],
    servers: &mut Servers,
) -> Option<Vec<Judged<'a>>> {
    let mut running = Vec::new();
    for mode in modes.iter().copied() {
        let started = catch_unwind(AssertUnwindSafe(|| program.start(python, mode, servers)));
        match started.unwrap_or_else(|_| Err("it did not start".to_owned())) {
            Ok(workload) => running.push((mode, workload)),
            Err(why) => {
                eprintln!(
                    "SKIPPED: {} {mode} on {}: {why}",
                    program.name, python.version
                );
                return None;
            }
        }
    }
    std::thread::sleep(SETTLE);
    let pids: Vec<u32> = running.iter().map(|(_, workload)| workload.pid).collect();
    let report = observe::classify_all(&pids, WINDOW, &["--all-findings"]);
    let judged = running
        .iter()
        .map(|(mode, workload)| of_mode(program, mode, &report, workload.pid))
        .collect();
    Some(judged)
}

fn of_mode<'a>(program: &Program, mode: &'a str, report: &Report, pid: u32) -> Judged<'a> {
    let found = list(report.process(pid), "findings");
    let is_own = |finding: &&Value| finding["rule"] == program.rule;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Judged {
        mode,
        own: found.iter().find(is_own).cloned(),
        others: found
            .iter()
            .filter(|finding| !is_own(finding))
            .map(|finding| (text(&finding["rule"]), text(&finding["severity"])))
            .collect(),
    }
}

/// What is wrong with what was found of one mode.
fn check(program: &Program, judged: &Judged<'_>, problems: &mut Problems) {
    problems.about(format!("{} {}", program.name, judged.mode));
    if judged.mode != SLOW || program.missing.is_some() {
        let own = judged.own.as_ref();
        problems.check(own.is_none(), format!("{own:?}"));
        return;
    }
    let Some(own) = &judged.own else {
        problems.add(format!("no {}, but {:?}", program.rule, judged.others));
        return;
    };
    let function = own["function"].as_str().unwrap_or_default();
    problems.check(
        is_called(function, &program.function),
        format!("in {function}, not {}", program.function),
    );
    let lines = program.lines().expect("its program is there");
    let line = own["line"].as_u64().unwrap_or(0);
    problems.check(
        lines.iter().any(|marked| u64::from(*marked) == line),
        format!("line {line} is none of {lines:?}"),
    );
    problems.check(!list(own, "evidence").is_empty(), "no evidence");
    let ns = own["recoverable_ns_per_s"].as_i64().unwrap_or(0);
    problems.check(ns > 0, "nothing to win");
}

/// Those whose rule is there; by the variable `PYOBSERVE_PROGRAM` only one.
fn programs() -> Vec<Program> {
    let mut all = findings::read().expect("labels.toml is right");
    if let Ok(only) = std::env::var("PYOBSERVE_PROGRAM") {
        all.retain(|program| program.name == only);
    }
    let (known, missing): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|program| rule(&program.rule).is_some());
    for program in missing {
        eprintln!(
            "SKIPPED: {}: there is no rule {} yet",
            program.name, program.rule
        );
    }
    known
}

/// What each test run has time for: waits take theirs one after the other.
fn few_modes(program: &Program) -> Vec<&str> {
    let mut modes = program.modes();
    if program.rule.starts_with("io.") && program.slow {
        modes.truncate(2);
    }
    modes
}

#[test]
fn each_rule_is_raised_by_its_program_and_by_no_other() {
    let python = interpreter::newest();
    let mut servers = Servers::default();
    let mut problems = Problems::new();
    let mut rules = BTreeSet::new();
    // One of each, for want of time.
    let programs = programs().into_iter();
    for program in programs.filter(|program| rules.insert(program.rule.clone())) {
        let found = until_right(TRIES, |_, problems| {
            let modes = few_modes(&program);
            let judged = judge(python, &program, &modes, &mut servers);
            for judged in judged.into_iter().flatten() {
                check(&program, &judged, problems);
            }
        });
        problems.join(found);
    }
    problems.finish();
}

/// Three that differ much, and the newest of all.
fn of_the_table() -> Vec<&'static Interpreter> {
    let all = interpreter::all();
    let of = |minor| all.iter().copied().find(|python| python.minor == minor);
    let mut found: Vec<&Interpreter> = [of(9), of(11), of(13), all.last().copied()]
        .into_iter()
        .flatten()
        .collect();
    found.dedup();
    found
}

#[test]
#[ignore = "slow: a quarter of an hour"]
fn each_rule_on_each_interpreter() {
    let mut servers = Servers::default();
    for python in of_the_table() {
        for program in programs() {
            let judged = judge(python, &program, &program.modes(), &mut servers);
            for judged in judged.into_iter().flatten() {
                let mut problems = Problems::new();
                check(&program, &judged, &mut problems);
                let mode = if judged.mode == SLOW && program.missing.is_some() {
                    "missing"
                } else if judged.mode == SLOW || judged.mode == FIXED {
                    judged.mode
                } else {
                    "alike"
                };
                table_rows::write(&json!({
                    "rule": program.rule,
                    "program": program.name,
                    "version": python.version,
                    "mode": mode,
                    "wrong": problems.first(),
                    "others": judged.others,
                }));
            }
        }
    }
}

#[test]
#[ignore = "slow: two minutes; figures, no judgement"]
fn what_mending_is_worth() {
    let python = interpreter::newest();
    let mut servers = Servers::default();
    let all = findings::read().expect("labels.toml is right");
    for program in all.iter().filter(|program| program.ratio) {
        match program.ratio(python, &mut servers) {
            Ok(ratio) => table_rows::write(&json!({
                "rule": program.rule,
                "program": program.name,
                "version": python.version,
                "slow_ns": ratio.slow_ns,
                "fixed_ns": ratio.fixed_ns,
            })),
            Err(why) => eprintln!("SKIPPED: {}: {why}", program.name),
        }
    }
}
