//! Addresses of code objects that are freed and used again: time never goes to a name
//! that did not spend it.

use std::collections::BTreeMap;

use leakcpu_tests::{
    clocks::stolen_ns,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, is_called, list, ns, text, thread},
    workload::Workload,
};
use serde_json::Value;

/// How long a name computes, and lives: so short that user space can hardly read it in
/// time, and long enough.
const SPELLS_US: [i64; 2] = [2_000, 20_000];
/// How far samples may be off for one name: a spell, divided by this. A wrong name would
/// get a spell at least.
const TOLERANCE: i64 = 2;
/// The methods that data classes get, all from line 2 of `<string>`.
const GENERATED: [&str; 3] = ["__init__", "__eq__", "__repr__"];
/// Time without a name, of all that longer spells take.
const MAX_UNNAMED: f64 = 0.1;
/// Who waits for a CPU for more than the window, divided by this, is disturbed: samples come
/// late, and a thread's own clock leaves out what the hypervisor takes.
const DISTURBED: i64 = 50;
/// How often it is tried if it was.
const TRIES: usize = 3;

#[test]
fn a_reused_address_never_yields_a_wrong_name() {
    never_wrong(&[interpreter::oldest(), interpreter::newest()]);
}

#[test]
#[ignore = "slow: half a minute"]
fn a_reused_address_of_any_version_never_yields_a_wrong_name() {
    never_wrong(&interpreter::all());
}

fn never_wrong(pythons: &[&Interpreter]) {
    for python in pythons {
        for attempt in 1..=TRIES {
            let mut problems = Problems::new();
            problems.about(python);
            let is_quiet = reused_on(python, &mut problems);
            if is_quiet || attempt == TRIES || problems.count() == 0 {
                problems.finish();
                break;
            }
            eprintln!("others had the CPUs: once more");
        }
    }
}

/// Compares; whether the CPUs were free for it.
fn reused_on(python: &Interpreter, problems: &mut Problems) -> bool {
    let workloads = SPELLS_US.map(|us| Workload::start(python, "reused.py", &[us.to_string()]));
    let pids = workloads
        .each_ref()
        .map(|workload| workload.pid.to_string());
    let stolen = stolen_ns();
    let outcome = observe::run(&[
        "classify", "-p", &pids[0], "-p", &pids[1], "-d", "2500ms", "-r", "10khz", "--json",
    ]);
    let mut lost = stolen_ns() - stolen;
    let mut wall = 0;
    let report = outcome.report();
    for (workload, spell_us) in workloads.into_iter().zip(SPELLS_US) {
        problems.about(format!("{} living {spell_us} us", python.version));
        let (pid, tid) = (workload.pid, ns(&workload.ready, "tid"));
        let truth = workload.finish();
        problems.check(
            ns(&truth, "reused") > 10,
            format!("addresses were reused {} times only", truth["reused"]),
        );
        let process = report.process(pid);
        // Watching begins with each thread, a little before the window that is common to
        // all processes.
        let (_, end) = report.window();
        let time = &thread(process, tid)["time"];
        let begin = end - ns(time, "wall_ns");
        lost += ns(time, "runnable_ns");
        wall += ns(time, "wall_ns");
        let spent = spent(list(&truth, "spells"), (begin, end));
        let functions = list(process, "functions");
        let unnamed = no_wrong_name(functions, &spent, spell_us, problems);
        let earliest = begin - spell_us * 1_000 / TOLERANCE;
        none_is_over(functions, list(&truth, "spells"), earliest, problems);
        eprintln!(
            "{python}, living {spell_us} us: {} names, {:.1} % of their time unnamed",
            spent.len(),
            unnamed * 100.0,
        );
        problems.check(
            unnamed < MAX_UNNAMED || spell_us < 10_000,
            format!("{:.1} % without a name", unnamed * 100.0),
        );
        loss_is_counted(&report, process, tid, problems);
    }
    lost < wall / DISTURBED
}

/// No function has more time than it spent; the share of the time that has no name.
fn no_wrong_name(
    functions: &[Value],
    spent: &BTreeMap<String, (i64, i64)>,
    spell_us: i64,
    problems: &mut Problems,
) -> f64 {
    let tolerance = spell_us * 1_000 / TOLERANCE;
    let mut named = 0;
    for (name, (at_least, at_most)) in spent {
        let is_generated = GENERATED.contains(&name.as_str());
        let reported: i64 = functions
            .iter()
            .filter(|function| {
                is_called(text(function, "function"), name)
                    && (!is_generated || text(function, "file") == "<string>")
            })
            .map(|function| ns(function, "total_on_cpu_ns"))
            .sum();
        named += reported.min(*at_least);
        // A name that is not generated is spent once, the others many times.
        let tolerance = tolerance + if is_generated { at_most / 50 } else { 0 };
        problems.check(
            reported <= at_most + tolerance,
            format!("{name} has {reported} ns, but has spent {at_most} at most"),
        );
    }
    let whole: i64 = spent.values().map(|(at_least, _)| at_least).sum();
    1.0 - named as f64 / whole.max(1) as f64
}

/// No function was over before `earliest`.
fn none_is_over(functions: &[Value], spells: &[Value], earliest: i64, problems: &mut Problems) {
    for function in functions {
        let name = text(function, "function");
        let ended = spells
            .iter()
            .filter(|spell| spell[0] == name)
            .filter_map(|spell| spell[2].as_i64())
            .max();
        if let Some(ended) = ended {
            problems.check(
                ended >= earliest,
                format!("{name} was over {} ns too early", earliest - ended),
            );
        }
    }
}

/// Per name, its CPU time within the window: in spells that are wholly in it, and in
/// those that touch it.
fn spent(spells: &[Value], (begin, end): (i64, i64)) -> BTreeMap<String, (i64, i64)> {
    let mut spent: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for spell in spells {
        let number = |n: usize| spell[n].as_i64().expect("a time is an integer");
        let (first, last, cpu) = (number(1), number(2), number(3));
        if last < begin || first > end {
            continue;
        }
        let name = spell[0].as_str().expect("a name is text");
        let (at_least, at_most) = spent.entry(name.to_owned()).or_default();
        *at_most += cpu;
        if first >= begin && last <= end {
            *at_least += cpu;
        }
    }
    spent
}

/// Time that belongs to no function is there because something was lost.
fn loss_is_counted(report: &Report, process: &Value, tid: i64, problems: &mut Problems) {
    let unattributed = ns(thread(process, tid), "unattributed_ns");
    let losses = report.0["loss"].as_object().map_or(0, |loss| {
        loss.values().filter_map(Value::as_u64).sum::<u64>()
    });
    problems.check(
        unattributed == 0 || losses > 0,
        format!("{unattributed} ns belong to no function, and no loss is counted"),
    );
}
