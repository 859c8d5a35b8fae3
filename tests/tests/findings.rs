//! What rules find: each in a program that is slow for that reason, and nothing of the kind in
//! programs that look alike.

use leakcpu_tests::{
    corpus::{
        labels::{self, Label},
        program::{Program, Servers},
    },
    interpreter, observe,
    problems::{Problems, until_right},
    report::{is_called, list},
};
use serde_json::Value;

/// Programs of the corpus with the rule that they raise at the function that their labels blame.
const SLOW: [(&str, &str); 7] = [
    ("async_cpu_handler", "async.cpu-in-loop"),
    ("async_blocking_http", "async.blocking-call"),
    ("async_subprocess", "async.blocking-call"),
    ("inventory_lock", "lock.contention"),
    ("cross_process_lock", "lock.contention"),
    ("object_graph", "cpu.gc-thrash"),
    ("throttled_report", "cpu.throttled"),
];

/// Programs that none of these rules has to do with: loops that only wait, or turn; threads that
/// rest, compute or fight for the GIL; one that other programs keep from a CPU.
const LOOK_ALIKES: [&str; 7] = [
    "async_lookup",
    "async_job_watch",
    "chat_server",
    "worker_pool",
    "proof_of_work",
    "parallel_scoring",
    "image_blur",
];

/// The machine may be busy for a moment.
const TRIES: usize = 2;

/// The findings of a program; `None`, said aloud, if it cannot run here.
fn findings(all: &[Label], name: &str) -> Option<(Label, Vec<Value>)> {
    let label = all.iter().find(|label| label.name == name);
    let label = label.unwrap_or_else(|| panic!("{name} has no label"));
    let started = Program::start(interpreter::newest(), label, &mut Servers::default());
    let program = match started {
        Ok(program) => program,
        Err(why) => {
            eprintln!("SKIPPED: {name}: {why}");
            return None;
        }
    };
    let report = observe::classify(program.workload.pid, "3s", &[]);
    let found = list(report.process(program.workload.pid), "findings").to_vec();
    Some((label.clone(), found))
}

#[test]
fn what_is_slow_raises_its_rule_where_it_is() {
    let all = labels::read().expect("labels.toml is right");
    let found = until_right(TRIES, |_, problems| {
        for (name, rule) in SLOW {
            problems.about(name);
            let Some((label, found)) = findings(&all, name) else {
                continue;
            };
            let one = found.iter().find(|finding| finding["rule"] == rule);
            let Some(one) = one else {
                let rules: Vec<&Value> = found.iter().map(|finding| &finding["rule"]).collect();
                problems.add(format!("no {rule}, but {rules:?}"));
                continue;
            };
            let wanted = label.function.unwrap_or_default();
            let function = one["function"].as_str().unwrap_or_default();
            problems.check(
                is_called(function, &wanted),
                format!("{rule} in {function}, not {wanted}"),
            );
            problems.check(!list(one, "evidence").is_empty(), "no evidence");
            let ns = one["recoverable_ns_per_s"].as_i64().unwrap_or(0);
            problems.check(ns > 50_000_000, format!("{ns} ns a second to win"));
        }
    });
    found.finish();
}

#[test]
fn look_alikes_raise_none_of_them() {
    let all = labels::read().expect("labels.toml is right");
    let mut problems = Problems::new();
    for name in LOOK_ALIKES {
        problems.about(name);
        let Some((_, found)) = findings(&all, name) else {
            continue;
        };
        for finding in found {
            let is_one = SLOW.iter().any(|(_, rule)| finding["rule"] == *rule);
            problems.check(!is_one, finding.to_string());
        }
    }
    problems.finish();
}
