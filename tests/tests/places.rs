//! Python wherever it may be: renamed, moved, replaced, embedded, forked, started by
//! launchers, in containers, gone before the report. Functions, lines and times are those
//! the targets and the kernel say.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use leakcpu_tests::{
    clocks::{Sampler, tolerance},
    forms::Form,
    interpreter::{self, Interpreter, Linkage},
    observe,
    problems::Problems,
    processes,
    report::{Report, find_function, largest, list, ns, text},
    workload::{self, Workload},
};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// The newest interpreter of each linkage on this host, and the newest of all.
fn some() -> Vec<&'static Interpreter> {
    let newest = |linkage| {
        let mut here = interpreter::local().into_iter();
        here.rfind(|python| python.linkage == linkage)
    };
    let mut some: Vec<_> = [Linkage::Shared, Linkage::Static]
        .into_iter()
        .filter_map(newest)
        .collect();
    some.extend(interpreter::all().pop().filter(|p| !p.is_local()));
    some
}

fn spin(python: &Interpreter) -> Workload {
    Workload::start(python, "places.py", &["spin"])
}

/// A process computes in the place it says, for the time the kernel says.
fn computes(process: &Value, said: &Value, on_cpu_ns: i64, problems: &mut Problems) {
    problems.check(process["unreadable"].is_null(), &process["unreadable"]);
    let time = &process["time"];
    problems.near(
        "on CPU",
        ns(time, "on_cpu_ns"),
        on_cpu_ns,
        tolerance(ns(time, "wall_ns")),
    );
    let Some(hot) = find_function(process, text(said, "function")) else {
        problems.add(format!("no {} in {process}", said["function"]));
        return;
    };
    problems.check(
        ns(hot, "self_on_cpu_ns") * 10 >= ns(time, "on_cpu_ns") * 9,
        format!("{hot} of {time}"),
    );
    problems.equal("line", &hot["hot_line"], &said["line"]);
}

/// Observes processes that compute, and compares each with what it says.
fn observed(pids: &[(u32, &Value)], args: &[&str], problems: &mut Problems) -> Report {
    let samplers: Vec<Sampler> = pids.iter().map(|(pid, _)| Sampler::start(*pid)).collect();
    let mut words = vec!["classify", "--json", "-d", "1500ms", "-r", "499"];
    words.extend(args);
    let report = observe::run(&words).report();
    let (_, end) = report.window();
    for ((pid, said), sampler) in pids.iter().zip(samplers) {
        let clocks = sampler.stop();
        problems.about(format!("pid {pid}, {said}"));
        let Some(process) = report.find_process(*pid) else {
            problems.add("it is not in the report");
            continue;
        };
        // Watching began a little before the window. Each has one thread, so its wall
        // time is the process'.
        let wall = ns(&process["time"], "wall_ns");
        let on_cpu = clocks
            .values()
            .map(|c| c.on_cpu.grown(end - wall, end))
            .sum();
        computes(process, said, on_cpu, problems);
    }
    report
}

/// The same for workloads that say what they do in their first line.
fn all_observed(workloads: &[Workload], args: &[&str], problems: &mut Problems) -> Report {
    let pids: Vec<(u32, &Value)> = workloads.iter().map(|w| (w.pid, &w.ready)).collect();
    observed(&pids, args, problems)
}

#[test]
fn a_container_has_ids_of_its_own() {
    let mut problems = Problems::new();
    for python in some() {
        let workload = spin(&python.in_container());
        let (pid, own) = processes::ids(workload.pid).expect("it runs");
        assert_ne!(pid, own, "it is in no pid namespace of its own");
        let report = all_observed(std::slice::from_ref(&workload), &[], &mut problems);
        let process = report.process(workload.pid);
        problems.equal("own pid", &process["ns_pid"], &own.into());
        problems.equal(
            "own pid, as it says",
            &process["ns_pid"],
            &workload.ready["pid"],
        );
        for thread in list(process, "threads") {
            problems.equal("own tid", &thread["ns_tid"], &own.into());
        }
        // Files that only it sees have names too: of the interpreter what it exports.
        let hot = find_function(process, text(&workload.ready, "function"));
        let natives = hot.map_or(&[][..], |hot| list(hot, "native"));
        let named = natives.iter().find(|row| {
            row["symbol"].as_str().is_some_and(|s| s.contains("Py"))
                && row["module"]
                    .as_str()
                    .is_some_and(|m| m.contains("python3"))
        });
        problems.check(named.is_some(), format!("no native name in {natives:?}"));
        workload.finish();
    }
    problems.finish();
}

#[test]
fn moved_linked_and_embedded_interpreters_are_found_by_themselves() {
    let mut problems = Problems::new();
    for python in some() {
        let mut folders = Vec::new();
        let mut workloads = Vec::new();
        for form in [Form::Venv, Form::Relocated, Form::Embedded] {
            let folder = folder();
            match form.make(python, folder.path()) {
                Ok(made) => workloads.push(spin(&made)),
                Err(why) => eprintln!("SKIPPED: {python} {form:?}: {why}"),
            }
            folders.push(folder);
        }
        // Nobody says which processes are Python.
        all_observed(&workloads, &[], &mut problems);
        for workload in workloads {
            workload.finish();
        }
    }
    problems.finish();
}

