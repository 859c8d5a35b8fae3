//! Verdicts: every workload states its truth, and the report shows it.

use std::path::Path;

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, is_called, ns, text},
    workload::{self, Workload},
};
use serde_json::Value;

const DEMOS: [&str; 5] = [
    "demo_cpu.py",
    "demo_gil.py",
    "demo_idle.py",
    "demo_poll.py",
    "demo_wait.py",
];

#[test]
fn the_demos_get_the_verdicts_they_state() {
    let mut problems = Problems::new();
    for name in DEMOS {
        problems.about(name);
        let workload = Workload::start::<&str>(interpreter::newest(), name, &[]);
        verdict(&workload, &mut problems);
        answered_by_the_text(&workload, &mut problems);
        let own = workload.finish();
        problems.check(ns(&own, "wall_ns") > 0, "it measured nothing");
    }
    problems.finish();
}

#[test]
fn pollers_are_caught_on_the_oldest_interpreter_too() {
    let mut problems = Problems::new();
    for name in ["demo_poll.py", "recv_spin.py", "micro_sleep.py"] {
        check(interpreter::oldest(), name, &[], &mut problems);
    }
    problems.finish();
}

#[test]
fn many_ways_to_ask_in_vain_are_busy_waiting() {
    let mut problems = Problems::new();
    for name in ["recv_spin.py", "micro_sleep.py"] {
        check(interpreter::newest(), name, &[], &mut problems);
    }
    problems.finish();
}

#[test]
fn computing_is_never_busy_waiting() {
    let mut problems = Problems::new();
    for kind in ["sieve", "hashing", "copying", "polling"] {
        check(interpreter::newest(), "compute.py", &[kind], &mut problems);
    }
    problems.finish();
}

#[test]
fn a_server_at_rest_is_idle() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        let workload = Workload::start::<&str>(python, "idle_server.py", &[]);
        problems.about(&workload.name);
        let report = observe::classify(workload.pid, "2s", &[]);
        let verdict = &report.process(workload.pid)["verdict"];
        problems.equal("class", &text(verdict, "class"), &"idle");
        workload.finish();
    }
    problems.finish();
}

fn check(python: &Interpreter, name: &str, args: &[&str], problems: &mut Problems) {
    let workload = Workload::start(python, name, args);
    problems.about(format!("{} {args:?}", workload.name));
    verdict(&workload, problems);
    workload.finish();
}

/// Whether the machine kept the process waiting for a CPU so long that this is part
/// of a right verdict.
fn is_starved(process: &Value) -> bool {
    let time = &process["time"];
    let (runnable, on_cpu) = (ns(time, "runnable_ns"), ns(time, "on_cpu_ns"));
    runnable * 4 >= runnable + on_cpu && runnable * 20 >= ns(time, "wall_ns")
}

fn verdict(workload: &Workload, problems: &mut Problems) {
    let truth = &workload.ready["truth"];
    let report = observe::classify(workload.pid, "2s", &[]);
    let process = report.process(workload.pid);
    let verdict = &process["verdict"];
    let class = text(truth, "class");
    if is_starved(process) {
        eprintln!("{}: this machine had no CPU for it", workload.name);
        problems.equal(
            "class without the machine",
            &without_the_machine(verdict),
            &class,
        );
    } else {
        problems.check(verdict["class"] == class, format!("not {class}: {verdict}"));
        // Where both Python and native code compute nothing is said: null, never wrong.
        let is_unknown = class == "cpu-bound" && verdict["detail"].is_null();
        problems.check(
            is_unknown || verdict["detail"] == truth["detail"],
            format!("detail {}, not {}", verdict["detail"], truth["detail"]),
        );
    }
    if class != "busy-waiting" {
        problems.check(
            verdict["class"] != "busy-waiting",
            format!("falsely accused: {verdict}"),
        );
        accused_of_nothing(&report, workload, problems);
    }
    if class == "idle" {
        return;
    }
    let blame = &verdict["blame"];
    let function = text(truth, "function");
    problems.check(
        blame["function"]
            .as_str()
            .is_some_and(|f| is_called(f, function)),
        format!("{blame} is to blame, not {function}"),
    );
    problems.equal("line to blame", &blame["line"], &truth["line"]);
    let script = script_of(workload);
    problems.equal(
        "file to blame",
        &blame["file"].as_str().map(Path::new),
        &Some(&*workload::script(script)),
    );
    problems.check(
        !verdict["because"].as_array().is_none_or(Vec::is_empty),
        "no reason is given",
    );
    let confidence = verdict["confidence"].as_f64().unwrap_or(-1.0);
    problems.check(
        (0.5..=1.0).contains(&confidence),
        format!("confidence {confidence} in a plain case"),
    );
}

fn script_of(workload: &Workload) -> &str {
    workload.name.split(' ').next().unwrap_or_default()
}

/// The class with the largest share, the wait for a CPU left out.
fn without_the_machine(verdict: &Value) -> &str {
    let shares = verdict["shares"].as_object().expect("shares is an object");
    shares
        .iter()
        .filter(|(class, _)| *class != "cpu-starved")
        .max_by(|a, b| {
            let share = |v: &Value| v.as_f64().unwrap_or(0.0);
            share(a.1).total_cmp(&share(b.1))
        })
        .map_or("none", |(class, _)| class)
}

fn accused_of_nothing(report: &Report, workload: &Workload, problems: &mut Problems) {
    let process = report.process(workload.pid);
    for finding in process["findings"].as_array().expect("findings is a list") {
        problems.check(
            !text(finding, "rule").starts_with("busy-wait."),
            format!("falsely accused: {finding}"),
        );
    }
    for part in ["threads", "functions"] {
        for item in process[part].as_array().expect("a list") {
            let class = item.get("class").unwrap_or(&item["verdict"]["class"]);
            problems.check(class != "busy-waiting", format!("falsely accused: {item}"));
        }
    }
}

/// The text alone answers: which process, what kind of slow, which function and
/// line, what to do next.
fn answered_by_the_text(workload: &Workload, problems: &mut Problems) {
    let truth = &workload.ready["truth"];
    let pid = workload.pid.to_string();
    let outcome = observe::run(&["classify", "-p", &pid, "-d", "1500ms"]);
    let shown = &outcome.stdout;
    problems.equal("exit code", &outcome.code(), &0);
    let class = text(truth, "class");
    let script = script_of(workload);
    let mut wanted = vec![pid.clone(), class.to_owned()];
    if class != "idle" {
        wanted.push(text(truth, "function").to_owned());
        wanted.push(format!("{script}:{}", truth["line"]));
        wanted.push("-> ".to_owned());
    }
    for words in wanted {
        problems.check(shown.contains(&words), format!("no `{words}` in:\n{shown}"));
    }
}
