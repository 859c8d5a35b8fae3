//! Every reason of blocked time: a workload that proves it, and look-alikes that must
//! not get it. What is found goes into the table of docs/reasons.md, which
//! `cargo xtask table` writes.

use std::env;

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    waits::waits,
    workload::Workload,
};

/// The groups of `workloads/waits`.
const GROUPS: [&str; 10] = [
    "sleeping", "children", "spawning", "pipes", "network", "polling", "locks", "native", "disk",
    "gil",
];

/// The oldest, Debian's, which is linked statically, and the newest.
fn interpreters() -> Vec<&'static Interpreter> {
    let all = interpreter::all();
    let debian = all
        .iter()
        .find(|python| python.is_local() && python.path.starts_with("/usr/bin"));
    let mut few: Vec<&Interpreter> = [all.first(), debian, all.last()]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    few.dedup();
    few
}

#[test]
fn every_reason_and_its_look_alikes() {
    let mut problems = Problems::new();
    // Some of them, to look at one thing.
    let only = env::var("PYOBSERVE_GROUPS").ok();
    for python in interpreters() {
        for group in GROUPS {
            if only.as_ref().is_some_and(|only| !only.split(',').any(|one| one == group)) {
                continue;
            }
            eprintln!("{python} {group}");
            group_on(python, group, &mut problems);
        }
    }
    problems.finish();
}

fn group_on(python: &Interpreter, group: &str, problems: &mut Problems) {
    let workload = Workload::start(python, "reasons.py", &[group]);
    let pid = workload.pid;
    let report = observe::classify(pid, "2500ms", &[]);
    let ready = workload.ready.clone();
    let last = workload.finish();
    for wait in waits(report.process(pid), report.window().1, &ready, &last) {
        problems.about(format!("{} {}", python.version, wait.name));
        let before = problems.count();
        wait.check(python, problems);
        wait.write(python, problems.count() == before);
    }
}
