//! Every kind of thread, on and off the CPU, against what the target says of itself.

use leakcpu_tests::{
    collapsed::{self, Line},
    interpreter::{self, Interpreter},
    observe,
    places::{by_thread, computes_there, frames, waits_there},
    problems::Problems,
    report::{list, ns, text},
    venv,
    workload::Workload,
};
use serde_json::Value;
use tempfile::TempDir;

/// Frames kept of a stack unless asked otherwise.
const FRAMES: usize = 128;

#[test]
fn c_code_generators_tasks_and_finalizers_on_and_off_the_cpu() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        all_stay(python, &[&["computing"], &["waiting"]], &mut problems);
    }
    problems.finish();
}

#[test]
fn a_thousand_parked_threads_show_where_they_wait() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        all_stay(python, &[&["parked", "1000"]], &mut problems);
    }
    problems.finish();
}

#[test]
#[ignore = "slow: a minute"]
fn a_thousand_parked_threads_of_every_version_show_where_they_wait() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        all_stay(python, &[&["parked", "1000"]], &mut problems);
    }
    problems.finish();
}

#[test]
fn greenlets() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        if let Some(python) = venv::with_packages(python, &["greenlet", "gevent"]) {
            all_stay(&python, &[&["greenlets"]], &mut problems);
        }
    }
    problems.finish();
}

#[test]
fn of_two_thousand_frames_the_leaf_side_is_kept_and_the_rest_said_to_be_missing() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let (workloads, on_cpu, off_cpu) = watched(python, &[&["deep"]], &mut problems);
        for thread in list(&workloads[0].ready, "threads") {
            problems.about(format!("{} {}", python.version, text(thread, "name")));
            let whole = frames(thread, usize::MAX);
            let is_waiting = !thread["reason"].is_null();
            let mut seen = 0;
            let lines = if is_waiting { &off_cpu } else { &on_cpu };
            for line in lines.iter().filter(|line| line.tid() == ns(thread, "tid")) {
                seen += 1;
                let frames = &line.frames[..line.frames.len() - usize::from(is_waiting)];
                deep_one(frames, &whole, &mut problems);
            }
            problems.check(seen > 0, "never seen");
        }
    }
    problems.finish();
}

/// The outermost frames, if they are known; the mark for what is missing; the leaf side.
fn deep_one(frames: &[String], whole: &[String], problems: &mut Problems) {
    let mark = |frame: &String| frame.starts_with('[') && frame.contains("not ");
    let Some(at) = frames.iter().position(mark) else {
        problems.check(
            frames == whole,
            format!("{} frames, unmarked", frames.len()),
        );
        return;
    };
    let (outer, inner) = (&frames[..at], &frames[at + 1..]);
    problems.check(
        whole.starts_with(outer),
        format!("a wrong root side: {outer:?}"),
    );
    problems.check(whole.ends_with(inner), "a wrong leaf side");
    problems.check(
        inner.len() >= FRAMES,
        format!("{} frames of the leaf side only", inner.len()),
    );
}

/// Runs `every_thread.py` in several ways at once; all time of every thread must be at
/// the place that it says it is at.
fn all_stay(python: &Interpreter, ways: &[&[&str]], problems: &mut Problems) {
    let (workloads, on_cpu, off_cpu) = watched(python, ways, problems);
    let (on_cpu, off_cpu) = (by_thread(on_cpu), by_thread(off_cpu));
    let threads: Vec<&Value> = workloads
        .iter()
        .flat_map(|workload| list(&workload.ready, "threads"))
        .collect();
    for thread in &threads {
        problems.about(format!("{} {}", python.version, text(thread, "name")));
        if thread["reason"].is_null() {
            computes_there(thread, &on_cpu, &frames(thread, FRAMES), problems);
        } else {
            waits_there(thread, &off_cpu, problems);
        }
    }
    eprintln!("{python}: {} threads", threads.len());
    for workload in workloads {
        workload.finish();
    }
}

/// Runs `every_thread.py` in several ways at once and watches all; on-CPU and off-CPU
/// stacks.
fn watched(
    python: &Interpreter,
    ways: &[&[&str]],
    problems: &mut Problems,
) -> (Vec<Workload>, Vec<Line>, Vec<Line>) {
    let workloads: Vec<Workload> = ways
        .iter()
        .map(|args| Workload::start(python, "every_thread.py", args))
        .collect();
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("stacks");
    let mut command = observe::command(&["classify", "-d", "1500ms", "-r", "499"]);
    for workload in &workloads {
        command.args(["-p", &workload.pid.to_string()]);
    }
    command.args(["--format", "collapsed", "-o"]).arg(&file);
    let outcome = observe::finish(command);
    problems.about(python);
    problems.equal("exit code", &outcome.code(), &0);
    let on_cpu = collapsed::read(&file);
    let off_cpu = collapsed::read(&file.with_extension("off-cpu"));
    (workloads, on_cpu, off_cpu)
}
