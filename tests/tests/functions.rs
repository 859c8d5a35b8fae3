//! `pyobserve functions`: calls and lines by the interpreters' own probes, beside what
//! `sys.setprofile` and `sys.settrace` see in a twin of the program, and its own counter.

use std::{collections::BTreeMap, process::Command};

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe::{self, Outcome},
    probe_places::{Places, fixed, settled},
    problems::{Problems, until_right},
    report::{list, ns, text},
    workload::Workload,
};
use serde_json::Value;
use tempfile::TempDir;

const SCRIPT: &str = "functions.py";

/// A version that has the probe, by its minor number.
fn with_probe(name: &str) -> Vec<(&'static Interpreter, u32)> {
    let mut found = Vec::new();
    for python in interpreter::all() {
        if garbage::notes(python).find("python", name).is_some() {
            let minor = python.version.split('.').nth(1);
            let minor = minor.and_then(|minor| minor.parse().ok());
            found.push((python, minor.expect("a version has a minor number")));
        }
    }
    if found.is_empty() {
        eprintln!("SKIPPED: no interpreter here has the probe {name}");
    }
    found
}

/// Watches the workload while it calls everything once.
fn watch(python: &Interpreter, more: &[&str]) -> Outcome {
    let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
    let pid = workload.pid.to_string();
    let mut words = vec!["functions", "-p", &pid, "-d", "5m", "--json", "--exact"];
    words.extend(more);
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    workload.go();
    workload.next_line();
    let outcome = running.interrupt();
    workload.finish();
    outcome
}

/// The one process of the report.
fn only(outcome: &Outcome) -> Value {
    let line = outcome.stdout.lines().last();
    let document = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
    let document = document.unwrap_or_else(|| panic!("{outcome:?}"));
    let processes = list(&document, "processes");
    assert_eq!(processes.len(), 1, "{document}");
    processes[0].clone()
}

/// What a twin of the program counted.
fn truth(python: &Interpreter, mode: &str) -> BTreeMap<String, i64> {
    let twin = Workload::start(python, SCRIPT, &[mode]);
    let counts = twin.ready["truth"].as_object().expect("it tells");
    let counts = counts
        .iter()
        .map(|(name, count)| (name.clone(), count.as_i64().expect("a count")))
        .collect();
    twin.finish();
    counts
}

/// The rows of the workload's own functions.
fn own_rows(process: &Value) -> impl Iterator<Item = &Value> {
    list(process, "functions").iter().filter(|row| {
        let file = text(row, "file");
        file.ends_with(SCRIPT) || file.ends_with("forks_calls.py") || file == "<made>"
    })
}

/// Calls by name and first line.
fn calls(process: &Value) -> BTreeMap<String, i64> {
    let mut calls = BTreeMap::new();
    for row in own_rows(process) {
        let name = text(row, "name").rsplit('.').next().unwrap_or("");
        let count = ns(row, "ncalls");
        // Those that only were on a stack.
        if count > 0 {
            *calls
                .entry(format!("{name}:{}", ns(row, "first_line")))
                .or_default() += count;
        }
    }
    calls
}

/// How often the interpreter said that a probe fired.
fn fired(process: &Value, probe: &str) -> i64 {
    let probes = list(&process["process"]["python"], "usdt");
    let one = probes.iter().find(|one| text(one, "probe") == probe);
    one.map_or(0, |one| ns(one, "fired"))
}

#[test]
fn calls_are_those_that_a_profile_function_of_the_program_sees() {
    let mut problems = Problems::new();
    for (python, minor) in with_probe("function__return") {
        problems.about(python);
        let truth = truth(python, "twin");
        problems.equal("calls of recursive()", &truth["recursive:23"], &1973);
        let outcome = watch(python, &[]);
        problems.check(
            outcome.stderr.contains("three to twenty times slower"),
            format!("its price is not said before: {}", outcome.stderr),
        );
        let process = only(&outcome);
        let mut told = calls(&process);
        // It was running when it was armed, and its end is not watched.
        told.remove("main:165");
        problems.equal("calls", &told, &truth);
        let calls = &process["calls"];
        problems.equal("source", &calls["source"], &"counted".into());
        problems.check(ns(calls, "lost_ns") > 0, "nothing was lost");
        let all: i64 = list(&process, "functions")
            .iter()
            .map(|row| ns(row, "ncalls"))
            .sum();
        problems.equal("calls without a name", &ns(calls, "unnamed"), &0);
        let more = fired(&process, "function__return") - all;
        problems.equal("returns too many", &more, &ns(calls, "of_interpreter"));
        if minor >= 15 {
            // Constructors that are specialised return once more.
            problems.check(more >= 800, format!("{more} returns too many"));
        } else {
            problems.equal("returns too many", &more, &0);
        }
    }
    problems.finish();
}

