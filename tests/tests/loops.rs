//! Event loops: their gaps against the workload's own clock, and who held them.

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::{Problems, until_right},
    report::{find_thread, is_called, list, ns},
    venv,
    workload::Workload,
};
use serde_json::Value;

/// How often a workload is observed at most: other programs may keep it from its CPU.
const TRIES: usize = 3;

/// What the report says of the loop of a workload, and what that says of itself.
struct Seen {
    event_loop: Value,
    ready: Value,
    /// Spans in which it was held that lie in the window whole, longest first.
    held: Vec<i64>,
}

fn observe_loop(python: &Interpreter, kind: &str, library: &str) -> Seen {
    let workload = Workload::start(python, "loops.py", &[kind, library]);
    let report = observe::classify(workload.pid, "2500ms", &[]);
    let pid = workload.pid;
    let ready = workload.ready.clone();
    let last = workload.finish();
    let (begin, end) = report.window();
    let mut held: Vec<i64> = list(&last, "spans")
        .iter()
        .filter_map(|span| Some((span[0].as_i64()?, span[1].as_i64()?)))
        .filter(|(from, to)| *from >= begin && *to <= end)
        .map(|(from, to)| to - from)
        .collect();
    held.sort_unstable_by(|a, b| b.cmp(a));
    let process = report.process(pid);
    let thread = find_thread(process, ns(&ready, "tid")).expect("the loop's thread is reported");
    Seen {
        event_loop: thread["event_loop"].clone(),
        ready,
        held,
    }
}

/// Checks until nothing is wrong, a few times at most.
fn check_until_right(kind: &str, check: impl Fn(&Seen, &mut Problems)) {
    check_on(&[interpreter::newest()], kind, check);
}

fn check_on(pythons: &[&Interpreter], kind: &str, check: impl Fn(&Seen, &mut Problems)) {
    check_with("asyncio", pythons, kind, check);
}

/// On the loop of another library, where that can be had.
fn check_with(
    library: &str,
    pythons: &[&Interpreter],
    kind: &str,
    check: impl Fn(&Seen, &mut Problems),
) {
    let mut problems = Problems::new();
    for python in pythons {
        let wrong = until_right(TRIES, |attempt, wrong| {
            eprintln!("{python} {library} {kind}");
            let seen = observe_loop(python, kind, library);
            wrong.about(format!("{} {library} {kind}", python.version));
            check(&seen, wrong);
            if wrong.count() > 0 {
                eprintln!("attempt {attempt}: {}", seen.event_loop);
            }
        });
        if let Some(first) = wrong.first() {
            problems.add(first);
        }
    }
    problems.finish();
}

/// Number and length of the gaps, and that their parts sum to them.
fn gaps(seen: &Seen, problems: &mut Problems) {
    let event_loop = &seen.event_loop;
    let count = i64::try_from(seen.held.len()).expect("they are few");
    problems.check(count >= 2, "it was hardly held");
    let long = ns(event_loop, "long_gaps");
    // One may be cut by either end of the window.
    problems.check(
        (count..=count + 2).contains(&long),
        format!("{long} long gaps, by its own clock {count}"),
    );
    let times = &event_loop["long"];
    let parts = ["on_cpu_ns", "runnable_ns", "throttled_ns", "blocked_ns"];
    let sum: i64 = parts.iter().map(|part| ns(times, part)).sum();
    problems.near("the parts", sum, ns(event_loop, "long_gaps_ns"), 1_000_000);
    let longest = &event_loop["longest"];
    problems.near(
        "the longest gap",
        ns(longest, "duration_ns"),
        seen.held.first().copied().unwrap_or(0),
        25_000_000,
    );
}

/// Who held it: most of the time, and in the longest gap.
fn culprit(seen: &Seen, problems: &mut Problems) {
    for (what, place) in [
        ("holder", &seen.event_loop["held_by"][0]),
        ("longest", &seen.event_loop["longest"]),
    ] {
        let is = |field: &str| {
            let got = place[field].as_str().unwrap_or("");
            match seen.ready[field].as_str() {
                Some(want) => is_called(got, want),
                None => true,
            }
        };
        problems.check(
            is("function"),
            format!("{what}: {place}, not {}", seen.ready["function"]),
        );
        problems.check(
            is("task"),
            format!("{what}: {place}, task not {}", seen.ready["task"]),
        );
        if seen.ready["line"].is_number() && what == "holder" {
            let near = (ns(place, "line") - ns(&seen.ready, "line")).abs() <= 2;
            problems.check(near, format!("{what}: line of {place}"));
        }
    }
}

fn share(event_loop: &Value, part: &str) -> f64 {
    ns(&event_loop["long"], part) as f64 / ns(event_loop, "long_gaps_ns").max(1) as f64
}

