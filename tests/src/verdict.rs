//! Verdicts against the truth that a workload states in its first line.

use serde_json::Value;

use crate::{
    observe,
    problems::Problems,
    report::{Report, is_called, ns, text},
    workload::Workload,
};

/// Whether the machine kept the process waiting for a CPU so long that this is part
/// of a right verdict.
fn is_starved(process: &Value) -> bool {
    let time = &process["time"];
    let (runnable, on_cpu) = (ns(time, "runnable_ns"), ns(time, "on_cpu_ns"));
    runnable * 4 >= runnable + on_cpu && runnable * 20 >= ns(time, "wall_ns")
}

/// Watches a workload for two seconds and compares the verdict with the truth that it
/// stated: class, detail, and the function, the line and the file to blame.
pub fn check(workload: &Workload, problems: &mut Problems) {
    let truth = &workload.ready["truth"];
    let report = observe::classify(workload.pid, "2s", &[]);
    let process = report.process(workload.pid);
    let verdict = &process["verdict"];
    let class = text(truth, "class");
    if is_starved(process) {
        eprintln!("{}: this machine had no CPU for it", workload.name);
        problems.equal(
            "class without the machine",
            &without_the_machine(verdict),
            &class,
        );
    } else {
        problems.check(verdict["class"] == class, format!("not {class}: {verdict}"));
        // Where both Python and native code compute nothing is said: null, never wrong.
        let is_unknown = class == "cpu-bound" && verdict["detail"].is_null();
        problems.check(
            is_unknown || verdict["detail"] == truth["detail"],
            format!("detail {}, not {}", verdict["detail"], truth["detail"]),
        );
    }
    if class != "busy-waiting" {
        problems.check(
            verdict["class"] != "busy-waiting",
            format!("falsely accused: {verdict}"),
        );
        accused_of_nothing(&report, workload, problems);
    }
    if class == "idle" {
        return;
    }
    let blame = &verdict["blame"];
    let function = text(truth, "function");
    problems.check(
        blame["function"]
            .as_str()
            .is_some_and(|f| is_called(f, function)),
        format!("{blame} is to blame, not {function}"),
    );
    problems.equal("line to blame", &blame["line"], &truth["line"]);
    problems.equal("file to blame", &blame["file"], &truth["file"]);
    problems.check(
        !verdict["because"].as_array().is_none_or(Vec::is_empty),
        "no reason is given",
    );
    let confidence = verdict["confidence"].as_f64().unwrap_or(-1.0);
    problems.check(
        (0.5..=1.0).contains(&confidence),
        format!("confidence {confidence} in a plain case"),
    );
}

/// The name of a workload's script.
pub fn script_of(workload: &Workload) -> &str {
    workload.name.split(' ').next().unwrap_or_default()
}

/// The class with the largest share, the wait for a CPU left out.
fn without_the_machine(verdict: &Value) -> &str {
    let shares = verdict["shares"].as_object().expect("shares is an object");
    shares
        .iter()
        .filter(|(class, _)| *class != "cpu-starved")
        .max_by(|a, b| {
            let share = |v: &Value| v.as_f64().unwrap_or(0.0);
            share(a.1).total_cmp(&share(b.1))
        })
        .map_or("none", |(class, _)| class)
}

fn accused_of_nothing(report: &Report, workload: &Workload, problems: &mut Problems) {
    let process = report.process(workload.pid);
    for finding in process["findings"].as_array().expect("findings is a list") {
        problems.check(
            !text(finding, "rule").starts_with("busy-wait."),
            format!("falsely accused: {finding}"),
        );
    }
    for part in ["threads", "functions"] {
        for item in process[part].as_array().expect("a list") {
            let class = item.get("class").unwrap_or(&item["verdict"]["class"]);
            problems.check(class != "busy-waiting", format!("falsely accused: {item}"));
        }
    }
}
