//! `pyobserve imports`, beside what the interpreter itself says of its imports.

use std::{collections::BTreeMap, ffi::OsString, thread, time::Duration};

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe::{self, Outcome},
    problems::{Problems, until_right},
    report::{list, ns, text},
    workload::{self, Workload},
};
use serde_json::Value;

const SCRIPT: &str = "imports.py";

/// Between the workload's clocks and the probes lies the `import` statement.
const BETWEEN_NS: i64 = 1_000_000;

/// Probes are where CPython was configured with `--with-dtrace`.
fn with_probes() -> Vec<&'static Interpreter> {
    let mut all = interpreter::all();
    all.retain(|python| garbage::has_probes(python));
    if all.is_empty() {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
    all
}

/// The one process of a document.
fn only(document: &Value) -> &Value {
    let processes = list(document, "processes");
    assert_eq!(processes.len(), 1, "{document}");
    &processes[0]
}

#[test]
fn modules_are_those_that_the_interpreter_names_in_its_audit_events() {
    let mut problems = Problems::new();
    for python in with_probes() {
        problems.about(python);
        let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
        let pid = workload.pid.to_string();
        let words = [
            "imports", "--usdt", "import", "-p", &pid, "-d", "5m", "--json",
        ];
        let running = observe::start(observe::command(&words));
        observe::until_attached(&running);
        workload.go();
        let truth = workload.next_line();
        let outcome = running.interrupt();
        workload.finish();
        problems.check(
            outcome.stderr.contains("cannot be encoded"),
            format!("no warning before they are armed: {}", outcome.stderr),
        );
        let document = outcome.report().0;
        let of = only(&document);
        problems.equal("source", &of["source"], &"probes".into());
        problems.equal("from the start", &of["from_start"], &false.into());
        let modules = list(of, "modules");
        let names: Vec<&str> = modules.iter().map(|it| text(it, "module")).collect();
        let seen: Vec<&str> = list(&truth, "seen")
            .iter()
            .map(|it| it.as_str().expect("names are text"))
            .collect();
        problems.equal("modules", &names, &seen);
        for (name, took) in truth["took"].as_object().expect("it tells them") {
            let Some(module) = modules.iter().find(|it| text(it, "module") == name) else {
                continue;
            };
            problems.equal(format!("{name} is found"), &module["found"], &took["found"]);
            let total = ns(module, "total_ns");
            problems.near(name, total, ns(took, "total_ns"), BETWEEN_NS);
            // What interrupts and the hypervisor take is not on a thread's own clock.
            let allowed = BETWEEN_NS + ns(took, "cpu_ns") / 20;
            problems.near(
                format!("{name} on a CPU"),
                ns(module, "on_cpu_ns"),
                ns(took, "cpu_ns"),
                allowed,
            );
        }
        let of = |name: &str| modules.iter().position(|it| text(it, "module") == name);
        let (outer, inner) = (of("imported.laborious"), of("imported.sleepy"));
        if let (Some(outer), Some(inner)) = (outer, inner) {
            problems.equal("parent", &modules[inner]["parent"], &outer.into());
            let blocked = ns(&modules[inner], "self_blocked_ns");
            problems.between("a sleep in an import", blocked, 60_000_000, 70_000_000);
            let alone = ns(&modules[outer], "self_blocked_ns");
            problems.between("blocked without it", alone, 0, 10_000_000);
        } else {
            problems.add("the modules of the workload are not among them");
        }
    }
    problems.finish();
}

/// `imports ... -- python imports.py at-once`, with what is to be said before and to whom.
fn of_command(python: &Interpreter, usdt: &str, importtime: bool) -> Outcome {
    let mut words: Vec<OsString> = ["-q", "imports", "--json", "--usdt", usdt, "--"]
        .map(OsString::from)
        .to_vec();
    words.extend(python.words_for(&workload::script(SCRIPT)));
    words.push("at-once".into());
    let mut command = observe::command(&words);
    interpreter::tidy(&mut command);
    if importtime {
        command.env("PYTHONPROFILEIMPORTTIME", "1");
    }
    observe::finish(command)
}

/// What a line on stdout says: the last one is the report, those before the workload's own.
fn said(outcome: &Outcome, from_the_end: usize) -> Value {
    let line = outcome.stdout.lines().rev().nth(from_the_end);
    let value = line.and_then(|line| serde_json::from_str(line).ok());
    value.unwrap_or_else(|| panic!("{outcome:?}"))
}

