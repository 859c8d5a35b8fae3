//! One program: started, watched, ended, compared.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize as _;

use super::{
    judge::{self, Place},
    labels::Label,
    noise::{Noise, Surroundings},
    others::{self, Top},
    program::{Program, Servers},
    row::{Comparison, FirstRight, Others, Outcome, Row},
    truth::{Starvation, Truth},
};
use crate::{clocks::Sampler, interpreter::Interpreter, observe, report::Report};

/// Between a program's word that it is ready and the first look at it: caches warm up,
/// threads reach their places.
const SETTLE: Duration = Duration::from_millis(300);

/// How often the kernel's clocks of its threads are read meanwhile: seldom, so that nobody feels
/// it.
const READ_EVERY: Duration = Duration::from_millis(40);

/// How programs are run.
#[derive(Debug)]
pub struct Plan {
    /// On this.
    pub python: Interpreter,
    /// Watched for so long.
    pub watch: Duration,
    /// Beside this.
    pub surroundings: Surroundings,
    /// What it means that one got no CPU.
    pub starvation: Starvation,
    /// If there.
    pub py_spy: Option<PathBuf>,
    /// It is also watched for less, started anew for each window, to find out how soon
    /// verdicts are right; else the one window is how soon at the latest.
    pub sooner: bool,
}

/// Windows shorter than the one that counts, the longest first.
const SHORTER: [Duration; 3] = [
    Duration::from_secs(3),
    Duration::from_secs(2),
    Duration::from_secs(1),
];

/// What came of one window.
struct Watched {
    comparison: Comparison,
    /// From the start of pyobserve to the end of its report.
    took: Duration,
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
        let watched = self.caught(label, servers, self.watch);
        let first_right = watched
            .as_ref()
            .ok()
            .and_then(|watched| self.first_right(label, servers, watched));
        Row {
            first_right,
            name: label.name.clone(),
            class: label.class,
            half: label.half,
            outcome: match watched {
                Ok(watched) => Outcome::Judged(Box::new(watched.comparison)),
                Err(Why::NotValid(why)) => Outcome::NotValid(why),
                Err(Why::NoReport(why)) => Outcome::NoReport(why),
            },
        }
    }

    /// Runs one program and compares.
    pub fn judged(&self, label: &Label, servers: &mut Servers) -> Result<Comparison, Why> {
        let watched = self.watched(label, servers, self.watch)?;
        Ok(watched.comparison)
    }

    /// The same for a window. The harness panics where it cannot go on; here the next
    /// program can.
    fn caught(
        &self,
        label: &Label,
        servers: &mut Servers,
        watch: Duration,
    ) -> Result<Watched, Why> {
        catch_unwind(AssertUnwindSafe(|| self.watched(label, servers, watch)))
            .unwrap_or_else(|panic| Err(Why::NotValid(in_words(panic.as_ref()))))
    }

    /// How soon verdicts are right, of which that of the whole window is known.
    fn first_right(
        &self,
        label: &Label,
        servers: &mut Servers,
        whole: &Watched,
    ) -> Option<FirstRight> {
        if !whole.comparison.class_holds {
            return Some(FirstRight::Never);
        }
        let mut soonest = (self.watch, whole.took);
        let shorter = SHORTER.into_iter().filter(|window| *window < self.watch);
        for window in shorter.take_while(|_| self.sooner) {
            match self.caught(label, servers, window) {
                Ok(it) if it.comparison.class_holds => soonest = (window, it.took),
                Ok(_) | Err(Why::NoReport(_)) => break,
                Err(Why::NotValid(_)) => return None,
            }
        }
        let (window, took) = soonest;
        Some(FirstRight::After {
            window_s: window.as_secs_f64(),
            took_s: took.as_secs_f64(),
        })
    }

    /// Starts the program as the surroundings want it.
    fn start(&self, label: &Label, servers: &mut Servers) -> Result<Program, String> {
        let surroundings = &self.surroundings;
        if label.quota_pct.is_some() && surroundings.exclude_quotas() {
            return Err("one process cannot be in two control groups of v2".to_owned());
        }
        let start = |servers: &mut Servers| Program::start(&self.python, label, servers);
        let mut program = start(servers)?;
        if surroundings.noise == Noise::Restarted {
            program.workload.end();
            program = start(servers)?;
        } else {
            thread::sleep(SETTLE);
        }
        surroundings.take_program(program.workload.pid);
        Ok(program)
    }

    fn watched(
        &self,
        label: &Label,
        servers: &mut Servers,
        watch: Duration,
    ) -> Result<Watched, Why> {
        let lines = label.lines().map_err(|e| e.to_string())?;
        let program = self.start(label, servers)?;
        let pid = program.workload.pid;
        let top = Top::begin(pid);
        let started = Instant::now();
        let sampler = Sampler::every(pid, READ_EVERY);
        let observed = self.observe(pid, watch);
        let took = started.elapsed();
        let clocks = sampler.stop();
        let top_pct = top.end();
        let py_spy_active = self
            .py_spy
            .as_ref()
            .and_then(|py_spy| others::active_share(py_spy, pid));
        let file = program.file.clone();
        let held_back_ns = program.held_back_ns();
        // Its group is killed where it has children, so its status says nothing.
        let (last, _) = program.workload.end();
        let mut truth =
            Truth::deserialize(&last).map_err(|e| format!("its last line {last}: {e}"))?;
        truth.held_back_ns = held_back_ns;
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
        let has_quota = label.quota_pct.is_some();
        let in_window = truth.vector_in(&clocks, report.window());
        let times = in_window.filter(|_| !has_quota);
        let times = times.unwrap_or_else(|| truth.vector(has_quota));
        let comparison =
            judge::compare(process, right, &place, &times, others).map_err(Why::NoReport)?;
        Ok(Watched { comparison, took })
    }

    /// As a user types it: with the budget that it has by itself.
    fn observe(&self, pid: u32, watch: Duration) -> observe::Outcome {
        let mut command = Command::new(observe::binary());
        command
            .args(["classify", "--json", "-p", &pid.to_string()])
            .args(["-d", &format!("{}ms", watch.as_millis())]);
        observe::tidy(&mut command);
        let running = observe::start(command);
        // Taken at once, while it still looks for its way.
        self.surroundings.take_observer(running.child.id());
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
