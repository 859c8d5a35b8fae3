//! Every probe of every interpreter, beside the interpreter's own hooks: what the tables of
//! docs/usdt.md and of `probe_worth` say of it. `cargo xtask table probes` makes the first of what
//! is found here.

use std::fs;

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{list, ns, text},
    table_rows,
    tracefs::{Listeners, Place},
    workload::Workload,
};
use pyobserve::model::{PROBES, ProbeWorth, probe_worth};
use serde_json::{Value, json};

const SCRIPT: &str = "every_probe.py";
/// Before and behind what is counted lies some code.
const AROUND: i64 = 4;
/// Calls of `every_probe.py hot`.
const HOT_CALLS: i64 = 100_000;

/// What makes probes fire, as `every_probe.py` calls it.
struct Kind {
    /// The word for the script.
    name: &'static str,
    /// What `--usdt` calls their group.
    group: &'static str,
    /// Those that fire each time.
    probes: &'static [&'static str],
}

/// All that pyobserve listens at.
const KINDS: [Kind; 5] = [
    Kind {
        name: "collector",
        group: "gc",
        probes: &["gc__start", "gc__done"],
    },
    Kind {
        name: "imports",
        group: "import",
        probes: &["import__find__load__start", "import__find__load__done"],
    },
    Kind {
        name: "audit",
        group: "audit",
        probes: &["audit"],
    },
    Kind {
        name: "calls",
        group: "calls",
        probes: &["function__return"],
    },
    Kind {
        name: "lines",
        group: "line",
        probes: &["line"],
    },
];

/// The hook that counts what a probe is of.
fn hook(probe: &str) -> &'static str {
    let kind = KINDS.iter().find(|kind| kind.probes.contains(&probe));
    // pyobserve does not listen at that of entries: the kernel's own counter does here.
    kind.map_or("entries", |kind| kind.name)
}

fn with_probes() -> Vec<&'static Interpreter> {
    let found = interpreter::all()
        .into_iter()
        .filter(|python| garbage::has_probes(python));
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
    found
}

/// The same with its JIT, if it has one.
fn with_jit(python: &Interpreter) -> Option<Interpreter> {
    let mut python = python.clone();
    python.environment.push(("PYTHON_JIT", "1".into()));
    let asks = "import sys; print(sys._jit.is_enabled())";
    let output = python.command().args(["-c", asks]).output().ok()?;
    (output.stdout.trim_ascii() == b"True").then_some(python)
}

/// How often what a hook counts happens.
fn truth(python: &Interpreter, hook: &str) -> i64 {
    let twin = Workload::start(python, SCRIPT, &[hook]);
    let counted = ns(&twin.ready, "counted");
    twin.finish();
    counted
}

/// What a run says of a workload that does what it is started for, and what that says of itself.
struct Heard {
    /// Of each probe.
    probes: Vec<Value>,
    /// Of calls; nothing unless they were listened at.
    calls: Value,
    said: Value,
}

impl Heard {
    /// How often a probe fired; `None` if nobody listened.
    fn fired(&self, probe: &str) -> Option<i64> {
        let one = self.probes.iter().find(|one| text(one, "probe") == probe);
        one.expect("every probe is told of")["fired"].as_i64()
    }
}

/// Listens at these groups, all the time, while a workload does what it is started for.
fn listened(python: &Interpreter, words: &[&str], groups: &str) -> Heard {
    let mut workload = Workload::start(python, SCRIPT, words);
    let pid = workload.pid.to_string();
    // `functions` listens at calls besides, unless it is lines that it is asked for.
    let counts = groups.contains("calls") || groups == "line";
    let (command, exact) = if counts {
        ("functions", &["--exact"][..])
    } else {
        ("classify", &[][..])
    };
    let mut words = vec!["-q", command, "-p", &pid, "-d", "5m", "--json"];
    words.extend(exact);
    words.extend(["--usdt", groups]);
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    workload.go();
    let said = workload.next_line();
    let outcome = running.interrupt();
    workload.finish();
    let line = outcome.stdout.lines().last();
    let document = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
    let document = document.unwrap_or_else(|| panic!("{outcome:?}"));
    let process = &list(&document, "processes")[0];
    let of_process = if counts { &process["process"] } else { process };
    Heard {
        probes: list(&of_process["python"], "usdt").to_vec(),
        calls: process["calls"].clone(),
        said,
    }
}

/// What a workload says of itself that nobody listens to.
fn alone(python: &Interpreter, words: &[&str]) -> Value {
    let mut workload = Workload::start(python, SCRIPT, words);
    workload.go();
    let said = workload.next_line();
    workload.finish();
    said
}

