//! Processes that are started, begin, multiply, become something else and end while
//! they are watched; and pyobserve's own end.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use leakcpu_tests::{
    clocks::{Sampler, tolerance},
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, find_function, is_called, largest, list, ns, sum_of_parts, text},
    workload::{self, Workload},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, Uid, User},
};
use serde_json::Value;
use tempfile::TempDir;

/// `nobody` wherever there is one.
const NOBODY: u32 = 65_534;

/// `pyobserve classify OPTIONS -o FOLDER/report -- python life.py WORDS`.
struct Life {
    folder: TempDir,
    command: Command,
}

impl Life {
    fn new(python: &Interpreter, options: &[&str], words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let report = path(&folder, "report");
        let truth = path(&folder, "truth");
        let mut args = vec!["classify", "--json", "-o", &report];
        args.extend(options);
        args.push("--");
        let mut command = observe::command(&args);
        interpreter::tidy(&mut command)
            .args(python.words_for(&workload::script("life.py")))
            .args(
                words
                    .iter()
                    .map(|w| if *w == "TRUTH" { &truth } else { *w }),
            );
        Self { folder, command }
    }

    fn run(self) -> (observe::Outcome, Option<Report>, Value) {
        let outcome = observe::finish(self.command);
        let report = fs::read_to_string(path(&self.folder, "report")).ok();
        let truth = json(path(&self.folder, "truth").as_ref());
        (outcome, report.map(|text| Report::parse(&text)), truth)
    }
}

fn path(folder: &TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    path.to_str()
        .expect("a temporary path is plain text")
        .to_owned()
}

/// What a file holds; null if it is not there (yet).
fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|_| "null".to_owned());
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text:?} is no JSON: {e}"))
}

/// Waits until a condition that must come true does.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "waited too long for {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(process: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process).expect("a pid fits"));
    kill(pid, signal).expect("our own child can be signalled");
}

fn pid_of(value: &Value) -> u32 {
    u32::try_from(ns(value, "pid")).expect("a pid fits")
}

/// A system-wide run that is watching by now.
fn watching(options: &[&str]) -> observe::Running {
    let mut args = vec!["classify", "--json", "-d", "60s"];
    args.extend(options);
    let running = observe::start(observe::command(&args));
    observe::until_attached(&running);
    running
}

#[test]
fn a_command_is_watched_from_its_exec_to_its_end() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        problems.about(&python.version);
        let life = Life::new(python, &["--exit-status"], &["work", "TRUTH", "3"]);
        let (outcome, report, truth) = life.run();
        problems.equal("exit code", &outcome.code(), &3);
        let report = report.expect("there is a report");
        let process = report.process(pid_of(&truth));
        let time = &process["time"];
        problems.near(
            "on CPU",
            ns(time, "on_cpu_ns"),
            ns(&truth, "cpu_ns"),
            tolerance(ns(time, "wall_ns")),
        );
        problems.equal("sum", &sum_of_parts(time), &ns(time, "wall_ns"));
        problems.check(
            ns(time, "wall_ns") > ns(&truth, "cpu_ns") + ns(&truth, "slept_ns"),
            format!("wall {}", time["wall_ns"]),
        );
        problems.check(process["exited"] == true, "it has not ended");
        let hottest = largest(process, "self_on_cpu_ns");
        problems.check(is_called(text(hottest, "function"), "crunch"), hottest);
        let work = find_function(process, "work").map_or(0, |f| ns(f, "self_blocked_ns"));
        problems.near(
            "asleep",
            work,
            ns(&truth, "slept_ns"),
            tolerance(0) + ns(time, "runnable_ns"),
        );
        let (begin, end) = report.window();
        problems.check(end - begin < 9_000_000_000, "it waited on after the end");
    }
    problems.finish();
}