#[test]
fn a_coroutine_that_sleeps_holds_the_loop() {
    check_on(
        &interpreter::few(interpreter::is_debian),
        "sleep",
        |seen, problems| {
            gaps(seen, problems);
            culprit(seen, problems);
            problems.equal("kind", &seen.event_loop["kind"].as_str(), &Some("asyncio"));
            let blocked = share(&seen.event_loop, "blocked_ns");
            problems.check(blocked > 0.9, format!("{blocked} of it blocked"));
        },
    );
}

#[test]
fn a_callback_that_computes_holds_the_loop() {
    check_on(
        &interpreter::few(interpreter::is_debian),
        "compute",
        |seen, problems| {
            gaps(seen, problems);
            culprit(seen, problems);
            let rest = share(&seen.event_loop, "blocked_ns");
            problems.check(rest < 0.1, format!("{rest} of it blocked"));
            problems.equal("turning", &ns(&seen.event_loop, "turning_samples"), &0);
        },
    );
}

#[test]
fn many_callbacks_are_not_one() {
    check_until_right("many", |seen, problems| {
        gaps(seen, problems);
        culprit(seen, problems);
    });
}

#[test]
fn another_thread_that_keeps_the_gil_holds_the_loop() {
    check_until_right("gil", |seen, problems| {
        // From another thread's clock it cannot be told when exactly its wait ended.
        problems.check(ns(&seen.event_loop, "long_gaps") >= 3, "hardly held");
        let longest = ns(&seen.event_loop["longest"], "duration_ns");
        problems.check(longest > 150_000_000, format!("{longest} ns at most"));
        culprit(seen, problems);
        let gil = share(&seen.event_loop, "gil_wait_ns");
        problems.check(gil > 0.8, format!("{gil} of it waiting for the GIL"));
    });
}

#[test]
fn awaiting_holds_nobody() {
    check_until_right("await", |seen, problems| {
        let event_loop = &seen.event_loop;
        problems.check(!seen.held.is_empty(), "it did not sleep");
        problems.equal("kind", &event_loop["kind"].as_str(), &Some("asyncio"));
        // A busy machine may keep it from its CPU.
        let times = &event_loop["long"];
        let own = ns(times, "on_cpu_ns") + ns(times, "blocked_ns");
        problems.check(own < 20_000_000, format!("it was held for {own} ns"));
        let turns = ns(event_loop, "gaps");
        problems.check((5..60).contains(&turns), format!("{turns} gaps"));
    });
}

#[test]
fn a_loop_without_a_library() {
    check_until_right("selector", |seen, problems| {
        gaps(seen, problems);
        culprit(seen, problems);
        problems.equal("kind", &seen.event_loop["kind"].as_str(), &Some("other"));
    });
}

/// uvloop's frames are not Python's: what it calls is told by where it waits.
#[test]
fn a_loop_of_uvloop() {
    uvloop(&[interpreter::newest()], &["sleep"]);
}

#[test]
#[ignore = "slow: two minutes"]
fn every_loop_of_uvloop() {
    uvloop(&interpreter::local(), &["sleep", "compute", "many"]);
}

fn uvloop(pythons: &[&Interpreter], kinds: &[&str]) {
    for python in with_library(pythons, &["uvloop"]) {
        for kind in kinds {
            check_with("uvloop", &[&python], kind, |seen, problems| {
                gaps(seen, problems);
                culprit(seen, problems);
                problems.equal("kind", &seen.event_loop["kind"].as_str(), &Some("asyncio"));
                let blocked = share(&seen.event_loop, "blocked_ns");
                let is_right = if *kind == "sleep" {
                    blocked > 0.9
                } else {
                    blocked < 0.1
                };
                problems.check(is_right, format!("{blocked} of it blocked"));
            });
        }
    }
}

#[test]
fn a_loop_of_gevent() {
    gevent(&[interpreter::newest()], &["compute"]);
}

#[test]
#[ignore = "slow: two minutes"]
fn every_loop_of_gevent() {
    gevent(&interpreter::local(), &["sleep", "compute", "many"]);
}

fn gevent(pythons: &[&Interpreter], kinds: &[&str]) {
    for python in with_library(pythons, &["greenlet", "gevent"]) {
        for kind in kinds {
            check_with("gevent", &[&python], kind, |seen, problems| {
                gaps(seen, problems);
                culprit(seen, problems);
                problems.equal("kind", &seen.event_loop["kind"].as_str(), &Some("gevent"));
            });
        }
    }
}

fn with_library(pythons: &[&Interpreter], packages: &[&str]) -> Vec<Interpreter> {
    pythons
        .iter()
        .filter_map(|python| venv::with_packages(python, packages))
        .collect()
}
