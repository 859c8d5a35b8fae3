//! What interpreters' own probes say of their collectors, beside what `gc.callbacks` says.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    time::{Duration, Instant},
};

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, list, ns},
    workload::{self, Workload},
};
use pyobserve::elf::{Image, UsdtNotes, usdt_notes};
use serde_json::Value;

/// What the probes of an interpreter are, as its file says.
fn notes(python: &Interpreter) -> UsdtNotes {
    let file = fs::canonicalize(python.file()).expect("it is there");
    let bytes = fs::read(file).expect("it can be read");
    let image = Image::parse(&*bytes).expect("it is an ELF file");
    usdt_notes(&image).expect("its notes can be read")
}

fn has_probes(python: &Interpreter) -> bool {
    notes(python).find("python", "gc__start").is_some()
}

/// Watches `garbage.py` while it collects: its report, and what it says of itself.
fn watch(python: &Interpreter, more: &[&str]) -> (Report, Value, Workload) {
    let mut workload = Workload::start::<&str>(python, "garbage.py", &[]);
    let pid = workload.pid.to_string();
    let mut words = vec!["classify", "-p", &pid, "-d", "60s", "--json"];
    words.extend(more);
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    workload.go();
    let truth = workload.next_line();
    (running.interrupt().report(), truth, workload)
}

#[test]
fn collections_are_those_that_the_program_saw() {
    let mut problems = Problems::new();
    let mut with_probes = 0;
    for python in interpreter::all() {
        if !has_probes(python) {
            continue;
        }
        with_probes += 1;
        let (report, truth, workload) = watch(python, &[]);
        problems.about(python);
        let process = report.process(workload.pid);
        compare(process, &truth, &mut problems);
        probes_are_told(process, &mut problems);
        workload.finish();
    }
    if with_probes == 0 {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
}

fn compare(process: &Value, truth: &Value, problems: &mut Problems) {
    let collector = &process["collector"];
    let generations = list(collector, "generations");
    let told = truth["generations"].as_object().expect("it tells them");
    problems.equal("generations", &generations.len(), &told.len());
    for found in generations {
        let name = found["generation"].to_string();
        let own = &told[&name];
        problems.equal(
            format!("collections of generation {name}"),
            &ns(found, "collections"),
            &ns(own, "count"),
        );
        problems.equal(
            format!("objects freed by generation {name}"),
            &ns(found, "collected_objects"),
            &ns(own, "collected"),
        );
        // The callbacks run right outside of the probes, and are Python.
        let (took, by_own_clock) = (ns(found, "total_ns"), ns(own, "total_ns"));
        let between = ns(own, "count") * 100_000;
        problems.check(
            took <= by_own_clock && took + between >= by_own_clock,
            format!("generation {name}: {took} ns, by its own clock {by_own_clock}"),
        );
        problems.check(
            ns(found, "max_ns") <= ns(own, "max_ns") && ns(found, "on_cpu_ns") <= took,
            format!("generation {name}: {found}"),
        );
    }
    let total = ns(collector, "total_ns");
    let on_cpu = ns(&process["time"], "gc_ns");
    problems.equal("gc_ns", &on_cpu, &ns(collector, "on_cpu_ns"));
    problems.check(
        on_cpu <= total && on_cpu * 2 >= total,
        format!("{on_cpu} ns of {total} on a CPU"),
    );
    let place = &list(collector, "places")[0];
    problems.equal("what set them off", &place["function"], &"tidy_up".into());
    problems.equal("its line", &place["line"], &marked_line().into());
}

/// The line that sets collections off.
fn marked_line() -> usize {
    let source = fs::read_to_string(workload::script("garbage.py")).expect("it is there");
    let mut lines = source.lines();
    let at = lines.position(|line| line.ends_with("# here"));
    at.expect("a line is marked") + 1
}

fn probes_are_told(process: &Value, problems: &mut Problems) {
    let probes = list(&process["python"], "usdt");
    for name in ["gc__start", "gc__done"] {
        let told = probes.iter().find(|probe| probe["probe"] == name);
        let told = told.unwrap_or_else(|| panic!("{name} is not in {probes:?}"));
        problems.equal(name, &told["armed"], &true.into());
        problems.equal(name, &told["fired"], &70.into());
    }
    let others = probes.iter().filter(|probe| {
        let name = probe["probe"].as_str().unwrap_or_default();
        !name.starts_with("gc__")
    });
    for probe in others {
        problems.equal(&probe["probe"], &probe["armed"], &false.into());
        problems.equal(&probe["probe"], &probe["fired"], &Value::Null);
    }
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
        .find(|python| interpreter::is_debian(python) && has_probes(python));
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
        let workload = Workload::start::<&str>(python, "garbage.py", &[]);
        let before = (
            semaphores(workload.pid, python),
            instructions(workload.pid, python),
        );
        let pid = workload.pid.to_string();
        let mut running = observe::start(observe::command(&[
            "classify", "-p", &pid, "-d", "60s", "--json",
        ]));
        observe::until_attached(&running);
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
    let workload = Workload::start::<&str>(python, "garbage.py", &[]);
    let before = semaphores(workload.pid, python);
    let pid = workload.pid.to_string();
    let running = observe::start(observe::command(&[
        "classify", "-p", &pid, "-d", "60s", "--json", "--usdt", "none",
    ]));
    observe::until_attached(&running);
    problems.equal("semaphores", &semaphores(workload.pid, python), &before);
    let report = running.interrupt().report();
    let process = report.process(workload.pid);
    problems.equal("collector", &process["collector"], &Value::Null);
    problems.equal("probes", &process["python"]["usdt"], &Value::Null);
    workload.finish();
}
