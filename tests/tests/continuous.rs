//! `classify --watch`: one window after the other.

use std::{thread, time::Duration};

use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    report::{Report, list, ns, sum_of_parts, text},
    workload::{self, Workload},
};
use serde_json::Value;

/// One document a line.
fn reports(stdout: &str) -> Vec<Report> {
    stdout.lines().map(Report::parse).collect()
}

/// Between the end of a window and the beginning of the next the maps are read and judged.
const MAX_GAP_NS: i64 = 500_000_000;

#[test]
fn windows_follow_each_other_and_each_accounts_for_its_time() {
    let mut problems = Problems::new();
    let start = |name: &str, args: &[&str]| Workload::start(interpreter::newest(), name, args);
    let workloads = [
        (start("compute.py", &["sieve"]), "cpu-bound"),
        (start("demo_wait.py", &[]), "io-bound"),
        (start("idle_server.py", &[]), "idle"),
        (start("demo_poll.py", &[]), "busy-waiting"),
    ];
    let pids = workloads
        .each_ref()
        .map(|(workload, _)| workload.pid.to_string());
    let mut args = vec!["classify", "--watch", "--json", "-d", "1s"];
    args.extend(pids.iter().flat_map(|pid| ["-p", pid.as_str()]));
    let running = observe::start(observe::command(&args));
    observe::until_attached(&running);
    thread::sleep(Duration::from_millis(5_300));
    let attached = running.child.id();
    let outcome = running.interrupt();
    problems.equal("exit code", &outcome.code(), &0);
    problems.equal("programs attached", &observe::links(attached), &0);
    let reports = reports(&outcome.stdout);
    problems.check(reports.len() >= 4, format!("{} windows", reports.len()));
    let mut ended_ns = None;
    for (sequence, report) in reports.iter().enumerate() {
        problems.about(format!("window {sequence}"));
        problems.equal(
            "sequence",
            &report.0["window"]["sequence"],
            &Value::from(sequence),
        );
        let (begin, end) = report.window();
        if let Some(before) = ended_ns.replace(end) {
            problems.between("between two windows", begin - before, 0, MAX_GAP_NS);
        }
        for (workload, class) in &workloads {
            problems.about(format!("window {sequence}: {}", workload.name));
            let process = report.process(workload.pid);
            for thread in list(process, "threads") {
                let time = &thread["time"];
                let wall = ns(time, "wall_ns");
                problems.near("sum of parts", sum_of_parts(time), wall, 1_000);
                problems.near("wall", wall, end - begin, 5_000_000);
                let unaccounted = ns(time, "unaccounted_ns");
                problems.between("unaccounted", unaccounted, 0, wall / 50);
            }
            // The last window may be too short to tell much.
            if end - begin >= 900_000_000 {
                problems.equal("class", &text(&process["verdict"], "class"), class);
            }
        }
    }
    problems.finish();
}

#[test]
fn a_command_is_watched_in_windows_until_it_ends() {
    let mut problems = Problems::new();
    let places = workload::script("places.py").display().to_string();
    let python = interpreter::newest().path.display().to_string();
    let outcome = observe::run(&[
        "classify", "--watch", "--json", "-d", "1s", "--", &python, &places, "brief", "2500",
    ]);
    problems.equal("exit code", &outcome.code(), &0);
    // The command's own line is the last.
    let lines = outcome
        .stdout
        .lines()
        .filter(|line| line.contains("\"kind\""));
    let reports: Vec<Report> = lines.map(Report::parse).collect();
    problems.check(reports.len() >= 3, format!("{} windows", reports.len()));
    let classes: Vec<&str> = reports
        .iter()
        .filter_map(|report| report.processes().first())
        .map(|process| text(&process["verdict"], "class"))
        .collect();
    problems.check(
        classes.iter().all(|class| *class == "cpu-bound"),
        format!("{classes:?}"),
    );
    let ended = reports.last().is_some_and(|report| {
        let mut processes = report.processes().iter();
        processes.all(|process| process["exited"] == true)
    });
    problems.check(ended, "the last window does not know that it has ended");
    let ran: i64 = reports
        .iter()
        .flat_map(Report::processes)
        .map(|process| ns(&process["time"], "on_cpu_ns"))
        .sum();
    let said = outcome.stdout.lines().find_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        value.get("cpu_ns").and_then(Value::as_i64)
    });
    let said = said.expect("the command says what it used");
    problems.between("on CPU in all windows", ran, said * 9 / 10, said * 11 / 10);
    problems.finish();
}
