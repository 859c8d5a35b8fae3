//! One program: started, watched, ended, compared.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

use serde::Deserialize as _;

use super::{
    judge::{self, Place},
    labels::Label,
    noise::Noise,
    others::{self, Top},
    program::{Program, Servers},
    row::{Comparison, Others, Outcome, Row},
    truth::{Starvation, Truth},
};
use crate::{interpreter::Interpreter, observe, report::Report};

/// Between a program's word that it is ready and the first look at it: caches warm up,
/// threads reach their places.
const SETTLE: Duration = Duration::from_millis(300);

/// How programs are run.
#[derive(Debug)]
pub struct Plan {
    /// On this.
    pub python: Interpreter,
    /// Watched for so long.
    pub watch: Duration,
    /// Beside this.
    pub noise: Noise,
    /// What it means that one got no CPU.
    pub starvation: Starvation,
    /// If there.
    pub py_spy: Option<PathBuf>,
}

/// Why there is nothing to compare.
#[derive(Debug)]
pub enum Why {
    /// The program was not what its label says, or could not run.
    NotValid(String),
    /// pyobserve wrote no report of it.
    NoReport(String),
}

impl From<String> for Why {
    fn from(why: String) -> Self {
        Self::NotValid(why)
    }
}

impl Plan {
    /// Runs one program and says what came of it, whatever that is.
    pub fn row(&self, label: &Label, servers: &mut Servers) -> Row {
        // The harness panics where it cannot go on; here the next program can.
        let judged = catch_unwind(AssertUnwindSafe(|| self.judged(label, servers)))
            .unwrap_or_else(|panic| Err(Why::NotValid(in_words(panic.as_ref()))));
        Row {
            name: label.name.clone(),
            class: label.class,
            half: label.half,
            outcome: match judged {
                Ok(comparison) => Outcome::Judged(Box::new(comparison)),
                Err(Why::NotValid(why)) => Outcome::NotValid(why),
                Err(Why::NoReport(why)) => Outcome::NoReport(why),
            },
        }
    }

    /// Runs one program and compares.
    pub fn judged(&self, label: &Label, servers: &mut Servers) -> Result<Comparison, Why> {
        let lines = label.lines().map_err(|e| e.to_string())?;
        let program = Program::start(&self.python, label, servers)?;
        thread::sleep(SETTLE);
        let pid = program.workload.pid;
        let top = Top::begin(pid);
        let observed = self.observe(pid);
        let top_pct = top.end();
        let py_spy_active = self
            .py_spy
            .as_ref()
            .and_then(|py_spy| others::active_share(py_spy, pid));
        let file = program.file.clone();
        // Its group is killed where it has children, so its status says nothing.
        let (last, _) = program.workload.end();
        let truth = Truth::deserialize(&last).map_err(|e| format!("its last line {last}: {e}"))?;
        let right = truth.right(label, self.starvation)?;
        let report = report(&observed).map_err(Why::NoReport)?;
        let process = report
            .find_process(pid)
            .ok_or_else(|| Why::NoReport(format!("it is not in it: {}", report.warnings())))?;
        let others = Others {
            top_pct,
            cpu_over_wall: truth.cpu_over_wall(),
            py_spy_active,
        };
        let place = Place {
            file: &file,
            lines: &lines,
        };
        let times = truth.vector(label.quota_pct.is_some());
        judge::compare(process, right, &place, &times, others).map_err(Why::NoReport)
    }

    /// As a user types it: with the budget that it has by itself.
    fn observe(&self, pid: u32) -> observe::Outcome {
        let mut command = Command::new(observe::binary());
        command
            .args(["classify", "--json", "-p", &pid.to_string()])
            .args(["-d", &format!("{}ms", self.watch.as_millis())]);
        observe::tidy(&mut command);
        let running = observe::start(command);
        // Taken at once, while it still looks for its way.
        let group = self.noise.observer_group();
        if let Some(group) = &group {
            group.take(running.child.id());
        }
        running.wait()
    }
}

fn report(observed: &observe::Outcome) -> Result<Report, String> {
    if !observed.status.success() {
        let last = observed.stderr.lines().last().unwrap_or("it says nothing");
        return Err(format!("pyobserve ended with {}: {last}", observed.status));
    }
    serde_json::from_str(&observed.stdout)
        .map(Report)
        .map_err(|e| format!("its report is no JSON: {e}"))
}

fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
