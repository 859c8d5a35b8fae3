//! Verdicts: every workload states its truth, and the report shows it.

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{list, ns, text},
    verdict::{self, script_of},
    workload::Workload,
};

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
        verdict::check(&workload, &mut problems);
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
fn servers_and_workers_at_rest_are_idle() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        let workloads = ["idle_server.py", "idle_worker.py"]
            .map(|script| Workload::start::<&str>(python, script, &[]));
        let pids = workloads.each_ref().map(|workload| workload.pid);
        let report = observe::classify_all(&pids, "2s", &["--all-findings"]);
        for workload in workloads {
            problems.about(&workload.name);
            let process = report.process(workload.pid);
            problems.equal("class", &text(&process["verdict"], "class"), &"idle");
            problems.check(list(process, "findings").is_empty(), "it has findings");
            workload.finish();
        }
    }
    problems.finish();
}

fn check(python: &Interpreter, name: &str, args: &[&str], problems: &mut Problems) {
    let workload = Workload::start(python, name, args);
    problems.about(format!("{} {args:?}", workload.name));
    verdict::check(&workload, problems);
    workload.finish();
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
