//! A program that collects its garbage by hand, beside what its interpreter's probes say.

use std::fs;

use pyobserve::elf::{Image, UsdtNotes, usdt_notes};
use serde_json::Value;

use crate::{
    interpreter::Interpreter,
    observe::{self, Outcome, Running},
    problems::Problems,
    report::{list, ns},
    workload::{self, Workload},
};

/// The program.
pub const SCRIPT: &str = "garbage.py";

/// Its collections.
pub const COLLECTIONS: i64 = 70;

/// Notes a problem unless the collections that were heard are its own, and at most those besides
/// that its interpreter made before it was ready: whoever listens from early on hears them too.
pub fn are_its_own(process: &Value, workload: &Workload, problems: &mut Problems) {
    let heard = ns(&process["collector"], "collections");
    let before = ns(&workload.ready, "before");
    problems.check(
        (COLLECTIONS..=COLLECTIONS + before).contains(&heard),
        format!(
            "{}: {heard} collections, not {COLLECTIONS} and up to {before} before",
            workload.name
        ),
    );
}

/// What the probes of an interpreter are, as its file says.
pub fn notes(python: &Interpreter) -> UsdtNotes {
    let file = fs::canonicalize(python.file()).expect("it is there");
    let bytes = fs::read(file).expect("it can be read");
    let image = Image::parse(&*bytes).expect("it is an ELF file");
    usdt_notes(&image).expect("its notes can be read")
}

/// Whether its collector has probes.
pub fn has_probes(python: &Interpreter) -> bool {
    notes(python).find("python", "gc__start").is_some()
}

/// Watches `garbage.py` while it collects: its report, and what it says of itself.
fn watch(python: &Interpreter) -> (Outcome, Value, Workload) {
    let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
    let running = start(&workload, &[]);
    workload.go();
    let truth = workload.next_line();
    (running.interrupt(), truth, workload)
}

/// Watches it from now on.
pub fn start(workload: &Workload, more: &[&str]) -> Running {
    let pid = workload.pid.to_string();
    let mut words = vec!["classify", "-p", &pid, "-d", "5m", "--json"];
    words.extend(more);
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    running
}

/// Watches collections on an interpreter with probes, and compares; `between_ns` is what a
/// collection may take between its callbacks and its probes.
pub fn check(python: &Interpreter, between_ns: i64, problems: &mut Problems) {
    let (outcome, truth, workload) = watch(python);
    let report = outcome.report();
    let process = report.process(workload.pid);
    assert!(
        !process["collector"].is_null(),
        "nothing of the collector: {}",
        outcome.stderr
    );
    compare(process, &truth, between_ns, problems);
    probes_are_told(process, problems);
    workload.finish();
}

fn compare(process: &Value, truth: &Value, between_ns: i64, problems: &mut Problems) {
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
        // The callbacks run right outside of the probes, and are Python. Others may have the CPU
        // between the two, too.
        let (took, by_own_clock) = (ns(found, "total_ns"), ns(own, "total_ns"));
        let between = ns(own, "count") * between_ns;
        let preempted = by_own_clock - ns(own, "cpu_ns");
        problems.check(
            took <= by_own_clock && took + between + preempted >= by_own_clock,
            format!("generation {name}: {took} ns, by its own clock {by_own_clock}"),
        );
        problems.near(
            format!("on a CPU for generation {name}"),
            ns(found, "on_cpu_ns"),
            ns(own, "cpu_ns"),
            // A thread's clock leaves out what interrupts and the hypervisor take.
            between + ns(own, "cpu_ns") / 20,
        );
        problems.check(
            ns(found, "max_ns") <= ns(own, "max_ns") && ns(found, "on_cpu_ns") <= took,
            format!("generation {name}: {found}"),
        );
    }
    let on_cpu = ns(&process["time"], "gc_ns");
    problems.equal("gc_ns", &on_cpu, &ns(collector, "on_cpu_ns"));
    let place = &list(collector, "places")[0];
    problems.equal("what set them off", &place["function"], &"tidy_up".into());
    problems.equal("its line", &place["line"], &marked_line().into());
}

/// The line that sets collections off.
fn marked_line() -> usize {
    let source = fs::read_to_string(workload::script(SCRIPT)).expect("it is there");
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
        problems.equal(name, &told["fired"], &COLLECTIONS.into());
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
