//! Who owns the locks that are waited for when the window ends, and deadlocks.

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    report::{is_called, list, ns},
    workload::Workload,
};
use serde_json::Value;

/// The locks that were waited for in a function, as the report has them.
fn locks<'a>(process: &'a Value, name: &str) -> Vec<(&'a Value, &'a Value)> {
    let mut found = Vec::new();
    for wait in list(process, "waits") {
        let function = wait["function"].as_str();
        if wait["reason"] == "lock" && function.is_some_and(|function| is_called(function, name)) {
            found.extend(list(wait, "locks").iter().map(|lock| (wait, lock)));
        }
    }
    found
}

fn check(python: &Interpreter, problems: &mut Problems) {
    let workload = Workload::start(python, "owners.py", &["deadlock"]);
    let report = observe::classify(workload.pid, "1200ms", &[]);
    let process = report.process(workload.pid);
    let (begin, end) = report.window();
    let truths = workload.ready["waits"].as_object().expect("an object");
    for (name, truth) in truths {
        problems.about(format!("{} {name}", python.version));
        let found = locks(process, name);
        let [(wait, lock)] = found.as_slice() else {
            problems.add(format!("{} locks were seen", found.len()));
            continue;
        };
        problems.equal("line", &wait["line"], &truth["line"]);
        problems.equal("waiter", &lock["waiter_tid"], &truth["tid"]);
        problems.equal("kind", &lock["kind"], &truth["kind"]);
        problems.equal("open", &lock["is_open"], &Value::Bool(true));
        let is_timed = name == "wait_for_timed";
        problems.equal("timed", &lock["has_timeout"], &Value::Bool(is_timed));
        let window = end - begin;
        problems.between("waited", ns(lock, "waited_ns"), window * 9 / 10, window);
        let owner = &lock["owner"];
        problems.equal("owner", &owner["tid"], &truth["owner_tid"]);
        problems.equal("owner's line", &owner["line"], &truth["owner_line"]);
        problems.equal("holder", &lock["holder"]["pid"], &truth["holder_pid"]);
        if let Some(right) = truth["owner_function"].as_str() {
            let function = owner["function"].as_str().unwrap_or_default();
            problems.check(
                is_called(function, right),
                format!("owner is in {function}"),
            );
            let taken = if right == "keep" { 2 } else { 1 };
            problems.equal("taken", &owner["taken"], &Value::from(taken));
        }
    }
    problems.about(format!("{} deadlock", python.version));
    let deadlocks = list(process, "deadlocks");
    let [deadlock] = deadlocks else {
        problems.add(format!("{} deadlocks", deadlocks.len()));
        return;
    };
    let threads = list(deadlock, "threads");
    let tids: Vec<Value> = threads.iter().map(|thread| thread["tid"].clone()).collect();
    problems.equal("threads", &Value::from(tids), &workload.ready["deadlock"]);
    for thread in threads {
        let tid = &thread["tid"];
        let owners = threads.iter().map(|thread| &thread["owner_tid"]);
        let is_owned = owners.filter(|owner| *owner == tid).count() == 1;
        problems.check(is_owned, format!("{tid} owns no lock of the circle"));
    }
    problems.equal("class", &process["verdict"]["class"], &"lock-bound".into());
    for counter in [
        "lock_waits_not_looked_at",
        "lock_owners_unsettled",
        "lock_objects_unlike",
        "lock_objects_not_found",
    ] {
        problems.equal(counter, &report.loss(counter), &0);
    }
}

fn check_all(all: &[&Interpreter]) {
    let mut problems = Problems::new();
    for python in all {
        eprintln!("{python}");
        check(python, &mut problems);
    }
    problems.finish();
}

#[test]
fn the_owner_of_an_rlock_and_a_deadlock_are_named() {
    check_all(&interpreter::few(|python| python.minor == 13));
}

#[test]
#[ignore = "slow: every interpreter"]
fn the_owner_of_an_rlock_is_named_on_every_interpreter() {
    let all = interpreter::supported();
    check_all(&all);
}

/// Nobody ends these waits but their own time: looks while they last tell the owner.
#[test]
#[ignore = "slow: waits of 3 s in a window of 9 s"]
fn the_owner_of_waits_that_have_ended() {
    let python = interpreter::newest();
    let workload = Workload::start::<&str>(python, "owners.py", &[]);
    let report = observe::classify(workload.pid, "9s", &[]);
    let process = report.process(workload.pid);
    let truth = &workload.ready["waits"]["wait_for_timed"];
    let mut problems = Problems::new();
    problems.about(&python.version);
    problems.equal("deadlocks", &list(process, "deadlocks").len(), &0);
    let found = locks(process, "wait_for_timed");
    let ended: Vec<_> = found
        .iter()
        .filter(|(_, lock)| lock["is_open"] == false)
        .collect();
    problems.check(!ended.is_empty(), "no wait that has ended was looked at");
    for (wait, lock) in ended {
        problems.equal("owner", &lock["owner"]["tid"], &truth["owner_tid"]);
        problems.equal("its place", &lock["owner"]["function"], &Value::Null);
        // Looked at once a second, from a second on.
        let waited = ns(lock, "waited_ns");
        problems.between("waited", waited, 1_000_000_000, ns(wait, "max_ns"));
    }
    problems.finish();
}

#[test]
fn a_deadlock_is_what_the_text_begins_with() {
    let python = interpreter::newest();
    let workload = Workload::start(python, "owners.py", &["deadlock"]);
    let pid = workload.pid.to_string();
    let outcome = observe::run(&["classify", "-p", &pid, "-d", "1s"]);
    let said = &outcome.stdout;
    let mut problems = Problems::new();
    for part in [
        "lock-bound",
        &format!("deadlock: thread {}", workload.ready["deadlock"][0]),
        &format!(
            "waits for an RLock that thread {}",
            workload.ready["deadlock"][0]
        ),
        "restart it, and have every thread take these locks in the same order",
    ] {
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        problems.check(flat.contains(part), format!("no {part:?} in\n{said}"));
    }
    problems.finish();
}
