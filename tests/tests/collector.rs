//! What interpreters' own probes say of their collectors, beside what `gc.callbacks` says.

use std::{fs, path::Path, process::Command, time::Duration};

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe,
    probe_places::{Places, fixed, settled},
    problems::Problems,
    report::{list, ns},
    tracefs::{Listeners, Place},
    workload::{self, Workload},
};
use serde_json::Value;

/// Between a callback of the collector and its probe lies little code; a thread may be
/// preempted there.
const BETWEEN_NS: i64 = 100_000;

#[test]
fn collections_are_those_that_the_program_saw() {
    let mut problems = Problems::new();
    let mut with_probes = 0;
    for python in interpreter::all() {
        if !garbage::has_probes(python) {
            continue;
        }
        with_probes += 1;
        problems.about(python);
        garbage::check(python, BETWEEN_NS, &mut problems);
    }
    if with_probes == 0 {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
    problems.finish();
}

#[test]
fn a_target_is_as_it_was_when_the_observer_is_gone() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    for end in [End::Interrupt, End::Kill] {
        let workload = Workload::start::<&str>(python, garbage::SCRIPT, &[]);
        let before = Places::of(workload.pid, python);
        let mut running = garbage::start(&workload, &[]);
        let armed = Places::of(workload.pid, python);
        problems.equal("semaphores that are raised", &armed.raised(), &2);
        match end {
            End::Interrupt => {
                running.interrupt();
            }
            End::Kill => {
                running.child.kill().expect("our own child can be killed");
                running.child.wait().expect("it is our child");
            }
        }
        let is_so = || (Places::of(workload.pid, python) == before).then_some(());
        let after = settled(is_so);
        problems.check(after.is_some(), format!("{end:?}: it is not as it was"));
        drop(workload);
    }
    problems.finish();
}

#[test]
fn a_child_that_was_forked_meanwhile_is_as_it_was_too() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let mut workload = Workload::start::<&str>(python, "forks_garbage.py", &[]);
    let look = |pid| Places::of(pid, python);
    let before = look(workload.pid);
    let running = garbage::start(&workload, &[]);
    workload.go();
    let told = workload.next_line();
    let child = u32::try_from(ns(&told, "child")).expect("it is a pid");
    // Time for the child to pass the probes, which it does not say to anybody.
    std::thread::sleep(Duration::from_millis(200));
    let report = running.interrupt().report();
    let collector = &report.process(workload.pid)["collector"];
    problems.equal("collections", &ns(collector, "collections"), &1);
    for pid in [workload.pid, child] {
        let after = settled(|| (look(pid) == before).then_some(()));
        problems.check(after.is_some(), format!("{pid} is not as it was"));
    }
    workload.finish();
    problems.finish();
}

#[test]
fn probes_that_another_tool_holds_without_their_counter_are_said_to_be_unheard() {
    let Some(python) = fixed() else { return };
    let file = fs::canonicalize(python.file()).expect("it is there");
    let notes = garbage::notes(python);
    let start = notes.find("python", "gc__start").expect("it has it");
    let without_counter = Place {
        offset: start.places[0].offset,
        semaphore: None,
    };
    let Some(foreign) = Listeners::at(&file, &[without_counter]) else {
        eprintln!("SKIPPED: no tracefs with uprobe_events here");
        return;
    };
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(python, garbage::SCRIPT, &[]);
    let before = Places::of(workload.pid, python);
    let report = garbage::start(&workload, &[]).interrupt().report();
    problems.equal("loss", &report.loss("probes_not_heard"), &1);
    let process = report.process(workload.pid);
    problems.equal("collector", &process["collector"], &Value::Null);
    let after = Places::of(workload.pid, python);
    problems.equal("semaphores", &after.semaphores, &before.semaphores);
    drop(foreign);
    workload.finish();
    problems.finish();
}

#[derive(Clone, Copy, Debug)]
enum End {
    Interrupt,
    Kill,
}

#[test]
fn nobody_listens_if_that_is_not_wanted() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(python, garbage::SCRIPT, &[]);
    let before = Places::of(workload.pid, python);
    let running = garbage::start(&workload, &["--usdt", "none"]);
    problems.equal("places", &Places::of(workload.pid, python), &before);
    let report = running.interrupt().report();
    let process = report.process(workload.pid);
    problems.equal("collector", &process["collector"], &Value::Null);
    problems.equal("probes", &process["python"]["usdt"], &Value::Null);
    workload.finish();
    problems.finish();
}

