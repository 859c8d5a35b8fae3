//! The workloads of `workloads/waits`, observed group by group: each reason of blocked time
//! by a thread that proves it, and look-alikes that must not get it.

use serde_json::Value;

use crate::{
    interpreter::Interpreter,
    observe,
    problems::Problems,
    waits::{Play, waits, write},
    workload::Workload,
};

/// The groups of `workloads/waits`.
pub const GROUPS: [&str; 10] = [
    "sleeping", "children", "spawning", "pipes", "network", "polling", "locks", "native", "disk",
    "gil",
];

/// How often a group is observed at most.
const TRIES: usize = 3;

/// Observes a group, again if something was wrong: on a busy machine a thread may be kept
/// from reading its own clocks. Its rows go to the table's file; returns how many there are.
pub fn observe_until_right(
    python: &Interpreter,
    group: &str,
    play: Play,
    problems: &mut Problems,
) -> usize {
    let mut wrong = Problems::new();
    let mut rows = observe_group(python, group, play, &mut wrong);
    for _ in 1..TRIES {
        if wrong.count() == 0 {
            break;
        }
        eprintln!("AGAIN: {python} {group}");
        wrong = Problems::new();
        rows = observe_group(python, group, play, &mut wrong);
    }
    write(&rows);
    if wrong.count() > 0 {
        let first = wrong.first().unwrap_or_default();
        problems.add(format!(
            "{python} {group}: {} problems, the first: {first}",
            wrong.count()
        ));
    }
    rows.len()
}

fn observe_group(
    python: &Interpreter,
    group: &str,
    play: Play,
    problems: &mut Problems,
) -> Vec<Value> {
    let workload = Workload::start(python, "reasons.py", &[group]);
    let pid = workload.pid;
    let report = observe::classify(pid, "2500ms", &[]);
    let ready = workload.ready.clone();
    let last = workload.finish();
    let mut rows = Vec::new();
    for wait in waits(report.process(pid), report.window().1, &ready, &last) {
        problems.about(format!("{} {}", python.version, wait.name));
        let before = problems.count();
        wait.check(python, play, problems);
        rows.push(wait.row(python, problems.count() == before));
    }
    rows
}