/// How often the places of a probe are passed that pyobserve does not listen at, as the kernel
/// counts; `None` where it cannot.
fn passed(python: &Interpreter, probe: &str) -> Option<i64> {
    let file = fs::canonicalize(python.file()).expect("it is there");
    let notes = garbage::notes(python);
    let found = notes.find("python", probe)?;
    let places = found.places.iter().map(|place| Place {
        offset: place.offset,
        semaphore: found.semaphore,
    });
    let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
    let listeners = Listeners::at(&file, &places.collect::<Vec<_>>())?;
    let before = listeners.hits();
    workload.go();
    workload.next_line();
    let hits = listeners.hits() - before;
    workload.finish();
    Some(hits)
}

#[test]
fn probes_are_worth_what_is_said_of_them() {
    let mut problems = Problems::new();
    for python in with_probes() {
        problems.about(python);
        // Lines make all others slow, and those of 3.11 wake what is silent without them.
        let all = listened(python, &[], "gc,import,audit,calls");
        let lines = listened(python, &[], "line");
        for one in &all.probes {
            let probe = text(one, "probe");
            let is_present = garbage::notes(python).find("python", probe).is_some();
            problems.equal(probe, &one["present"], &is_present.into());
        }
        for probe in PROBES {
            let is_present = garbage::notes(python).find("python", probe).is_some();
            if !is_present {
                write(&json!({"probe": probe, "version": python.version, "present": false}));
                continue;
            }
            let heard = if probe == "line" { &lines } else { &all };
            let fired = heard.fired(probe).or_else(|| passed(python, probe));
            let Some(fired) = fired else {
                eprintln!("SKIPPED: {probe}: no tracefs with uprobe_events here");
                continue;
            };
            let truth = truth(python, hook(probe));
            let more = fired - truth;
            problems.check(truth > 0, format!("{probe}: nothing is counted"));
            let (worth, _) = probe_worth(python.minor, probe);
            write(&json!({
                "probe": probe, "version": python.version, "present": true,
                "fired": fired, "truth": truth, "worth": worth.name(),
            }));
            let holds = match worth {
                ProbeWorth::Exact => more.abs() <= AROUND,
                ProbeWorth::TooMany => more > AROUND,
                ProbeWorth::SomeMissing => more < -AROUND,
                ProbeWorth::Silent => fired * 100 < truth,
                ProbeWorth::Unknown => true,
            };
            let what = worth.name();
            problems.check(holds, format!("{probe}: {fired} of {truth}, not {what}"));
        }
    }
    problems.finish();
}

/// Code that the JIT has compiled passes hardly any.
#[test]
fn compiled_code_passes_no_probe() {
    let mut problems = Problems::new();
    let has_it = |python: &&Interpreter| {
        let notes = garbage::notes(python);
        notes.find("python", "function__return").is_some()
    };
    for python in with_probes().into_iter().filter(has_it) {
        problems.about(python);
        let returns = |python: &Interpreter| {
            let heard = listened(python, &["hot"], "calls");
            let fired = heard.fired("function__return").unwrap_or(0);
            (fired, heard.calls["at_least"] == true)
        };
        let (interpreted, at_least) = returns(python);
        problems.near("calls", interpreted, HOT_CALLS, AROUND);
        problems.check(!at_least, "calls are said to be missing");
        let Some(compiling) = with_jit(python) else {
            continue;
        };
        let (compiled, at_least) = returns(&compiling);
        problems.check(at_least, "no calls are said to be missing");
        write(&json!({
            "probe": "function__return", "version": format!("{} with its JIT", python.version),
            "present": true, "fired": compiled, "truth": HOT_CALLS, "worth": "some missing",
        }));
        problems.check(
            compiled * 2 < HOT_CALLS,
            format!("with the JIT it fired {compiled} times"),
        );
    }
    problems.finish();
}

/// What a target takes longer for each probe that fires, by its own clock.
#[test]
#[ignore = "measures: `cargo xtask table probes` runs it"]
fn what_each_probe_takes() {
    let mut problems = Problems::new();
    for python in with_probes() {
        problems.about(python);
        let notes = garbage::notes(python);
        for kind in &KINDS {
            if notes.find("python", kind.probes[0]).is_none() {
                continue;
            }
            let words = ["price", kind.name];
            let free = alone(python, &words);
            let heard = listened(python, &words, kind.group);
            let events = ns(&heard.said, "events");
            for probe in kind.probes {
                let fired = heard.fired(probe).unwrap_or(0);
                problems.check(fired >= events, format!("{probe} fired {fired} times only"));
            }
            let more_ns = ns(&heard.said, "took_ns") - ns(&free, "took_ns");
            let hits = events * i64::try_from(kind.probes.len()).expect("a few");
            problems.check(more_ns > 0, format!("{}: {more_ns} ns", kind.name));
            for probe in kind.probes {
                write(&json!({
                    "probe": probe, "version": python.version, "price_ns": more_ns / hits,
                }));
            }
        }
    }
    problems.finish();
}

fn write(row: &Value) {
    eprintln!("{row}");
    table_rows::write(row);
}
