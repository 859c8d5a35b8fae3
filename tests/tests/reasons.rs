//! Every reason of blocked time: a workload that proves it, and look-alikes that must
//! not get it. What is found goes into the table of docs/reasons.md, which
//! `cargo xtask table` writes.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    reasons::{BATCHES, observe_until_right},
    report::{self, ns},
    single_step::SingleStep,
    swap::Swap,
    waits::Play,
    workload::Workload,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

#[test]
fn every_reason_and_its_look_alikes() {
    let mut problems = Problems::new();
    // Some of them, to look at one thing.
    let only = env::var("PYOBSERVE_GROUPS").ok();
    for python in interpreter::few(interpreter::is_debian) {
        for batch in BATCHES {
            let is_wanted = |group: &&str| {
                only.as_ref()
                    .is_none_or(|o| o.split(',').any(|one| one == *group))
            };
            let groups: Vec<&str> = batch.iter().copied().filter(is_wanted).collect();
            if !groups.is_empty() {
                eprintln!("{python} {}", groups.join(", "));
                observe_until_right(python, &groups, Play::Usual, &mut problems);
            }
        }
    }
    problems.finish();
}

/// Pages that were swapped out, on a swap device of our own.
#[test]
fn swapping_is_told_from_other_page_faults() {
    let swap = match Swap::make() {
        Ok(swap) => swap,
        Err(why) => {
            eprintln!("SKIPPED: this machine gives no swap device: {why}");
            return;
        }
    };
    let mut problems = Problems::new();
    observe_until_right(
        interpreter::newest(),
        &["swapping"],
        Play::Usual,
        &mut problems,
    );
    drop(swap);
    problems.finish();
}

/// Stopped by a signal, and by a tracer: neither is what the thread waited for before.
#[test]
fn stopped_and_traced() {
    let mut problems = Problems::new();
    let python = interpreter::newest();
    let workload = Workload::start(python, "reasons.py", &["sleeping"]);
    let pid = workload.pid;
    let args = ["classify", "-p", &pid.to_string(), "-d", "4s", "--json"];
    let running = observe::start(observe::command(&args));
    observe::until_attached(&running);

    let process = Pid::from_raw(i32::try_from(pid).expect("a pid fits"));
    let stopped = Instant::now();
    kill(process, Signal::SIGSTOP).expect("it is ours");
    thread::sleep(Duration::from_millis(700));
    kill(process, Signal::SIGCONT).expect("it is ours");
    let stopped = nanoseconds(stopped.elapsed());

    let traced = Instant::now();
    let stepper = SingleStep::take(pid);
    thread::sleep(Duration::from_millis(500));
    drop(stepper);
    let traced = nanoseconds(traced.elapsed());

    let report = running.wait().report();
    let process = report.process(pid);
    let of = |tid: i64| {
        let time = &report::thread(process, tid)["time"];
        ns(&time["blocked_by_reason"], "stopped")
    };
    let sleeper = ns(&workload.ready["waits"]["nap"], "tid");
    let allowed = 100_000_000;
    problems.near("stopped", of(sleeper), stopped, allowed);
    problems.near("and traced", of(i64::from(pid)), stopped + traced, allowed);
    problems.finish();
}

fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).expect("it is short")
}
