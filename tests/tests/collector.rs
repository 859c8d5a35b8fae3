//! What interpreters' own probes say of their collectors, beside what `gc.callbacks` says.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    process::Command,
    time::{Duration, Instant},
};

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{list, ns},
    tracefs::{Listeners, Place},
    workload::{self, Workload},
};
use pyobserve::elf::{Image, usdt_notes};
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

/// The counters of listeners of a process, as its memory has them; only of executables that
/// are loaded where they are linked.
fn semaphores(pid: u32, python: &Interpreter) -> Vec<u16> {
    let file = fs::canonicalize(python.file()).expect("it is there");
    let bytes = fs::read(file).expect("it can be read");
    let image = Image::parse(&*bytes).expect("it is an ELF file");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
    let notes = usdt_notes(&image).expect("its notes can be read");
    notes
        .probes
        .iter()
        .filter_map(|probe| image.address_of(probe.semaphore?))
        .map(|address| {
            let mut word = [0; 2];
            memory
                .read_exact_at(&mut word, address)
                .expect("it is mapped");
            u16::from_le_bytes(word)
        })
        .collect()
}

/// The first bytes of the probes' places.
fn instructions(pid: u32, python: &Interpreter) -> Vec<u8> {
    let file = fs::canonicalize(python.file()).expect("it is there");
    let bytes = fs::read(file).expect("it can be read");
    let image = Image::parse(&*bytes).expect("it is an ELF file");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
    let notes = usdt_notes(&image).expect("its notes can be read");
    let places = notes.probes.iter().flat_map(|probe| &probe.places);
    places
        .filter_map(|place| image.address_of(place.offset))
        .map(|address| {
            let mut byte = [0];
            memory
                .read_exact_at(&mut byte, address)
                .expect("it is mapped");
            byte[0]
        })
        .collect()
}

/// Debian's own interpreters are linked to fixed addresses.
fn fixed() -> Option<&'static Interpreter> {
    let found = interpreter::all()
        .into_iter()
        .find(|python| interpreter::is_debian(python) && garbage::has_probes(python));
    if found.is_none() {
        eprintln!("SKIPPED: no interpreter of Debian's with probes here");
    }
    found
}

#[test]
fn a_target_is_as_it_was_when_the_observer_is_gone() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    for end in [End::Interrupt, End::Kill] {
        let workload = Workload::start::<&str>(python, garbage::SCRIPT, &[]);
        let before = (
            semaphores(workload.pid, python),
            instructions(workload.pid, python),
        );
        let mut running = garbage::start(&workload, &[]);
        let armed = semaphores(workload.pid, python);
        problems.equal(
            "semaphores that are raised",
            &armed.iter().filter(|count| **count > 0).count(),
            &2,
        );
        match end {
            End::Interrupt => {
                running.interrupt();
            }
            End::Kill => {
                running.child.kill().expect("our own child can be killed");
                running.child.wait().expect("it is our child");
            }
        }
        let after = settled(|| {
            let now = (
                semaphores(workload.pid, python),
                instructions(workload.pid, python),
            );
            (now == before).then_some(now)
        });
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
    let look = |pid| (semaphores(pid, python), instructions(pid, python));
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
    let before = semaphores(workload.pid, python);
    let report = garbage::start(&workload, &[]).interrupt().report();
    problems.equal("loss", &report.loss("probes_not_heard"), &1);
    let process = report.process(workload.pid);
    problems.equal("collector", &process["collector"], &Value::Null);
    problems.equal("semaphores", &semaphores(workload.pid, python), &before);
    drop(foreign);
    workload.finish();
    problems.finish();
}

#[derive(Clone, Copy, Debug)]
enum End {
    Interrupt,
    Kill,
}

/// Waits for something to be so.
fn settled<T>(mut is_so: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match is_so() {
            Some(found) => return Some(found),
            None if Instant::now() > until => return None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[test]
fn nobody_listens_if_that_is_not_wanted() {
    let Some(python) = fixed() else { return };
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(python, garbage::SCRIPT, &[]);
    let before = semaphores(workload.pid, python);
    let running = garbage::start(&workload, &["--usdt", "none"]);
    problems.equal("semaphores", &semaphores(workload.pid, python), &before);
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

#[test]
fn a_binary_that_was_replaced_is_listened_at_as_it_is_mapped() {
    let Some(python) = fixed().filter(|python| python.is_local()) else {
        return;
    };
    let mut problems = Problems::new();
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("python3");
    fs::copy(python.file(), &file).expect("it can be copied");
    let mut command = Command::new(&file);
    command
        .arg(workload::script(garbage::SCRIPT))
        .env("PYTHONHOME", "/usr");
    let mut workload = Workload::spawn(command, "garbage.py on a copy");
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