/// What `-X importtime` says: cumulative microseconds by module, of the first import of each.
fn import_times(stderr: &str) -> BTreeMap<String, i64> {
    let mut times = BTreeMap::new();
    for line in stderr.lines() {
        let Some(line) = line.strip_prefix("import time:") else {
            continue;
        };
        let mut fields = line.split('|').skip(1);
        let (Some(cumulative), Some(name)) = (fields.next(), fields.next()) else {
            continue;
        };
        if let Ok(micros) = cumulative.trim().parse() {
            times.entry(name.trim().to_owned()).or_insert(micros);
        }
    }
    times
}

#[test]
fn a_command_s_imports_are_those_of_importtime() {
    let here: Vec<_> = with_probes()
        .into_iter()
        .filter(|it| it.is_local())
        .collect();
    let Some(python) = here.first() else {
        eprintln!("SKIPPED: no interpreter of this host has probes");
        return;
    };
    let mut problems = Problems::new();
    let outcome = of_command(python, "import", true);
    let document = said(&outcome, 0);
    let of = only(&document);
    problems.equal("source", &of["source"], &"probes".into());
    problems.equal("from the start", &of["from_start"], &true.into());
    problems.equal("begun before", &ns(of, "begun_before"), &0);
    let truth = import_times(&outcome.stderr);
    problems.check(truth.len() > 50, format!("importtime says {}", truth.len()));
    let modules = list(of, "modules");
    for (name, micros) in &truth {
        let Some(module) = modules.iter().find(|it| text(it, "module") == name) else {
            problems.add(format!("{name} is not told"));
            continue;
        };
        // It writes its own line after it has stopped its clock, and before the probe.
        let allowed = 500_000 + micros * 50;
        problems.near(name, ns(module, "total_ns"), micros * 1_000, allowed);
    }
    for module in modules {
        let name = text(module, "module");
        // It says nothing of those that fail.
        problems.check(
            truth.contains_key(name) || module["found"] == false,
            format!("{name} was not imported"),
        );
    }
    problems.finish();
}

#[test]
fn without_probes_imports_are_estimated_from_stacks() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        // The code of a module's body is freed when it has run: if nobody had the time to read
        // its name, which the report counts, its time is its importer's.
        let wrong = until_right(4, |_, problems| estimated(python, problems));
        problems.about(python);
        problems.join(wrong);
    }
    problems.finish();
}

fn estimated(python: &Interpreter, problems: &mut Problems) {
    let outcome = of_command(python, "none", false);
    let (document, truth) = (said(&outcome, 0), said(&outcome, 2));
    let of = only(&document);
    problems.equal("source", &of["source"], &"samples".into());
    let modules = list(of, "modules");
    let of = |name: &str| {
        let mut modules = modules.iter();
        modules.find(|it| text(it, "module").ends_with(name))
    };
    let (Some(outer), Some(inner)) = (of("imported/laborious.py"), of("imported/sleepy.py")) else {
        problems.add(format!(
            "the workload's modules are not in {modules:?}; {}",
            document["loss"]
        ));
        return;
    };
    // By the workload's own clocks; a machine that stands still is in the first only.
    let truth = &truth["took"]["imported.laborious"];
    let (whole, cpu) = (ns(truth, "total_ns"), ns(truth, "cpu_ns"));
    let blocked = ns(inner, "self_blocked_ns");
    let most = whole - cpu + 1_000_000;
    problems.between("a sleep in an import", blocked, 59_000_000, most);
    let computed = ns(outer, "self_on_cpu_ns");
    problems.near("computing in an import", computed, cpu, cpu / 4);
    problems.near("both", ns(outer, "total_ns"), whole, whole / 8);
}

#[test]
fn probes_that_fire_too_often_are_disarmed() {
    let Some(python) = with_probes().pop() else {
        return;
    };
    let mut problems = Problems::new();
    problems.about(python);
    let workload = Workload::start(python, SCRIPT, &["over-and-over"]);
    let pid = workload.pid.to_string();
    let words = [
        "imports", "--usdt", "import", "-p", &pid, "-d", "5m", "--json",
    ];
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    thread::sleep(Duration::from_secs(3));
    let document = running.interrupt().report().0;
    workload.finish();
    let said = list(&document, "warnings")
        .iter()
        .filter_map(Value::as_str)
        .any(|warning| warning.contains("were disarmed"));
    problems.check(said, format!("nothing of it in {}", document["warnings"]));
    let modules = list(only(&document), "modules");
    let last = modules.iter().map(|it| ns(it, "start_ns")).max();
    problems.between("the last import seen", last.unwrap_or(0), 1, 2_000_000_000);
    problems.finish();
}
