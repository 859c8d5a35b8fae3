//! Who ends waits for locks, and who holds the GIL while others wait for it.

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::{Problems, until_right},
    report::{find_function, function, is_called, list, ns},
    workload::Workload,
};
use serde_json::Value;

/// How often a workload is observed at most: on a busy machine a thread may be kept from
/// reading its own clocks.
const TRIES: usize = 2;

/// What a workload was seen to do.
struct Seen {
    process: Value,
    ready: Value,
    last: Value,
    window: (i64, i64),
}

impl Seen {
    fn of(python: &Interpreter, mode: &str, duration: &str) -> Self {
        let workload = Workload::start(python, "wakers.py", &[mode]);
        let report = observe::classify(workload.pid, duration, &[]);
        Self {
            process: report.process(workload.pid).clone(),
            window: report.window(),
            ready: workload.ready.clone(),
            last: workload.finish(),
        }
    }

    /// Time of a function's spans in the window, by its own clock.
    fn own_ns(&self, name: &str) -> i64 {
        let (begin, end) = self.window;
        let length = |span: &Value| {
            let at = |n: usize| span[n].as_i64().expect("a time");
            (at(1).min(end) - at(0).max(begin)).max(0)
        };
        list(&self.last["spans"], name).iter().map(length).sum()
    }

    /// Four fifths of such a time that is left without that for which the machine had no
    /// CPU: who was woken by a release, or has to ask for the GIL, waits for that first.
    fn less_ready(&self, time_ns: i64) -> i64 {
        (time_ns - ns(&self.process["time"], "runnable_ns")).max(0) * 4 / 5
    }

    /// The waits for `reason` in a function: their time, and who ended them.
    fn waits(&self, name: &str, reason: &str) -> (i64, Vec<&Value>) {
        let mut total = 0;
        let mut wakers = Vec::new();
        for wait in list(&self.process, "waits") {
            let is_here = wait["function"]
                .as_str()
                .is_some_and(|function| is_called(function, name));
            if is_here && wait["reason"] == reason {
                total += ns(wait, "total_ns");
                wakers.extend(list(wait, "wakers"));
            }
        }
        wakers.sort_by_key(|waker| -ns(waker, "waited_ns"));
        (total, wakers)
    }
}

fn sum<'a>(wakers: impl Iterator<Item = &'a &'a Value>) -> i64 {
    wakers.map(|waker| ns(waker, "waited_ns")).sum()
}

fn check_on(what: &str, check: impl Fn(&Interpreter, &mut Problems), only: &[&Interpreter]) {
    let mut problems = Problems::new();
    for python in only {
        let wrong = until_right(TRIES, |_, wrong| {
            eprintln!("{python} {what}");
            wrong.about(&python.version);
            check(python, wrong);
        });
        if wrong.count() > 0 {
            problems.add(format!("{python} {what}: {:?}", wrong.first()));
        }
    }
    problems.finish();
}

#[test]
fn the_waker_of_a_lock_is_named_with_its_place() {
    check_on(
        "locks",
        check_locks,
        &interpreter::few(|python| python.minor == 11),
    );
}

fn check_locks(python: &Interpreter, problems: &mut Problems) {
    let seen = Seen::of(python, "locks", "2500ms");
    let waits = seen.ready["waits"].as_object().expect("an object");
    for (name, truth) in waits {
        problems.about(format!("{} {name}", python.version));
        let (total, wakers) = seen.waits(name, "lock");
        let own = seen.own_ns(name);
        problems.between("waited", total, own * 7 / 10, own * 21 / 20);
        if truth["by"].is_null() {
            // Its time is over, or another process has released it.
            let known = sum(wakers.iter());
            problems.between("by anybody", known, 0, total / 50);
            continue;
        }
        let by = truth["by"].as_str().expect("a name");
        let Some(most) = wakers.first() else {
            problems.add("nobody ended it");
            continue;
        };
        problems.equal("tid", &most["tid"], &truth["by_tid"]);
        problems.equal("line", &most["line"], &truth["by_line"]);
        let called = most["function"].as_str().unwrap_or_default();
        problems.check(is_called(called, by), format!("woken by {called}"));
        // The waits that were open at either end of the window have no waker.
        let is_right = |waker: &&&Value| waker["tid"] == truth["by_tid"];
        let right = sum(wakers.iter().filter(is_right));
        problems.between("by the right one", right, total * 9 / 10, total * 101 / 100);
        let wrong = sum(wakers.iter()) - right;
        problems.between("by others", wrong, 0, total / 20);
        let caused = ns(function(&seen.process, by), "lock_wait_caused_ns");
        problems.between("caused", caused, right * 9 / 10, right * 11 / 10);
    }
}

