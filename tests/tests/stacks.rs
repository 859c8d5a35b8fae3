//! Stacks that are cut short, and those of threads that do not live long. `interpreters`
//! has all others.

use leakcpu_tests::{
    clocks::{Clock, stolen_ns, tolerance},
    collapsed,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{find_thread, function, list, ns, sum_of_parts, text},
    stacks::{by_thread, computes_there, frames, threads},
    workload::Workload,
};
use serde_json::Value;

#[test]
fn stacks_deeper_than_the_limit_keep_their_leaves_and_are_counted() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        let workload = Workload::start(python, "stacks.py", &["spins"]);
        problems.about(&workload.name);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("stacks");
        let file = file.to_str().expect("a temporary path is plain text");
        let pid = workload.pid.to_string();
        let report = observe::classify(workload.pid, "1s", &["-r", "499", "--max-frames", "128"]);
        problems.check(report.loss("stacks_truncated") > 0, "no truncation counted");
        // At switches fewer frames are walked than that, so that some are cut all the same;
        // samples are whole.
        for (limit, seen) in [("512", 512), ("16", 16)] {
            let outcome = observe::run(&[
                "classify",
                "-p",
                &pid,
                "-d",
                "1s",
                "-r",
                "499",
                "--max-frames",
                limit,
                "--format",
                "collapsed",
                "-o",
                file,
            ]);
            problems.equal("exit code", &outcome.code(), &0);
            let lines = by_thread(collapsed::read(file.as_ref()));
            for thread in threads(&workload) {
                let want = frames(&thread, seen);
                computes_there(&thread, &lines, &want, &mut problems);
            }
        }
        workload.finish();
    }
    problems.finish();
}

#[test]
fn borders_between_c_and_python_are_where_c_calls() {
    let mut problems = Problems::new();
    for python in interpreter::all().into_iter().filter(|p| p.minor >= 11) {
        problems.about(python);
        let workload = Workload::start::<&str>(python, "borders.py", &[]);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("stacks");
        let outcome = observe::run(&[
            "classify",
            "-p",
            &workload.pid.to_string(),
            "-d",
            "500ms",
            "--c-calls",
            "--format",
            "collapsed",
            "-o",
            file.to_str().expect("a temporary path is plain text"),
        ]);
        problems.equal("exit code", &outcome.code(), &0);
        let off_cpu = by_thread(collapsed::read(&file.with_extension("off-cpu")));
        for thread in threads(&workload) {
            let lines = off_cpu.get(&ns(&thread, "tid"));
            let lines = lines.map_or(&[][..], Vec::as_slice);
            problems.check(!lines.is_empty(), format!("nothing of {thread}"));
            for line in lines {
                let names: Vec<&str> = line
                    .frames
                    .iter()
                    .map(|frame| frame.split(" (").next().unwrap_or_default())
                    .collect();
                let names = names.join(" ");
                let wanted = format!(" {} ", text(&thread, "frames"));
                problems.check(names.contains(&wanted), format!("{names}, not {wanted}"));
            }
        }
        workload.finish();
    }
    problems.finish();
}

#[test]
fn threads_born_while_it_is_watched_are_accounted_for_and_named() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        born_undisturbed(python, &mut problems);
    }
    problems.finish();
}

/// How often it is tried at most while the hypervisor takes time away: a thread's own clock
/// does not count that, and the wall's does.
const TRIES: usize = 3;

fn born_undisturbed(python: &Interpreter, problems: &mut Problems) {
    for _ in 1..TRIES {
        let before = stolen_ns();
        let mut wrong = Problems::new();
        wrong.about(&python.version);
        born_on(python, &mut wrong);
        let stolen = stolen_ns() - before;
        if wrong.count() == 0 {
            return;
        }
        if stolen == 0 {
            problems.add(format!("{python}: {} problems", wrong.count()));
            return;
        }
        eprintln!("AGAIN: {python}: the hypervisor took {stolen} ns meanwhile");
    }
    problems.about(&python.version);
    born_on(python, problems);
}

