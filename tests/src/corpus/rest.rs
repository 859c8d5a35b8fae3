//! Programs at rest, all of them at a time and watched for long: they are idle in every window.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    class::Class,
    labels::Label,
    program::{Program, Servers},
};
use crate::{interpreter::Interpreter, observe, processes, report::Report};

/// What is watched, again and again.
const WINDOW: &str = "10s";
/// Workers have been forked, and what starts has started.
const SETTLE: Duration = Duration::from_secs(5);

/// What was said of one program.
#[derive(Debug, Serialize)]
pub struct Rested {
    name: String,
    /// Its processes: workers are at rest too.
    processes: usize,
    /// Verdicts, one for each process and window.
    verdicts: u64,
    /// Those that were another class, with the reason that was given for the first.
    otherwise: BTreeMap<String, (u64, String)>,
    /// Why it was not watched.
    not_valid: Option<String>,
}

/// Watches those of `labels` that are at rest for so long.
pub fn watch(
    python: &Interpreter,
    labels: &[Label],
    servers: &mut Servers,
    watched: Duration,
) -> Vec<Rested> {
    let mut started = Vec::new();
    let mut all = Vec::new();
    for label in labels.iter().filter(|label| label.class == Class::Idle) {
        let program = catch_unwind(AssertUnwindSafe(|| Program::start(python, label, servers)));
        match program.unwrap_or_else(|_| Err("it did not start".to_owned())) {
            Ok(program) => started.push((label, program)),
            Err(why) => all.push(Rested::of(label, 0, Some(why))),
        }
    }
    thread::sleep(SETTLE);
    let pids: Vec<Vec<u32>> = started
        .iter()
        .map(|(_, program)| with_workers(program.workload.pid))
        .collect();
    let texts: Vec<String> = pids.iter().flatten().map(u32::to_string).collect();
    let mut words = vec!["classify", "--watch", "--json", "-d", WINDOW];
    words.extend(texts.iter().flat_map(|pid| ["-p", pid.as_str()]));
    // As a user runs it.
    words.extend(["--budget", "1%"]);
    let running = observe::start(observe::command(&words));
    observe::until_attached(&running);
    thread::sleep(watched);
    let outcome = running.interrupt();
    let reports: Vec<Report> = outcome.stdout.lines().map(Report::parse).collect();
    for ((label, program), pids) in started.into_iter().zip(pids) {
        let mut rested = Rested::of(label, pids.len(), None);
        for report in &reports {
            rested.add(report, &pids);
        }
        all.push(rested);
        drop(program);
    }
    all
}

impl Rested {
    fn of(label: &Label, processes: usize, not_valid: Option<String>) -> Self {
        Self {
            name: label.name.clone(),
            processes,
            verdicts: 0,
            otherwise: BTreeMap::new(),
            not_valid,
        }
    }

    fn add(&mut self, report: &Report, pids: &[u32]) {
        let of_it = |process: &&Value| pids.iter().any(|pid| process["pid"] == *pid);
        for process in report.processes().iter().filter(of_it) {
            self.verdicts += 1;
            let verdict = &process["verdict"];
            let class = verdict["class"].as_str().unwrap_or_default();
            if class != Class::Idle.name() {
                let because = verdict["because"].to_string();
                let seen = self.otherwise.entry(class.to_owned());
                seen.or_insert((0, because)).0 += 1;
            }
        }
    }
}

/// A process and those below it that run Python.
fn with_workers(pid: u32) -> Vec<u32> {
    let runs_python = |pid: &u32| {
        let exe = fs::read_link(format!("/proc/{pid}/exe"));
        exe.is_ok_and(|exe| exe.to_string_lossy().contains("python"))
    };
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        let children = processes::children(*parent);
        found.extend(children.iter().filter(|pid| runs_python(pid)));
        next += 1;
    }
    found
}