#[test]
fn who_keeps_the_gil_is_told_from_who_gives_it_back() {
    check_on(
        "gil",
        check_gil,
        &interpreter::few(|python| python.minor == 11),
    );
}

fn check_gil(python: &Interpreter, problems: &mut Problems) {
    let seen = Seen::of(python, "gil", "3s");
    let all = |figure| -> i64 {
        let functions = list(&seen.process, "functions").iter();
        functions.map(|function| ns(function, figure)).sum()
    };
    let waited = all("gil_wait_ns");
    let known = all("gil_wait_caused_ns");
    problems.between("known", known, seen.less_ready(waited), waited * 21 / 20);
    // Two wait while it holds the GIL.
    let held = 2 * seen.own_ns("hold_gil");
    let least = seen.less_ready(held);
    let of = |name, figure| find_function(&seen.process, name).map_or(0, |f| ns(f, figure));
    let caused = of("hold_gil", "gil_wait_caused_ns");
    problems.between("hold_gil", caused, least, held * 11 / 10);
    // It releases the GIL there, and computes nothing.
    let released = of("release_gil", "gil_wait_caused_ns");
    problems.between("release_gil", released, 0, caused / 20);
    problems.between("its own", of("hold_gil", "gil_wait_ns"), 0, waited / 5);

    let (_, wakers) = seen.waits("compute", "gil");
    let Some(most) = wakers.first() else {
        problems.add("nobody held it");
        return;
    };
    problems.equal("tid", &most["tid"], &seen.ready["tids"]["culprit"]);
    problems.equal("estimated", &most["is_estimated"], &Value::Bool(true));
    // What is left without the time for which the machine gave a holder no CPU.
    let on_cpu = |name: &str| -> i64 {
        let is_it = |waker: &&&Value| is_called(waker["function"].as_str().unwrap_or(""), name);
        let held = |waker: &&Value| ns(waker, "waited_ns") - ns(waker, "off_cpu_ns");
        wakers.iter().filter(is_it).map(held).sum()
    };
    let (culprit, innocent) = (on_cpu("hold_gil"), on_cpu("compute"));
    problems.between("innocent", innocent, 0, culprit / 10);
}

/// The machine is not to blame, and neither is the code that computes.
#[test]
fn a_holder_of_the_gil_that_is_off_the_cpu() {
    check_on("blocked", check_blocked, &[interpreter::newest()]);
}

fn check_blocked(python: &Interpreter, problems: &mut Problems) {
    let seen = Seen::of(python, "blocked", "2500ms");
    let asleep = seen.own_ns("hold_gil_asleep");
    let caused = ns(
        function(&seen.process, "hold_gil_asleep"),
        "gil_wait_caused_ns",
    );
    let least = seen.less_ready(asleep);
    problems.between("caused", caused, least, asleep * 11 / 10);
    let (_, wakers) = seen.waits("compute", "gil");
    let Some(most) = wakers.first() else {
        problems.add("nobody held it");
        return;
    };
    problems.equal("tid", &most["tid"], &seen.ready["tids"]["culprit_asleep"]);
    let (waited, off_cpu) = (ns(most, "waited_ns"), ns(most, "off_cpu_ns"));
    problems.between("off the CPU", off_cpu, waited * 9 / 10, waited);
}