#[test]
fn lines_are_those_that_a_trace_function_of_the_program_sees() {
    let mut problems = Problems::new();
    for (python, minor) in with_probe("line") {
        problems.about(python);
        let mut truth = truth(python, "lines");
        let process = only(&watch(python, &["--usdt", "line"]));
        let mut told: BTreeMap<String, i64> = BTreeMap::new();
        for row in own_rows(&process).filter(|row| text(row, "file") != "<made>") {
            for line in list(row, "lines") {
                let name = ns(line, "line").to_string();
                *told.entry(name).or_default() += ns(line, "count");
            }
        }
        // Of `main()`, which the twin does not trace.
        told.retain(|line, _| line.parse::<u32>().is_ok_and(|line| line < 110));
        if minor == 11 {
            // Code on the line of a `def` fires none.
            problems.equal("lines of short()", &told.get("45"), &None);
            truth.remove("45");
            // Lines that wait for a coroutine fire once more when that goes on.
            for awaiting in ["67", "72"] {
                *truth.get_mut(awaiting).expect("it was begun") += 40;
            }
        }
        problems.equal("lines", &told, &truth);
        let ncalls = own_rows(&process).find(|row| !row["ncalls"].is_null());
        problems.check(ncalls.is_none(), format!("nobody counted {ncalls:?}"));
    }
    problems.finish();
}

/// What moments say of a program that calls all the time.
struct Told {
    /// Calls of `counted()` a second.
    a_second: f64,
    /// Those by the program's own counter.
    in_truth: f64,
    /// By how much the first may be wrong, as it is said.
    uncertainty: f64,
    /// Calls of `half()` for each of `counted()`, which makes two.
    halves: f64,
    /// The share of its time that the program lost.
    lost: f64,
    /// The share of it in which calls were counted.
    armed: f64,
}

/// Of a program that does so much between two calls.
fn in_moments(python: &Interpreter, size: &str, seconds: &str) -> Told {
    let mut workload = Workload::start(python, SCRIPT, &["forever", size]);
    let pid = workload.pid.to_string();
    let words = [
        "functions",
        "-p",
        &pid,
        "-d",
        seconds,
        "--json",
        "--usdt",
        "calls",
    ];
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    workload.go();
    let before = workload.next_line();
    let outcome = running.wait();
    workload.go();
    let after = workload.next_line();
    workload.finish();
    let process = only(&outcome);
    let calls_of = |name: &str| {
        let row = own_rows(&process).find(|row| text(row, "name") == name);
        let row = row.unwrap_or_else(|| panic!("no {name}() in {process}"));
        ns(row, "ncalls") as f64
    };
    let calls = &process["calls"];
    let watched_ns = ns(calls, "watched_ns") as f64;
    let took_s = (ns(&after, "at_ns") - ns(&before, "at_ns")) as f64 / 1e9;
    let true_calls = (ns(&after, "called") - ns(&before, "called")) as f64;
    Told {
        a_second: calls_of("counted") / watched_ns * 1e9,
        in_truth: true_calls / took_s,
        uncertainty: calls["uncertainty"].as_f64().expect("a number"),
        halves: calls_of("half") / calls_of("counted"),
        lost: ns(calls, "lost_ns") as f64 / watched_ns,
        armed: ns(calls, "armed_ns") as f64 / watched_ns,
    }
}

/// Whether what moments say holds.
fn check_moments(python: &Interpreter, size: &str, problems: &mut Problems) -> Told {
    let told = in_moments(python, size, "4s");
    let text = format!(
        "{size}: {:.0} calls a second (±{:.2}), {:.0} in truth; {:.3} halves each; {:.4} lost, {:.3} \
         armed",
        told.a_second, told.uncertainty, told.in_truth, told.halves, told.lost, told.armed
    );
    eprintln!("{python}: {text}");
    // What is not known of the loss, and a moment's own chance.
    let most = (1.0 + told.uncertainty) * 1.1;
    let ratio = told.a_second / told.in_truth;
    problems.check(ratio <= most && ratio >= 1.0 / most, &text);
    problems.check(told.uncertainty < 1.5, &text);
    problems.check((told.halves - 2.0).abs() < 0.05, &text);
    problems.check(told.lost <= 0.01, &text);
    told
}

