//! Every kind of thread, on and off the CPU, against what the target says of itself.

use std::{collections::BTreeMap, process::Command, thread};

use leakcpu_tests::{
    collapsed::{self, Line},
    corpus::others,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{is_called, list, ns, text},
    stacks::{by_thread, computes_there, frames, frames_in, waits_there},
    venv,
    workload::Workload,
};
use serde_json::Value;
use tempfile::TempDir;

/// Frames kept of a stack unless asked otherwise.
const FRAMES: usize = 128;

#[test]
fn every_kind_of_thread_on_and_off_the_cpu() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let with_greenlets = venv::with_packages(python, &["greenlet", "gevent"]);
        let mut starts: Vec<(&Interpreter, &str)> =
            vec![(python, "waiting"), (python, "deep"), (python, "computing")];
        starts.extend(with_greenlets.as_ref().map(|python| (python, "greenlets")));
        // Each waits until its threads have come to rest.
        let workloads = thread::scope(|scope| {
            let starting: Vec<_> = starts
                .iter()
                .map(|(python, way)| scope.spawn(|| start(python, &[way])))
                .collect();
            let started = starting.into_iter().map(|it| it.join().expect("it starts"));
            started.collect()
        });
        all_stay(python, workloads, &mut problems);
    }
    problems.finish();
}

#[test]
fn a_thousand_parked_threads_show_where_they_wait() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        let parked = start(python, &["parked", "1000"]);
        all_stay(python, vec![parked], &mut problems);
    }
    problems.finish();
}

#[test]
#[ignore = "slow: a minute"]
fn a_thousand_parked_threads_of_every_version_show_where_they_wait() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let parked = start(python, &["parked", "1000"]);
        all_stay(python, vec![parked], &mut problems);
    }
    problems.finish();
}

fn start(python: &Interpreter, way: &[&str]) -> Workload {
    Workload::start(python, "every_thread.py", way)
}

/// Watches the workloads; all time of every thread must be at the place that it says it
/// is at.
fn all_stay(python: &Interpreter, workloads: Vec<Workload>, problems: &mut Problems) {
    let refs: Vec<&Workload> = workloads.iter().collect();
    let (on_cpu, off_cpu) = watched(python, &refs, problems);
    let mut threads = 0;
    for workload in workloads {
        for thread in list(&workload.ready, "threads") {
            threads += 1;
            let name = text(thread, "name");
            problems.about(format!("{} {name}", python.version));
            match (name.contains("deep"), thread["reason"].is_null()) {
                (false, true) => {
                    computes_there(thread, &on_cpu, &frames(thread, FRAMES), problems);
                }
                (false, false) => waits_there(thread, &off_cpu, problems),
                (true, true) => is_deep(thread, &on_cpu, 0, problems),
                (true, false) => is_deep(thread, &off_cpu, 1, problems),
            }
        }
        workload.finish();
    }
    eprintln!("{python}: {threads} threads");
}

/// Watches the workloads; stacks on and off the CPU, by thread.
fn watched(
    python: &Interpreter,
    workloads: &[&Workload],
    problems: &mut Problems,
) -> (BTreeMap<i64, Vec<Line>>, BTreeMap<i64, Vec<Line>>) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("stacks");
    let mut command = observe::command(&["classify", "-d", "1500ms", "-r", "499"]);
    for workload in workloads {
        command.args(["-p", &workload.pid.to_string()]);
    }
    command.args(["--format", "collapsed", "-o"]).arg(&file);
    let outcome = observe::finish(command);
    problems.about(python);
    problems.equal("exit code", &outcome.code(), &0);
    (
        by_thread(collapsed::read(&file)),
        by_thread(collapsed::read(&file.with_extension("off-cpu"))),
    )
}

/// Every stack of a thread deeper than the limit is its leaf side, and maybe its root
/// side; the last `waits` frames of a line are no frames.
fn is_deep(
    thread: &Value,
    lines: &BTreeMap<i64, Vec<Line>>,
    waits: usize,
    problems: &mut Problems,
) {
    let whole = frames(thread, usize::MAX);
    let lines = lines.get(&ns(thread, "tid")).map_or(&[][..], Vec::as_slice);
    problems.check(!lines.is_empty(), "never seen");
    for line in lines {
        deep_one(&line.frames[..line.frames.len() - waits], &whole, problems);
    }
}