#[test]
fn the_exit_status_is_passed_on_only_when_asked_for() {
    let mut problems = Problems::new();
    let python = interpreter::newest();
    for (options, words, code) in [
        (&["--exit-status"][..], &["kill"][..], 128 + 9),
        (&[], &["kill"], 0),
        (&[], &["work", "TRUTH", "5"], 0),
    ] {
        problems.about(format!("{options:?} {words:?}"));
        let (outcome, report, _) = Life::new(python, options, words).run();
        problems.equal("exit code", &outcome.code(), &code);
        let report = report.expect("there is a report");
        problems.equal("processes", &report.processes().len(), &1);
    }
    problems.finish();
}

#[test]
fn a_command_outlives_a_shorter_run() {
    let python = interpreter::newest();
    let mut life = Life::new(
        python,
        &["-d", "500ms", "--exit-status"],
        &["linger", "TRUTH"],
    );
    let truth = path(&life.folder, "truth");
    // Its output is the command's too, which holds it open.
    let mut pyobserve = life
        .command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("pyobserve can be started");
    let stdin = pyobserve.stdin.take().expect("stdin is piped");
    let status = pyobserve.wait().expect("our own child can be waited for");
    assert_eq!(status.code(), Some(0));
    let said = json(truth.as_ref());
    assert_eq!(said["lives"], false, "the command never came to run");
    assert!(
        Path::new("/proc").join(said["pid"].to_string()).exists(),
        "the command ended with pyobserve"
    );
    let report = Report::parse(
        &fs::read_to_string(path(&life.folder, "report")).expect("there is a report"),
    );
    assert_eq!(report.process(pid_of(&said))["exited"], false);
    drop(stdin);
    until("the command's own end", || {
        json(truth.as_ref())["lives"] == true
    });
}

#[test]
fn children_of_a_command_are_watched_too() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        problems.about(&python.version);
        let (outcome, report, truth) = Life::new(python, &[], &["family", "TRUTH"]).run();
        problems.equal("exit code", &outcome.code(), &0);
        let report = report.expect("there is a report");
        problems.check(report.find_process(pid_of(&truth)).is_some(), "no parent");
        workers(&report, &truth, &mut problems);
    }
    problems.finish();
}

/// Forked workers are in the report, with times and names.
fn workers(report: &Report, truth: &Value, problems: &mut Problems) {
    for child in list(truth, "children") {
        let Some(process) = report.find_process(pid_of(child)) else {
            problems.add(format!("worker {} is missing", child["pid"]));
            continue;
        };
        // Its first steps and its end are outside its own account.
        problems.between(
            "on CPU of a worker",
            ns(&process["time"], "on_cpu_ns"),
            ns(child, "cpu_ns") - tolerance(0),
            ns(child, "cpu_ns") + 10 * tolerance(0),
        );
        let hottest = largest(process, "self_on_cpu_ns");
        problems.check(is_called(text(hottest, "function"), "crunch"), hottest);
        problems.check(process["exited"] == true, "a worker has not ended");
    }
}

#[test]
fn a_command_that_is_not_python_itself_may_have_python_children() {
    let python = interpreter::newest();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (report, truth) = (path(&folder, "report"), path(&folder, "truth"));
    let script = workload::script("life.py");
    let line = format!(
        "{} -B {} work {truth} 0; exit 9",
        python.path.display(),
        script.display()
    );
    let outcome = observe::run(&[
        "classify",
        "--json",
        "-o",
        &report,
        "--exit-status",
        "--",
        "sh",
        "-c",
        &line,
    ]);
    assert_eq!(outcome.code(), 9, "{}", outcome.stderr);
    let truth = json(truth.as_ref());
    let report = Report::parse(&fs::read_to_string(report).expect("there is a report"));
    let process = report.process(pid_of(&truth));
    let mut problems = Problems::new();
    problems.near(
        "on CPU",
        ns(&process["time"], "on_cpu_ns"),
        ns(&truth, "cpu_ns"),
        tolerance(ns(&process["time"], "wall_ns")),
    );
    problems.finish();
}