/// A machine that stands still within one of the moments, which last a few milliseconds, makes
/// that one wrong.
#[test]
fn moments_tell_how_often_and_cost_no_more_than_they_may() {
    let mut problems = Problems::new();
    for (python, _) in with_probe("function__return") {
        let wrong = until_right(3, |_, problems| {
            check_moments(python, "300", problems);
        });
        problems.about(python);
        problems.join(wrong);
    }
    problems.finish();
}

#[test]
fn who_calls_less_is_listened_at_for_longer() {
    let Some((python, _)) = with_probe("function__return").pop() else {
        return;
    };
    let mut problems = Problems::new();
    // Some ten thousand calls a second, and some hundred.
    for (size, least_armed) in [("5000", 0.02), ("500000", 0.8)] {
        problems.join(until_right(3, |_, problems| {
            let told = check_moments(python, size, problems);
            let armed = told.armed;
            problems.check(armed >= least_armed, format!("{size}: armed for {armed}"));
        }));
    }
    problems.finish();
}

#[test]
fn the_file_is_one_that_pstats_reads() {
    let mut problems = Problems::new();
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("functions.pstats");
    let python = interpreter::newest();
    let mut workload = Workload::start(python, SCRIPT, &["forever"]);
    let pid = workload.pid.to_string();
    let mut command = observe::command(&["functions", "-p", &pid, "-d", "1s", "--pstats"]);
    command.arg(&file);
    let outcome = observe::finish(command);
    workload.close_stdin();
    problems.equal("exit code", &outcome.code(), &0);
    problems.check(
        outcome.stdout.contains("filename:lineno(function)"),
        &outcome.stdout,
    );
    let script = "import pstats, sys\n\
                  pstats.Stats(sys.argv[1]).sort_stats('tottime').print_stats(5)";
    let read = Command::new(python.file())
        .args(["-c", script])
        .arg(&file)
        .output()
        .expect("Python starts");
    let shown = String::from_utf8_lossy(&read.stdout).into_owned();
    problems.check(
        read.status.success() && shown.contains("(counted)") && shown.contains("(forever)"),
        format!("{shown}{}", String::from_utf8_lossy(&read.stderr)),
    );
    workload.finish();
    problems.finish();
}

/// Without probes the table has times.
#[test]
fn without_probes_calls_are_not_counted_and_that_is_said() {
    let mut problems = Problems::new();
    let without = |python: &&Interpreter| {
        python.is_local()
            && garbage::notes(python)
                .find("python", "function__return")
                .is_none()
    };
    let Some(python) = interpreter::all().into_iter().find(without) else {
        eprintln!("SKIPPED: all interpreters have probes");
        return;
    };
    let workload = Workload::start(python, SCRIPT, &["forever"]);
    let pid = workload.pid.to_string();
    let words = ["functions", "-p", &pid, "-d", "1s", "--usdt", "calls"];
    let outcome = observe::run(&words);
    problems.check(
        outcome
            .stdout
            .contains("this interpreter has no probes of calls"),
        &outcome.stdout,
    );
    workload.finish();
    problems.finish();
}

/// It is not watched, and is not to pay: what it meets of its parent's probes is taken away.
#[test]
fn a_child_that_is_forked_meanwhile_gets_its_places_back() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let mut workload = Workload::start::<&str>(python, "forks_calls.py", &[]);
    let before = Places::of(workload.pid, python);
    let pid = workload.pid.to_string();
    let words = [
        "functions",
        "-p",
        &pid,
        "-d",
        "5m",
        "--json",
        "--exact",
        "--usdt",
        "calls",
    ];
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    let armed = Places::of(workload.pid, python);
    problems.equal("semaphores that are raised", &armed.raised(), &1);
    workload.go();
    let child = ns(&workload.next_line(), "child");
    let child = u32::try_from(child).expect("it is a pid");
    let back = settled(|| (Places::of(child, python) == before).then_some(()));
    problems.check(back.is_some(), "the child's places are not its own");
    let parents = Places::of(workload.pid, python);
    problems.equal("the parent's meanwhile", &parents, &armed);
    let process = only(&running.interrupt());
    let plain = own_rows(&process).find(|row| text(row, "name") == "plain");
    problems.equal("calls", &plain.map(|row| ns(row, "ncalls")), &Some(1000));
    problems.equal("places", &Places::of(workload.pid, python), &before);
    workload.finish();
    problems.finish();
}
