//! Addresses of code objects that are freed and used again: time never goes to a name
//! that did not spend it.

use std::collections::BTreeMap;

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{Report, is_called, list, ns, text},
    workload::Workload,
};
use serde_json::Value;

/// How far samples may be off for one name: a spell of computing takes 1.5 ms, and that
/// is what a wrong name would get at least.
const TOLERANCE_NS: i64 = 700_000;
/// The methods that data classes get, all from line 2 of `<string>`.
const GENERATED: [&str; 3] = ["__init__", "__eq__", "__repr__"];
/// Time without a name, of all.
const MAX_UNNAMED: f64 = 0.1;

#[test]
fn a_reused_address_never_yields_a_wrong_name() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        problems.about(python);
        reused_on(python, &mut problems);
    }
    problems.finish();
}

fn reused_on(python: &Interpreter, problems: &mut Problems) {
    let workload = Workload::start::<&str>(python, "reused.py", &[]);
    let (pid, tid) = (workload.pid, ns(&workload.ready, "tid"));
    let report = observe::classify(pid, "1500ms", &["-r", "10khz"]);
    let truth = workload.finish();
    problems.check(
        ns(&truth, "reused") > 50,
        format!("addresses were reused {} times only", truth["reused"]),
    );
    let spent = spent(list(&truth, "spells"), report.window());
    let process = report.process(pid);
    let functions = list(process, "functions");
    let mut named = 0;
    for (name, (at_least, at_most)) in &spent {
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
        // A name that is not generated is spent once, the others some hundred times.
        let tolerance = TOLERANCE_NS + if is_generated { at_most / 50 } else { 0 };
        problems.check(
            reported <= at_most + tolerance,
            format!("{name} has {reported} ns, but has spent {at_most} at most"),
        );
    }
    let strangers = functions.iter().map(|f| text(f, "function"));
    let strangers =
        strangers.filter(|name| name.starts_with("spell_") && !spent.contains_key(*name));
    for stranger in strangers {
        problems.add(format!("{stranger} was over before the window"));
    }
    let whole: i64 = spent.values().map(|(at_least, _)| at_least).sum();
    let unnamed = 1.0 - named as f64 / whole as f64;
    eprintln!(
        "{python}: {} names, {} changes, {:.1} % of {whole} ns under no name of theirs; {}",
        spent.len(),
        truth["reused"],
        unnamed * 100.0,
        report.0["loss"]
    );
    problems.check(
        unnamed < MAX_UNNAMED,
        format!("{:.1} % of {whole} ns without a name", unnamed * 100.0),
    );
    loss_is_counted(&report, tid, problems);
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
fn loss_is_counted(report: &Report, tid: i64, problems: &mut Problems) {
    let Some(process) = report.processes().first() else {
        return;
    };
    let thread = list(process, "threads").iter().find(|t| t["tid"] == tid);
    let unattributed = thread.map_or(0, |thread| ns(thread, "unattributed_ns"));
    let losses = report.0["loss"].as_object().map_or(0, |loss| {
        loss.values().filter_map(Value::as_u64).sum::<u64>()
    });
    problems.check(
        unattributed == 0 || losses > 0,
        format!("{unattributed} ns belong to no function, and no loss is counted"),
    );
}
