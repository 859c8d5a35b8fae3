//! `--usdt audit`: what is audited, beside what an audit hook of the program sees.

use std::{collections::BTreeMap, fs};

use leakcpu_tests::{
    garbage, interpreter,
    problems::Problems,
    report::{list, ns, text},
    workload::{self, Workload},
};

const SCRIPT: &str = "audited.py";

/// The line that opens a file.
fn marked_line() -> usize {
    let source = fs::read_to_string(workload::script(SCRIPT)).expect("it is there");
    let mut lines = source.lines();
    let at = lines.position(|line| line.ends_with("# here"));
    at.expect("a line is marked") + 1
}

#[test]
fn events_are_those_that_a_hook_of_the_program_sees() {
    let mut problems = Problems::new();
    let mut with_probes = 0;
    for python in interpreter::all() {
        if !garbage::has_probes(python) {
            continue;
        }
        with_probes += 1;
        problems.about(python);
        let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
        let running = garbage::start(&workload, &["--usdt", "audit"]);
        workload.go();
        let truth = workload.next_line();
        let outcome = running.interrupt();
        let pid = workload.pid;
        workload.finish();
        problems.check(
            outcome.stderr.contains("audited events costs"),
            format!("its price is not said before: {}", outcome.stderr),
        );
        let report = outcome.report();
        let process = report.process(pid);
        let told = list(process, "audit");
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for one in told {
            *counts.entry(text(one, "event")).or_default() += ns(one, "count");
        }
        let seen: BTreeMap<&str, i64> = truth["seen"]
            .as_object()
            .expect("it tells them")
            .iter()
            .map(|(event, count)| (event.as_str(), count.as_i64().expect("a count")))
            .collect();
        problems.equal("events", &counts, &seen);
        problems.check(seen["open"] >= 300, format!("{seen:?}"));
        let open = told.iter().find(|one| text(one, "event") == "open");
        let Some(open) = open else { continue };
        problems.equal("who opens", &open["function"], &"read_all".into());
        problems.equal("the line", &open["line"], &marked_line().into());
        problems.equal("the collector's", &process["collector"].is_null(), &true);
    }
    if with_probes == 0 {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
    problems.finish();
}