#[test]
fn files_replaced_or_removed_while_they_run_do_not_matter() {
    let mut problems = Problems::new();
    for python in some() {
        // An upgrade brings another version.
        let other = interpreter::all()
            .into_iter()
            .find(|other| other.minor != python.minor)
            .unwrap_or(python);
        for is_replaced in [true, false] {
            let folder = folder();
            let made = match Form::Relocated.make(python, folder.path()) {
                Ok(made) => made,
                Err(why) => {
                    eprintln!("SKIPPED: {python}: {why}");
                    continue;
                }
            };
            let workload = spin(&made);
            let pid = workload.pid.to_string();
            let running = observe::start(observe::command(&[
                "classify", "--json", "-d", "60s", "-r", "499", "-p", &pid,
            ]));
            observe::until_attached(&running);
            replace(folder.path(), is_replaced.then_some(other));
            std::thread::sleep(Duration::from_millis(700));
            let before = running.interrupt().report();
            problems.about(format!("{python}, attached before"));
            let process = before.process(workload.pid);
            // Its clock is compared below.
            let on_cpu = ns(&process["time"], "on_cpu_ns");
            computes(process, &workload.ready, on_cpu, &mut problems);
            let report = all_observed(std::slice::from_ref(&workload), &[], &mut problems);
            problems.equal(
                "version",
                &report.process(workload.pid)["python"]["version"].as_str(),
                &Some(&*python.version),
            );
            workload.finish();
        }
    }
    problems.finish();
}

/// Puts other files in the place of an interpreter's executable and library, as package
/// managers do (by rename), or removes them.
fn replace(folder: &Path, by: Option<&Interpreter>) {
    let mut count = 0;
    for part in ["bin", "lib"] {
        let entries = fs::read_dir(folder.join(part)).expect("it was just made");
        for entry in entries.flatten() {
            let path = entry.path();
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            count += 1;
            match by {
                Some(other) => {
                    let new = path.with_extension("new");
                    fs::copy(other.file(), &new).expect("it can be copied");
                    fs::rename(&new, &path).expect("it can be renamed");
                }
                None => fs::remove_file(&path).expect("it can be removed"),
            }
        }
    }
    assert!(count > 0, "nothing was replaced in {}", folder.display());
}

#[test]
fn renamed_processes_are_found() {
    const TITLE: &str = "acme: worker 1 [idle]";
    let mut problems = Problems::new();
    for python in some() {
        let folder = folder();
        let mut workloads = Vec::new();
        for with_package in [false, true] {
            let mut command = workload::command(python, "places.py", &["rename", TITLE]);
            if with_package {
                if let Err(why) = install(python, "setproctitle", folder.path()) {
                    eprintln!("SKIPPED: setproctitle on {python}: {why}");
                    continue;
                }
                command.env("PYTHONPATH", folder.path());
            }
            let workload = Workload::spawn(command, &format!("renamed on {python}"));
            let how = if with_package {
                "setproctitle"
            } else {
                "by hand"
            };
            problems.equal("way", &workload.ready["how"].as_str(), &Some(how));
            problems.equal("title", &workload.ready["cmdline"].as_str(), &Some(TITLE));
            workloads.push(workload);
        }
        all_observed(&workloads, &[], &mut problems);
        for workload in workloads {
            workload.finish();
        }
    }
    problems.finish();
}

