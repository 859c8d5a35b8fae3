//! The workloads of `workloads/waits`, observed group by group: each reason of blocked time
//! by a thread that proves it, and look-alikes that must not get it.

use serde_json::Value;

use crate::{
    interpreter::Interpreter,
    observe,
    problems::{Problems, until_right},
    table_rows,
    waits::{Play, waits},
    workload::Workload,
};

/// The groups of `workloads/waits`, those together that are observed at a time: what only
/// waits disturbs nobody.
pub const BATCHES: [&[&str]; 4] = [
    &["sleeping", "pipes", "network", "polling", "locks", "native"],
    &["children", "spawning"],
    &["disk", "no_disk"],
    &["gil"],
];

/// How often groups are observed at most.
const TRIES: usize = 3;

/// Observes groups at a time, again if something was wrong: on a busy machine a thread may be
/// kept from reading its own clocks. Their rows go to the table's file; returns how many
/// there are.
pub fn observe_until_right(
    python: &Interpreter,
    groups: &[&str],
    play: Play,
    problems: &mut Problems,
) -> usize {
    let names = groups.join(", ");
    let mut rows = Vec::new();
    let wrong = until_right(TRIES, |attempt, wrong| {
        if attempt > 0 {
            eprintln!("AGAIN: {python} {names}");
        }
        rows = observe_groups(python, groups, play, wrong);
    });
    rows.iter().for_each(table_rows::write);
    if wrong.count() > 0 {
        let first = wrong.first().unwrap_or_default();
        problems.add(format!(
            "{python} {names}: {} problems, the first: {first}",
            wrong.count()
        ));
    }
    rows.len()
}

/// A process for each.
fn observe_groups(
    python: &Interpreter,
    groups: &[&str],
    play: Play,
    problems: &mut Problems,
) -> Vec<Value> {
    let workloads: Vec<Workload> = groups
        .iter()
        .map(|group| Workload::start(python, "reasons.py", &[group]))
        .collect();
    let pids: Vec<u32> = workloads.iter().map(|workload| workload.pid).collect();
    let report = observe::classify_all(&pids, "2500ms", &[]);
    let mut rows = Vec::new();
    for workload in workloads {
        let (pid, ready) = (workload.pid, workload.ready.clone());
        let last = workload.finish();
        let waits = waits(report.process(pid), report.window().1, &ready, &last);
        for wait in waits.iter().filter(|wait| wait.can_be_told(play)) {
            problems.about(format!("{} {}", python.version, wait.name));
            let before = problems.count();
            wait.check(python, play, problems);
            rows.push(wait.row(python, problems.count() == before));
        }
    }
    rows
}