#[test]
fn a_command_runs_as_the_user_who_called_sudo() {
    let Some(nobody) = User::from_uid(Uid::from_raw(NOBODY)).ok().flatten() else {
        eprintln!("SKIPPED: there is no user with the id {NOBODY}");
        return;
    };
    let reachable = |python: &&Interpreter| {
        python
            .path
            .ancestors()
            .all(|part| fs::metadata(part).is_ok_and(|m| m.permissions().mode() & 1 != 0))
    };
    let Some(python) = interpreter::local().into_iter().find(reachable) else {
        eprintln!("SKIPPED: no interpreter that any user may run");
        return;
    };
    // The script may lie where nobody can read it.
    let script = fs::read_to_string(workload::script("life.py")).expect("it can be read");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let report = path(&folder, "report");
    let interpreter = python.path.to_str().expect("a path of plain text");
    let mut command = observe::command(&[
        "classify",
        "--json",
        "-o",
        &report,
        "--exit-status",
        "--",
        interpreter,
        "-B",
        "-c",
        &script,
        "whoami",
    ]);
    command
        .env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", nobody.gid.to_string());
    let outcome = observe::finish(command);
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let said: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|e| panic!("{e}: {:?} {:?}", outcome.stdout, outcome.stderr));
    let gid = nobody.gid.as_raw();
    assert_eq!(said["uid"], serde_json::json!([NOBODY, NOBODY, NOBODY]));
    assert_eq!(said["gid"], serde_json::json!([gid, gid, gid]));
    let groups = list(&said, "groups");
    assert!(
        groups.iter().all(|group| *group != 0),
        "root's groups were kept: {groups:?}"
    );
    assert_eq!(text(&said, "user"), nobody.name);
    assert_eq!(Path::new(text(&said, "home")), nobody.dir);
}

#[test]
fn processes_that_end_while_watched_are_reported() {
    let python = interpreter::newest();
    let mut problems = Problems::new();
    let mut ending = Workload::start::<&str>(python, "demo_cpu.py", &[]);
    let staying = Workload::start::<&str>(python, "demo_wait.py", &[]);
    let (one, other) = (ending.pid.to_string(), staying.pid.to_string());
    let sampler = Sampler::start(ending.pid);
    let running = observe::start(observe::command(&[
        "classify", "--json", "-d", "2500ms", "-p", &one, "-p", &other,
    ]));
    observe::until_attached(&running);
    std::thread::sleep(Duration::from_millis(600));
    ending.close_stdin();
    let report = running.wait().report();
    let kernel = sampler.stop();
    let (begin, end) = report.window();
    problems.check(
        end - begin > 2_400_000_000,
        "it ended with the first of two",
    );
    let process = report.process(ending.pid);
    problems.check(process["exited"] == true, "it has not ended");
    // Its last reading is up to 10 ms before its end.
    let on_cpu = kernel[&i64::from(ending.pid)].on_cpu.grown(begin, end);
    problems.near(
        "on CPU",
        ns(&process["time"], "on_cpu_ns"),
        on_cpu,
        tolerance(end - begin),
    );
    problems.equal(
        "class",
        &text(&report.process(staying.pid)["verdict"], "class"),
        &"io-bound",
    );
    ending.finish();

    // The last one ends: nothing is left to watch.
    let pid = staying.pid;
    let running = observe::start(observe::command(&[
        "classify", "--json", "-d", "60s", "-p", &other,
    ]));
    observe::until_attached(&running);
    staying.finish();
    let report = running.wait().report();
    let (begin, end) = report.window();
    problems.check(
        end - begin < 50_000_000_000,
        "it watched nothing for a minute",
    );
    problems.check(report.process(pid)["exited"] == true, "it has not ended");
    problems.finish();
}

