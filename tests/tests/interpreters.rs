//! Every interpreter in every form it may be installed in. What is found goes into the
//! table of docs/interpreters.md, which `cargo xtask table` writes.

use std::{fmt::Display, panic};

use leakcpu_tests::{
    collapsed,
    forms::Form,
    interpreter::{self, Interpreter},
    lines, observe,
    problems::Problems,
    processes,
    report::{find_function, find_thread, largest_line, list, ns, text},
    stacks::{by_thread, computes_there, frames, threads, waits_there},
    table_rows,
    workload::{self, Workload},
};
use serde_json::{Value, json};

/// Threads in the crowd.
const CROWD: &str = "50";

/// Files of the standard library for the column of the lines: the pure tests have all.
const FILES: u32 = 60;

/// In a container those that differ most; the slow group has the others there too.
#[test]
fn interpreters_as_they_are_installed() {
    let in_container = interpreter::few(interpreter::is_debian);
    rows(&[Form::Installed], |python| in_container.contains(&python));
}

#[test]
#[ignore = "slow: every form of every interpreter; `cargo xtask table` runs it"]
fn interpreters_in_every_form() {
    rows(&Form::ALL, |_| true);
}

fn rows(forms: &[Form], in_container: impl Fn(&Interpreter) -> bool) {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        for form in forms {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let name = form.name(python);
            match form.make(python, folder.path()) {
                Ok(made) => {
                    eprintln!("{} {name}: {made}", made.version);
                    let row = Row::of(&made, &name, in_container(python));
                    row.write();
                    for (column, why) in row.failed() {
                        problems.add(format!("{} {name}: {column}: {why}", made.version));
                    }
                }
                Err(why) => {
                    eprintln!("SKIPPED: {} {name}: {why}", python.version);
                    table_rows::write(
                        &json!({"version": python.version, "form": name, "skipped": why}),
                    );
                }
            }
        }
    }
    problems.finish();
}

/// What was found out about one interpreter.
struct Row {
    version: String,
    form: String,
    cells: Vec<(&'static str, Result<(), String>)>,
}

impl Row {
    fn of(python: &Interpreter, form: &str, in_container: bool) -> Self {
        let mut row = Self::new(python, form);
        row.look_at_stacks(python, ["attach", "stacks", "off-CPU stacks"]);
        row.cell("lines", |problems| lines_of(python, problems));
        row.cell("threads", |problems| crowd_on(python, problems));
        if !in_container {
            return row;
        }
        row.cell("container", |problems| {
            let inside = python.in_container();
            let mut all = Self::new(&inside, form);
            all.look_at_stacks(&inside, ["attach", "stacks", "off-CPU stacks"]);
            for (column, why) in all.failed() {
                problems.add(format!("{column}: {why}"));
            }
            crowd_on(&inside, problems);
        });
        row
    }

    fn new(python: &Interpreter, form: &str) -> Self {
        Self {
            version: python.version.clone(),
            form: form.to_owned(),
            cells: Vec::new(),
        }
    }