/// Installs a package into a folder, if the interpreter has pip and there is a network.
fn install(python: &Interpreter, package: &str, folder: &Path) -> Result<(), String> {
    let mut words = python.words();
    words.extend(
        [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--target",
        ]
        .map(Into::into),
    );
    words.extend([folder.into(), package.into()]);
    let output = Command::new("timeout")
        .arg("60")
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn workers_forked_without_exec_are_read_like_their_parent() {
    let mut problems = Problems::new();
    for python in some() {
        let workload = Workload::start(python, "places.py", &["prefork", "3"]);
        let workers: Vec<(u32, &Value)> = list(&workload.ready, "workers")
            .iter()
            .filter_map(|pid| Some((u32::try_from(pid.as_u64()?).ok()?, &workload.ready)))
            .collect();
        assert_eq!(workers.len(), 3);
        observed(&workers, &[], &mut problems);
        workload.finish();
    }
    problems.finish();
}

#[test]
fn workers_of_multiprocessing_are_followed_from_their_start() {
    let mut problems = Problems::new();
    for python in some() {
        let mut workload = Workload::start(python, "places.py", &["multiprocessing"]);
        let running = observe::start(observe::command(&[
            "classify", "--json", "-d", "60s", "-r", "499",
        ]));
        observe::until_attached(&running);
        workload.go();
        let said = workload.next_line();
        let report = running.interrupt().report();
        for child in list(&said, "children") {
            problems.about(format!("{python} {child}"));
            let pid = u32::try_from(ns(child, "pid")).expect("a pid fits");
            let Some(process) = report.find_process(pid) else {
                problems.add("it is not in the report");
                continue;
            };
            let hot = find_function(process, "hot_place");
            problems.check(
                hot.is_some_and(|f| ns(f, "self_on_cpu_ns") * 10 >= ns(child, "cpu_ns") * 9),
                format!("{:?}", process["functions"]),
            );
            problems.equal(
                "line",
                &hot.map_or(0, |f| ns(f, "hot_line")),
                &ns(&workload.ready, "line"),
            );
            // Spawned ones import before their account begins.
            problems.check(
                ns(&process["time"], "on_cpu_ns") + tolerance(0) >= ns(child, "cpu_ns"),
                format!("{}", process["time"]),
            );
        }
        problems.equal("children", &list(&said, "children").len(), &6);
        workload.finish();
    }
    problems.finish();
}

#[test]
fn launchers_that_become_python_are_seen_through() {
    let mut problems = Problems::new();
    for python in some().into_iter().filter(|python| python.is_local()) {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        symlink(&python.path, at("python3")).expect("a link can be made");
        executable(
            &at("app"),
            &format!(
                "#!/usr/bin/env python3\nimport runpy, sys\nsys.path.insert(0, {0:?})\n\
                 runpy.run_path({0:?} + '/places.py', run_name='__main__')\n",
                workload::script("places.py")
                    .parent()
                    .expect("it lies in a folder")
            ),
        );
        let app = at("app");
        executable(
            &at("wrapper"),
            &format!("#!/bin/sh\nexec {} \"$@\"\n", app.display()),
        );
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", folder.path().display());

        // It became Python before it was looked at.
        let mut command = Command::new(at("wrapper"));
        interpreter::tidy(command.arg("spin")).env("PATH", &path);
        let workload = Workload::spawn(command, &format!("launched {python}"));
        all_observed(std::slice::from_ref(&workload), &[], &mut problems);
        workload.finish();

        // It becomes Python while it is watched.
        let report = at("report");
        let mut command = observe::command(&["classify", "--json", "-r", "499", "-o"]);
        interpreter::tidy(&mut command)
            .arg(&report)
            .arg("--")
            .arg(at("wrapper"))
            .args(["brief", "300"])
            .env("PATH", &path);
        let outcome = observe::finish(command);
        problems.about(format!("{python}, from the start"));
        problems.equal("exit code", &outcome.code(), &0);
        let said: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?}", outcome.stdout));
        let report = Report::parse(&fs::read_to_string(&report).expect("there is a report"));
        brief(&report, &said, &mut problems);
    }
    problems.finish();
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// A process that has computed for a moment and ended: its time and its names are there.
fn brief(report: &Report, said: &Value, problems: &mut Problems) {
    let pid = u32::try_from(ns(said, "pid")).expect("a pid fits");
    let Some(process) = report.find_process(pid) else {
        problems.add(format!("{pid} is not in the report"));
        return;
    };
    let time = &process["time"];
    problems.check(process["unreadable"].is_null(), &process["unreadable"]);
    // What ends a process is not in its own account; what led it into its place is (`chroot`).
    problems.between(
        "on CPU",
        ns(time, "on_cpu_ns"),
        ns(said, "cpu_ns") - 2 * tolerance(0),
        ns(said, "cpu_ns") + 10 * tolerance(0),
    );
    let hot = find_function(process, "hot_place").map_or(0, |f| ns(f, "self_on_cpu_ns"));
    problems.check(
        hot * 10 >= ns(said, "hot_ns") * 9,
        format!(
            "{hot} of {} ns are hot_place's: {}",
            said["hot_ns"], process["functions"]
        ),
    );
    if hot > 0 {
        let hottest = largest(process, "self_on_cpu_ns");
        problems.equal("line", &hottest["hot_line"], &said["line"]);
    }
    let unattributed: i64 = list(process, "threads")
        .iter()
        .map(|thread| ns(thread, "unattributed_ns"))
        .sum();
    // Before the interpreter is ready there is no function to name.
    let start_up = ns(said, "cpu_ns") - ns(said, "hot_ns");
    problems.check(
        unattributed * 10 <= ns(time, "wall_ns") + 10 * start_up,
        format!(
            "{unattributed} of {} ns belong to no function",
            time["wall_ns"]
        ),
    );
}

#[test]
fn processes_that_live_for_200_ms_keep_their_names() {
    const EACH: usize = 3;
    let mut problems = Problems::new();
    let running = observe::start(observe::command(&[
        "classify", "--json", "-d", "120s", "-r", "499",
    ]));
    observe::until_attached(&running);
    let mut all = Vec::new();
    for python in interpreter::all() {
        for _ in 0..EACH {
            let output = workload::command(python, "places.py", &["brief", "200"])
                .output()
                .expect("the interpreter can be started");
            let said: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
            all.push((python, said));
        }
    }
    let report = running.interrupt().report();
    for (python, said) in &all {
        problems.about(format!("{python}, pid {}", said["pid"]));
        brief(&report, said, &mut problems);
    }
    problems.finish();
}