#[test]
fn processes_that_begin_while_watched_are_reported_on_every_interpreter() {
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let running = watching(&[]);
    let mut truths = Vec::new();
    for (n, python) in interpreter::all().into_iter().enumerate() {
        let file = path(&folder, &n.to_string());
        let status = workload::command(python, "life.py", &["work", &file, "0"])
            .status()
            .unwrap_or_else(|e| panic!("cannot start {python}: {e}"));
        assert!(status.success(), "{python} failed: {status}");
        truths.push((python, json(file.as_ref())));
    }
    let report = running.interrupt().report();
    for (python, truth) in truths {
        problems.about(&python.version);
        let Some(process) = report.find_process(pid_of(&truth)) else {
            problems.add("it is missing");
            continue;
        };
        problems.check(process["unreadable"].is_null(), &process["unreadable"]);
        problems.equal(
            "version",
            &text(&process["python"], "version"),
            &&*python.version,
        );
        problems.near(
            "on CPU",
            ns(&process["time"], "on_cpu_ns"),
            ns(&truth, "cpu_ns"),
            tolerance(ns(&process["time"], "wall_ns")) * 2,
        );
        let hottest = largest(process, "self_on_cpu_ns");
        problems.check(is_called(text(hottest, "function"), "crunch"), hottest);
        let slept = find_function(process, "work").map_or(0, |f| ns(f, "self_blocked_ns"));
        problems.check(
            slept * 10 >= ns(&truth, "slept_ns") * 8,
            format!("{slept} ns asleep in `work`"),
        );
    }
    problems.finish();
}

#[test]
fn forked_workers_of_a_running_process_are_watched_system_wide_only() {
    let mut problems = Problems::new();
    let python = interpreter::newest();
    for by_pid in [false, true] {
        problems.about(if by_pid { "by pid" } else { "system-wide" });
        let mut parent = Workload::start(python, "life.py", &["forks"]);
        let pid = parent.pid.to_string();
        let running = watching(&["-p", &pid][..if by_pid { 2 } else { 0 }]);
        parent.go();
        let truth = parent.next_line();
        let report = running.interrupt().report();
        problems.check(report.find_process(parent.pid).is_some(), "no parent");
        if by_pid {
            problems.equal("processes", &report.processes().len(), &1);
        } else {
            workers(&report, &truth, &mut problems);
        }
        let waits = &report.process(parent.pid)["time"]["blocked_by_reason"];
        problems.check(
            ns(waits, "child-wait") > 100_000_000,
            format!("waits of the parent: {waits}"),
        );
        parent.finish();
    }
    problems.finish();
}

#[test]
fn a_process_may_become_another_program() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        for (kind, by_pid) in [
            ("exec-python", true),
            ("exec-python", false),
            ("exec-sleep", true),
            ("exec-sleep", false),
        ] {
            problems.about(format!("{kind} on {}, by pid: {by_pid}", python.version));
            becomes(python, kind, by_pid, &mut problems);
        }
    }
    problems.finish();
}

fn becomes(python: &Interpreter, kind: &str, by_pid: bool, problems: &mut Problems) {
    let mut workload = Workload::start(python, "life.py", &[kind]);
    let pid = workload.pid.to_string();
    let running = watching(&["-p", &pid][..if by_pid { 2 } else { 0 }]);
    workload.go();
    if kind == "exec-python" {
        let again = workload.next_line();
        problems.equal("pid", &pid_of(&again), &workload.pid);
        std::thread::sleep(Duration::from_millis(600));
    } else {
        let comm = format!("/proc/{pid}/comm");
        until("the exec", || {
            fs::read_to_string(&comm).is_ok_and(|c| c == "sleep\n")
        });
        std::thread::sleep(Duration::from_millis(200));
    }
    let report = running.interrupt().report();
    // What it did as Python before is in the report in any case.
    let Some(process) = report.find_process(workload.pid) else {
        problems.add("it is missing");
        return;
    };
    let time = &process["time"];
    problems.equal("sum", &sum_of_parts(time), &ns(time, "wall_ns"));
    let on_cpu = |name: &str| find_function(process, name).map_or(0, |f| ns(f, "total_on_cpu_ns"));
    problems.check(
        on_cpu("before_exec") > 90_000_000,
        format!("before: {}", process["functions"]),
    );
    if kind == "exec-python" {
        problems.check(
            on_cpu("after_exec") > 100_000_000,
            format!("after: {}", process["functions"]),
        );
        let (last, status) = workload.end();
        problems.check(status.success(), status);
        problems.check(last["done"] == true, last);
    } else {
        problems.check(workload.is_alive(), "sleep did not survive");
    }
}