/// Processes of one binary.
const MANY: usize = 1000;
/// Collections of each.
const OF_EACH: i64 = 3;

#[test]
fn a_thousand_processes_of_one_binary_are_listened_at_by_one_link() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let mut links = Vec::new();
    for many in [1, MANY] {
        let mut workload = Workload::start(python, "many_collectors.py", &[many.to_string()]);
        let words = ["classify", "-d", "5m", "--json"];
        let running = observe::start(observe::command(&words));
        observe::until_attached(&running);
        links.push(observe::links(running.child.id()));
        workload.go();
        workload.next_line();
        let report = running.interrupt().report();
        let script = |process: &&Value| {
            let words = list(process, "cmdline").iter();
            let mut words = words.filter_map(Value::as_str);
            words.any(|word| word.ends_with("many_collectors.py"))
        };
        let ours: Vec<&Value> = report.processes().iter().filter(script).collect();
        problems.equal("processes", &ours.len(), &(many + 1));
        let collected = ours
            .iter()
            .filter(|process| ns(&process["collector"], "collections") == OF_EACH);
        problems.equal("that collected", &collected.count(), &many);
        workload.finish();
    }
    problems.equal("links", &links[1], &links[0]);
    problems.finish();
}

/// What `garbage.py` on another binary than the installed one is started by.
fn on_a_copy(file: &Path) -> Workload {
    let mut command = Command::new(file);
    command
        .arg(workload::script(garbage::SCRIPT))
        .env("PYTHONHOME", "/usr");
    Workload::spawn(command, "garbage.py on a copy")
}

/// Waits until somebody listens at a process' collector.
fn until_listened_at(workload: &Workload, python: &Interpreter) {
    let listens = || (Places::of(workload.pid, python).raised() >= 2).then_some(());
    assert!(settled(listens).is_some(), "nobody listens");
}

/// Watches every process; `--usdt` as it comes.
fn watch_all() -> observe::Running {
    let running = observe::start(observe::command(&["classify", "-d", "5m", "--json"]));
    observe::until_attached(&running);
    running
}

#[test]
fn a_process_in_a_container_that_starts_later_is_listened_at_too() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let inside = python.in_container();
    garbage::check(&inside, BETWEEN_NS, &mut problems);
    let running = watch_all();
    let mut workload = Workload::start::<&str>(&inside, garbage::SCRIPT, &[]);
    until_listened_at(&workload, python);
    workload.go();
    workload.next_line();
    let report = running.interrupt().report();
    garbage::are_its_own(report.process(workload.pid), &workload, &mut problems);
    workload.finish();
    problems.finish();
}

#[test]
fn a_binary_that_is_replaced_meanwhile_is_another_one() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("python3");
    fs::copy(python.file(), &file).expect("it can be copied");
    let mut before = on_a_copy(&file);
    let running = watch_all();
    until_listened_at(&before, python);
    let upgrade = folder.path().join("upgrade");
    fs::copy(python.file(), &upgrade).expect("it can be copied");
    fs::rename(&upgrade, &file).expect("it is ours");
    let mut after = on_a_copy(&file);
    until_listened_at(&after, python);
    let mut started = [&mut before, &mut after];
    for workload in &mut started {
        workload.go();
        workload.next_line();
    }
    let report = running.interrupt().report();
    for workload in started {
        garbage::are_its_own(report.process(workload.pid), workload, &mut problems);
        let places = Places::of(workload.pid, python);
        problems.equal("semaphores that are raised", &places.raised(), &0);
    }
    problems.finish();
}

#[test]
fn a_binary_that_was_replaced_is_listened_at_as_it_is_mapped() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("python3");
    fs::copy(python.file(), &file).expect("it can be copied");
    let mut workload = on_a_copy(&file);
    // An upgrade: another file by that name.
    let other = folder.path().join("upgrade");
    fs::write(&other, "not an interpreter at all").expect("there is room");
    fs::rename(&other, &file).expect("it is ours");
    let running = garbage::start(&workload, &[]);
    workload.go();
    workload.next_line();
    let report = running.interrupt().report();
    let collector = &report.process(workload.pid)["collector"];
    problems.equal(
        "collections",
        &ns(collector, "collections"),
        &garbage::COLLECTIONS,
    );
    workload.finish();
    problems.finish();
}