/// What py-spy, which stops its target, says of the same threads. It is said aloud and
/// decides nothing: the target's own word does.
#[test]
#[ignore = "slow: a minute"]
fn py_spy_beside_us() {
    let mut problems = Problems::new();
    let Some(py_spy) = others::py_spy() else {
        return;
    };
    for python in interpreter::all() {
        let workload = start(python, &["waiting"]);
        let output = Command::new(&py_spy)
            .args(["dump", "--json", "--pid", &workload.pid.to_string()])
            .output()
            .expect("py-spy was just installed");
        let dump: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let threads = list(&workload.ready, "threads");
        let alike = threads.iter().filter(|thread| py_spy_agrees(thread, &dump));
        let alike = alike.count();
        eprintln!(
            "{python}: py-spy agrees with the target on {alike} of {} threads {}",
            threads.len(),
            String::from_utf8_lossy(&output.stderr)
        );
        all_stay(python, vec![workload], &mut problems);
    }
    problems.finish();
}

fn py_spy_agrees(thread: &Value, dump: &Value) -> bool {
    let threads = dump.as_array().map_or(&[][..], Vec::as_slice);
    let dumped = threads
        .iter()
        .find(|dumped| dumped["os_thread_id"] == thread["tid"]);
    let leaf_first = dumped.and_then(|dumped| dumped["frames"].as_array());
    leaf_first.is_some_and(|leaf_first| {
        let truth = list(thread, "frames");
        truth.len() == leaf_first.len()
            && truth
                .iter()
                .zip(leaf_first.iter().rev())
                .all(|(ours, theirs)| {
                    let name = theirs["name"].as_str().unwrap_or_default();
                    is_called(ours[0].as_str().unwrap_or_default(), name)
                        && ours[2] == theirs["line"]
                })
    })
}

/// A thread that runs code in an interpreter of its own shows that code; what called
/// the interpreter may be below it.
#[test]
fn threads_in_subinterpreters_show_the_code_that_they_run() {
    subinterpreters(&[interpreter::oldest(), interpreter::newest()]);
}

#[test]
#[ignore = "slow: half a minute"]
fn threads_in_subinterpreters_of_every_version_show_the_code_that_they_run() {
    subinterpreters(&interpreter::all());
}

fn subinterpreters(pythons: &[&Interpreter]) {
    let mut problems = Problems::new();
    for python in pythons {
        let workload = Workload::start::<&str>(python, "subinterpreters.py", &[]);
        let (on_cpu, off_cpu) = watched(python, &[&workload], &mut problems);
        for thread in list(&workload.ready, "threads") {
            problems.about(format!("{} {}", python.version, text(thread, "name")));
            let waits = usize::from(!thread["reason"].is_null());
            let lines = if waits == 1 { &off_cpu } else { &on_cpu };
            in_subinterpreter(thread, lines, waits, &mut problems);
        }
        workload.finish();
    }
    problems.finish();
}

fn in_subinterpreter(
    thread: &Value,
    lines: &BTreeMap<i64, Vec<Line>>,
    waits: usize,
    problems: &mut Problems,
) {
    let inner = frames(thread, FRAMES);
    let below = frames_in(thread, "below", FRAMES);
    let lines = lines.get(&ns(thread, "tid")).map_or(&[][..], Vec::as_slice);
    let (mut there, mut whole) = (0, 0);
    for line in lines {
        whole += line.weight;
        let frames = &line.frames[..line.frames.len() - waits];
        let outer = frames.strip_suffix(inner.as_slice());
        // A mark may stand for the border.
        let is_right = outer.is_some_and(|outer| {
            let named: Vec<_> = outer.iter().filter(|f| !f.starts_with('[')).collect();
            named.is_empty() || named.iter().copied().eq(&below)
        });
        if is_right {
            there += line.weight;
        }
    }
    let elsewhere = lines.first().map_or(&[][..], |line| &line.frames);
    problems.check(
        whole > 0 && there == whole,
        format!("{there} of {whole} in the subinterpreter, but {elsewhere:#?}"),
    );
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
