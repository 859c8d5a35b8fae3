//! A thousand short threads, born while they are watched: each has its stack, on the CPU
//! and off it.

use std::collections::BTreeMap;

use leakcpu_tests::{
    collapsed::{self, Line},
    interpreter::{self, Interpreter},
    observe,
    problems::{Problems, until_right},
    report::{is_called, list, ns},
    stacks::by_thread,
    workload::Workload,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// The root's side of a thread's stack.
const ROOT: [&str; 4] = ["_bootstrap", "_bootstrap_inner", "run", "live"];
/// Times that it may be tried.
const TRIES: usize = 2;
/// Weight at other places, of all: starting and ending take a tenth of so short a life.
const MAX_ELSEWHERE: f64 = 0.2;

#[test]
fn a_thousand_short_threads_show_their_stacks() {
    let mut problems = Problems::new();
    for python in [interpreter::oldest(), interpreter::newest()] {
        // A virtual CPU that stands still for some milliseconds takes lives of one with it.
        let wrong = until_right(TRIES, |_, problems| churn(python, problems));
        problems.about(python);
        problems.join(wrong);
    }
    problems.finish();
}

#[test]
#[ignore = "slow: a minute"]
fn a_thousand_short_threads_of_every_version_show_their_stacks() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        problems.about(python);
        churn(python, &mut problems);
    }
    problems.finish();
}

fn churn(python: &Interpreter, problems: &mut Problems) {
    let mut workload = Workload::start(python, "born.py", &["1000", "1000"]);
    let folder = TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("stacks");
    let mut command = observe::command(&["classify", "-d", "60s", "-r", "10khz"]);
    command.args([
        "-p",
        &workload.pid.to_string(),
        "--format",
        "collapsed",
        "-o",
    ]);
    command.arg(&file);
    let running = observe::start(command);
    observe::until_attached(&running);
    workload.go();
    let bred = workload.next_line();
    let watcher = i32::try_from(running.child.id()).expect("a pid fits");
    kill(Pid::from_raw(watcher), Signal::SIGINT).expect("our own child can be signalled");
    problems.equal("exit code", &running.wait().code(), &0);
    let truth = workload.finish();
    problems.equal("threads bred", &ns(&bred, "bred"), &1000);

    let on_cpu = by_thread(collapsed::read(&file));
    let off_cpu = by_thread(collapsed::read(&file.with_extension("off-cpu")));
    let mut computing = Seen::default();
    let mut napping = Seen::default();
    for life in list(&truth, "lives") {
        let tid = ns(life, "tid");
        computing.add(&on_cpu, tid, "compute_briefly", None);
        napping.add(&off_cpu, tid, "nap_briefly", Some("[sleep"));
    }
    eprintln!("{python}: computing {computing:?}, napping {napping:?}");
    computing.report("computing", problems);
    napping.report("napping", problems);
}

/// Where the threads were.
#[derive(Debug, Default)]
struct Seen {
    /// Threads with weight at their place.
    threads: usize,
    /// Weight there.
    there: u64,
    /// Weight elsewhere.
    elsewhere: u64,
}

impl Seen {
    /// Adds a thread that computes or, if its line ends in `wait`, waits in `leaf`.
    fn add(&mut self, lines: &BTreeMap<i64, Vec<Line>>, tid: i64, leaf: &str, wait: Option<&str>) {
        let mut there = 0;
        for line in lines.get(&tid).map_or(&[][..], Vec::as_slice) {
            let (last, frames) = line.frames.split_last().expect("a stack is never empty");
            let frames = match wait {
                None => &line.frames[..],
                Some(wait) if last.starts_with(wait) => frames,
                // Waiting for the GIL or the CPU may be anywhere.
                Some(_) => continue,
            };
            let names = frames
                .iter()
                .map(|frame| frame.split(' ').next().unwrap_or(""));
            let wanted = ROOT.iter().chain([&leaf]);
            let is_there = frames.len() == ROOT.len() + 1
                && names
                    .zip(wanted)
                    .all(|(name, wanted)| is_called(name, wanted));
            if is_there {
                there += line.weight;
            } else {
                self.elsewhere += line.weight;
            }
        }
        self.there += there;
        self.threads += usize::from(there > 0);
    }

    fn report(&self, what: &str, problems: &mut Problems) {
        problems.check(
            self.threads >= 990,
            format!("only {} of 1000 threads are seen {what}", self.threads),
        );
        let whole = self.there + self.elsewhere;
        problems.check(
            self.elsewhere as f64 <= whole as f64 * MAX_ELSEWHERE,
            format!("{what}: {} of {whole} elsewhere", self.elsewhere),
        );
    }
}