fn born_on(python: &Interpreter, problems: &mut Problems) {
    let mut workload = Workload::start::<&str>(python, "born.py", &[]);
    let pid = workload.pid;
    let running = observe::start(observe::command(&[
        "classify",
        "-p",
        &pid.to_string(),
        "-d",
        "60s",
        "--json",
        "-r",
        "499",
        "-v",
    ]));
    observe::until_attached(&running);
    workload.go();
    let bred = workload.next_line();
    let child = i32::try_from(running.child.id()).expect("a pid fits");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child),
        nix::sys::signal::Signal::SIGINT,
    )
    .expect("our own child can be signalled");
    let report = running.wait().report();
    let truth = workload.finish();
    problems.equal("threads bred", &ns(&bred, "bred"), &200);

    let (begin, end) = report.window();
    let process = report.process(pid);
    let lives = list(&truth, "lives");
    let watched: Vec<&Value> = lives
        .iter()
        .filter(|life| ns(life, "born") > begin && ns(life, "died") < end)
        .collect();
    problems.check(
        watched.len() >= 150,
        format!("only {} were watched", watched.len()),
    );
    let (mut computed, mut reported, mut napped, mut blocked) = (0, 0, 0, 0);
    for life in &watched {
        let Some(thread) = find_thread(process, ns(life, "tid")) else {
            problems.add(format!("thread {} is missing", life["tid"]));
            continue;
        };
        let time = &thread["time"];
        let span = ns(life, "died") - ns(life, "born");
        problems.equal("sum", &sum_of_parts(time), &ns(time, "wall_ns"));
        problems.check(
            ns(time, "wall_ns") >= span - 1_000_000,
            format!("thread {} was seen for {time} of {span} ns", life["tid"]),
        );
        problems.near(
            format!("on CPU of thread {}", life["tid"]),
            ns(time, "on_cpu_ns"),
            ns(life, "cpu_ns"),
            tolerance(0),
        );
        computed += ns(life, "cpu_ns");
        reported += ns(time, "on_cpu_ns");
        napped += ns(life, "napped_ns");
        blocked += ns(time, "blocked_ns");
    }
    // Starting and ending are not in a thread's own account.
    let edges = i64::try_from(watched.len()).expect("few") * 500_000;
    problems.between(
        "on CPU of all",
        reported,
        // The scheduler sets its clock a microsecond or two before the tracepoint, at
        // every switch, and these threads switch often in their short lives.
        computed - computed / 50,
        computed + computed / 50 + edges,
    );
    let whole = Clock(
        list(&truth, "process_clock")
            .iter()
            .map(|pair| (pair[0].as_i64().unwrap_or(0), pair[1].as_i64().unwrap_or(0)))
            .collect(),
    );
    problems.near(
        "on CPU of the process",
        ns(&process["time"], "on_cpu_ns"),
        whole.grown(begin, end),
        tolerance(end - begin),
    );
    problems.check(
        blocked * 10 >= napped * 9,
        format!("{blocked} ns blocked, but naps of {napped} ns"),
    );
    let naps = function(process, "nap_briefly");
    problems.check(
        ns(naps, "self_blocked_ns") * 10 >= napped * 8,
        format!("{naps}: naps of {napped} ns"),
    );
    let computing = function(process, "compute_briefly");
    problems.check(
        ns(computing, "self_on_cpu_ns") * 10 >= computed * 6,
        format!("{computing}: {computed} ns computed"),
    );
    let unattributed: i64 = list(process, "threads")
        .iter()
        .map(|thread| ns(thread, "unattributed_ns"))
        .sum();
    let wall = ns(&process["time"], "wall_ns");
    problems.check(
        unattributed * 5 <= wall,
        format!("{unattributed} of {wall} ns belong to no function"),
    );
}