    /// Fills in a cell; what panics in there fails the cell and not the table.
    fn cell(&mut self, column: &'static str, check: impl FnOnce(&mut Problems)) {
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let mut problems = Problems::new();
            problems.about(column);
            check(&mut problems);
            match problems.count() {
                0 => Ok(()),
                count => Err(format!("{count} problems")),
            }
        }));
        let outcome = outcome.unwrap_or_else(|_| Err("panicked".to_owned()));
        self.cells.push((column, outcome));
    }

    /// One observation for three columns.
    fn look_at_stacks(
        &mut self,
        python: &Interpreter,
        [attach, on_cpu, off_cpu]: [&'static str; 3],
    ) {
        let waits = Workload::start(python, "stacks.py", &["waits"]);
        let spins = Workload::start(python, "stacks.py", &["spins"]);
        self.cell(attach, |problems| {
            attached(python, &waits, problems);
        });
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("stacks");
        let outcome = observe::run(&[
            "classify",
            "-p",
            &waits.pid.to_string(),
            "-p",
            &spins.pid.to_string(),
            "-d",
            "1500ms",
            "-r",
            "499",
            "--format",
            "collapsed",
            "-o",
            file.to_str().expect("a temporary path is plain text"),
        ]);
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        self.cell(on_cpu, |problems| {
            let lines = by_thread(collapsed::read(&file));
            for thread in threads(&spins) {
                about(python, text(&thread, "name"), problems);
                computes_there(&thread, &lines, &frames(&thread, 128), problems);
            }
        });
        self.cell(off_cpu, |problems| {
            let lines = by_thread(collapsed::read(&file.with_extension("off-cpu")));
            for thread in threads(&waits) {
                about(python, text(&thread, "name"), problems);
                waits_there(&thread, &lines, problems);
            }
        });
        waits.finish();
        spins.finish();
    }

    fn failed(&self) -> Vec<(&'static str, String)> {
        self.cells
            .iter()
            .filter_map(|(column, outcome)| Some((*column, outcome.clone().err()?)))
            .collect()
    }

    fn write(&self) {
        let cells: serde_json::Map<String, Value> = self
            .cells
            .iter()
            .map(|(column, outcome)| ((*column).to_owned(), outcome.is_ok().into()))
            .collect();
        table_rows::write(&json!({"version": self.version, "form": self.form, "cells": cells}));
    }
}

fn about(python: &Interpreter, what: impl Display, problems: &mut Problems) {
    problems.about(format!("{python} {what}"));
}

/// It is read, it is what it is, and its ids are right on both sides.
fn attached(python: &Interpreter, workload: &Workload, problems: &mut Problems) {
    about(python, "attach", problems);
    let report = observe::classify(workload.pid, "300ms", &[]);
    let process = report.process(workload.pid);
    problems.check(process["unreadable"].is_null(), &process["unreadable"]);
    problems.equal(
        "version",
        &process["python"]["version"].as_str(),
        &Some(&*python.version),
    );
    problems.equal("own pid", &process["ns_pid"], &workload.ready["pid"]);
    let truth = processes::ids(workload.pid).expect("it runs");
    problems.equal("pids of /proc", &truth.0, &u64::from(workload.pid));
    for thread in threads(workload) {
        match find_thread(process, ns(&thread, "tid")) {
            Some(found) => {
                problems.equal("own tid", &found["ns_tid"], &thread["own_tid"]);
            }
            None => problems.add(format!("thread {thread} is missing")),
        }
    }
}

/// Lines of code objects in the target's memory.
fn lines_of(python: &Interpreter, problems: &mut Problems) {
    about(python, "lines", problems);
    let script = workload::script("code_objects.py");
    let compared = lines::compare(python, &script, FILES, |difference| {
        problems.add(difference);
    });
    problems.check(compared.codes > 500, format!("{compared:?}"));
}

/// Every thread of a crowd by its name and its function.
fn crowd_on(python: &Interpreter, problems: &mut Problems) {
    about(python, "threads", problems);
    let workload = Workload::start(python, "crowd.py", &[CROWD]);
    let report = observe::classify(workload.pid, "500ms", &[]);
    let process = report.process(workload.pid);
    let truth = threads(&workload);
    problems.equal("threads", &truth.len().to_string().as_str(), &CROWD);
    for one in truth {
        let name = text(&one, "name");
        let Some(found) = find_thread(process, ns(&one, "tid")) else {
            problems.add(format!("{name} is missing"));
            continue;
        };
        problems.equal(name, &found["name"], &one["name"]);
        let Some(function) = find_function(process, text(&one, "function")) else {
            problems.add(format!("{name} rests nowhere"));
            continue;
        };
        problems.check(
            ns(function, "self_blocked_ns") > 250_000_000,
            format!("{name}: {function}"),
        );
        let line = largest_line(function, "blocked_ns");
        problems.equal(format!("line of {name}"), &line, &ns(&one, "line"));
    }
    let seen = list(process, "threads").len();
    problems.check(seen == 51, format!("{seen} threads instead of 51"));
    workload.finish();
}