#[test]
fn interrupts_end_a_run_early_with_a_full_report() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_wait.py", &[]);
    let pid = workload.pid.to_string();
    for sent in [Signal::SIGINT, Signal::SIGTERM] {
        problems.about(sent);
        let running = watching(&["-p", &pid]);
        std::thread::sleep(Duration::from_millis(1200));
        signal(running.child.id(), sent);
        let report = running.wait().report();
        let (begin, end) = report.window();
        problems.between("window", end - begin, 1_000_000_000, 20_000_000_000);
        let verdict = &report.process(workload.pid)["verdict"];
        problems.equal("class", &text(verdict, "class"), &"io-bound");
    }
    workload.finish();
    problems.finish();
}

#[test]
fn a_target_survives_the_sudden_death_of_pyobserve() {
    for python in [interpreter::oldest(), interpreter::newest()] {
        let mut workload = Workload::start::<&str>(python, "demo_poll.py", &[]);
        let pid = workload.pid.to_string();
        let running = watching(&["-p", &pid, "-r", "999"]);
        std::thread::sleep(Duration::from_millis(700));
        signal(running.child.id(), Signal::SIGKILL);
        let outcome = running.wait();
        assert_eq!(outcome.status.signal(), Some(9));
        assert!(workload.is_alive(), "{python} died with it");
        let polls = ns(&workload.finish()["counts"], "polls");
        assert!(polls > 1000, "{polls} polls only");
    }
}

#[test]
fn a_watched_program_does_what_it_does_unwatched() {
    for python in interpreter::all() {
        let bare = workload::command(python, "life.py", &["answer"])
            .output()
            .unwrap_or_else(|e| panic!("cannot start {python}: {e}"));
        let life = Life::new(python, &["-q", "-r", "999", "--exit-status"], &["answer"]);
        let (outcome, report, _) = life.run();
        assert_eq!(Some(outcome.code()), bare.status.code(), "{python}");
        assert_eq!(outcome.stdout.as_bytes(), bare.stdout, "{python}");
        assert_eq!(outcome.stderr.as_bytes(), bare.stderr, "{python}");
        let report = report.expect("there is a report");
        assert_eq!(report.processes().len(), 1, "{python}");
    }
}

#[test]
fn two_observers_see_the_same() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "demo_poll.py", &[]);
    let pid = workload.pid.to_string();
    let sampler = Sampler::start(workload.pid);
    let first = watching(&["-p", &pid]);
    let second = watching(&["-p", &pid, "-r", "499"]);
    std::thread::sleep(Duration::from_millis(1500));
    let reports = [first.interrupt().report(), second.interrupt().report()];
    let kernel = sampler.stop();
    for (n, report) in reports.iter().enumerate() {
        problems.about(format!("observer {n}"));
        let (_, end) = report.window();
        let process = report.process(workload.pid);
        let wall = ns(&process["time"], "wall_ns");
        problems.near(
            "on CPU",
            ns(&process["time"], "on_cpu_ns"),
            kernel[&i64::from(workload.pid)]
                .on_cpu
                .grown(end - wall, end),
            tolerance(wall),
        );
        let function = &process["verdict"]["blame"]["function"];
        problems.equal("blame", function, &Value::from("next_message"));
    }
    workload.finish();
    problems.finish();
}

#[test]
fn an_interrupt_before_there_is_data_ends_with_130() {
    let running = observe::start(observe::command(&["classify", "-d", "60s"]));
    let pid = running.child.id();
    let status = format!("/proc/{pid}/status");
    // Loading the programs takes long after the handler is there.
    until("the signal handler", || {
        fs::read_to_string(&status).is_ok_and(|status| catches_interrupts(&status))
    });
    signal(pid, Signal::SIGINT);
    let outcome = running.wait();
    assert_eq!(outcome.code(), 130, "{}", outcome.stderr);
    assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
}

/// `SigCgt` of `/proc/PID/status` is a mask of the signals that have a handler.
fn catches_interrupts(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (Signal::SIGINT as u64 - 1) & 1 == 1)
}
