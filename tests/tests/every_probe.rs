//! Every probe of every interpreter, beside the interpreter's own hooks: what the tables of
//! docs/usdt.md and of `probe_worth` say of it.

use leakcpu_tests::{
    garbage,
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{list, ns, text},
    workload::Workload,
};
use pyobserve::model::{PROBES, ProbeWorth, probe_worth};
use serde_json::Value;

const SCRIPT: &str = "every_probe.py";
/// Before and behind what is counted lies some code.
const AROUND: i64 = 4;

/// The hook that counts what a probe is of; `None` of probes that are not listened at.
fn hook(probe: &str) -> Option<&'static str> {
    match probe {
        "gc__start" | "gc__done" => Some("collector"),
        "import__find__load__start" | "import__find__load__done" => Some("imports"),
        "audit" => Some("audit"),
        "function__return" => Some("calls"),
        "line" => Some("lines"),
        _ => None,
    }
}

/// How often what a hook counts happens.
fn truth(python: &Interpreter, hook: &str) -> i64 {
    let twin = Workload::start(python, SCRIPT, &[hook]);
    let counted = ns(&twin.ready, "counted");
    twin.finish();
    counted
}

/// How often each probe fired, of those of these groups.
fn fired(python: &Interpreter, groups: &str) -> Vec<Value> {
    let mut workload = Workload::start::<&str>(python, SCRIPT, &[]);
    let pid = workload.pid.to_string();
    let words = [
        "-q",
        "functions",
        "-p",
        &pid,
        "-d",
        "5m",
        "--json",
        "--exact",
        "--usdt",
        groups,
    ];
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    workload.go();
    workload.next_line();
    let outcome = running.interrupt();
    workload.finish();
    let line = outcome.stdout.lines().last();
    let document = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
    let document = document.unwrap_or_else(|| panic!("{outcome:?}"));
    let process = &list(&document, "processes")[0]["process"];
    list(&process["python"], "usdt").to_vec()
}

#[test]
fn probes_are_worth_what_is_said_of_them() {
    let mut problems = Problems::new();
    let mut rows = Vec::new();
    for python in interpreter::all() {
        if !garbage::has_probes(python) {
            continue;
        }
        problems.about(python);
        let minor = python.version.split('.').nth(1);
        let minor: u8 = minor.and_then(|it| it.parse().ok()).expect("a version");
        // Lines make all others slow, and those of 3.11 wake what is silent without them.
        let mut all = fired(python, "gc,import,audit,calls");
        let lines = fired(python, "line");
        all.retain(|one| text(one, "probe") != "line");
        all.extend(lines.into_iter().filter(|one| text(one, "probe") == "line"));
        for probe in PROBES {
            let one = all.iter().find(|one| text(one, "probe") == probe);
            let one = one.expect("every probe is told of");
            let is_present = garbage::notes(python).find("python", probe).is_some();
            problems.equal(probe, &one["present"], &is_present.into());
            let Some(hook) = hook(probe).filter(|_| is_present) else {
                rows.push(format!(
                    "| {probe} | {} | {is_present} | - | - |",
                    python.version
                ));
                continue;
            };
            let (fired, truth) = (ns(one, "fired"), truth(python, hook));
            let more = fired - truth;
            rows.push(format!(
                "| {probe} | {} | true | {fired} | {truth} |",
                python.version
            ));
            problems.check(truth > 0, format!("{probe}: nothing is counted"));
            let (worth, _) = probe_worth(minor, probe);
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
    if rows.is_empty() {
        eprintln!("SKIPPED: no interpreter here has probes");
    }
    eprintln!("| probe | version | present | fired | in truth |\n|---|---|---|---|---|");
    for row in rows {
        eprintln!("{row}");
    }
    problems.finish();
}
