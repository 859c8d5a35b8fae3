//! Waiting for work against waiting for an answer, and round trips, against the client's
//! own counts.

use leakcpu_tests::{
    interpreter::{self, Interpreter},
    observe,
    problems::{Problems, until_right},
    report::{find_thread, is_called, list, ns, tell_exchanges, text},
    venv,
    workload::Workload,
};
use serde_json::Value;

/// How often a workload is observed at most: other programs may keep it from its CPU.
const TRIES: usize = 3;

/// What the report says of a workload, and what that says of itself.
struct Seen {
    process: Value,
    ready: Value,
    /// Exchanges that ended in the window, and the bytes of those.
    exchanges: i64,
    sent: i64,
    received: i64,
    blocked_ns: i64,
}

fn observe_kind(python: &Interpreter, arguments: &[&str]) -> Seen {
    let workload = Workload::start(python, "exchanges.py", arguments);
    let report = observe::classify(workload.pid, "2s", &[]);
    let process = report.process(workload.pid).clone();
    let ready = workload.ready.clone();
    let last = workload.finish();
    let (begin, end) = report.window();
    let of_window: Vec<&Value> = list(&last, "exchanges")
        .iter()
        .filter(|exchange| {
            exchange[1]
                .as_i64()
                .is_some_and(|at| (begin..end).contains(&at))
        })
        .collect();
    let sum = |n: usize| -> i64 { of_window.iter().filter_map(|e| e[n].as_i64()).sum() };
    let thread = find_thread(&process, ns(&ready, "tid")).expect("it is reported");
    let blocked_ns = ns(&thread["time"], "blocked_ns");
    Seen {
        exchanges: i64::try_from(of_window.len()).expect("they are few"),
        sent: sum(2),
        received: sum(3),
        process,
        ready,
        blocked_ns,
    }
}

impl Seen {
    /// Time of waits on sockets that were for `awaits`.
    fn time_for(&self, awaits: &str) -> i64 {
        let waits = list(&self.process, "waits").iter();
        let mine = waits.filter(|wait| wait["awaits"] == awaits);
        mine.map(|wait| ns(wait, "total_ns")).sum()
    }
}

fn check_until_right(kind: &str, check: impl Fn(&Seen, &mut Problems)) {
    check_on(interpreter::newest(), &[kind], check);
}

fn check_on(python: &Interpreter, arguments: &[&str], check: impl Fn(&Seen, &mut Problems)) {
    let wrong = until_right(TRIES, |attempt, problems| {
        problems.about(arguments.join(" "));
        let seen = observe_kind(python, arguments);
        check(&seen, problems);
        if problems.count() > 0 {
            tell_exchanges(attempt, &seen.process);
        }
    });
    wrong.finish();
}

/// A client: nearly all its waits are for answers of that end.
fn waits_for_answers(seen: &Seen, problems: &mut Problems) {
    let class = text(&seen.process["verdict"], "class");
    problems.equal("class", &class, &"io-bound");
    problems.check(seen.exchanges >= 10, "it hardly asked");
    let answer = seen.time_for("answer");
    let work = seen.time_for("work");
    problems.check(
        answer * 10 >= seen.blocked_ns * 9,
        format!("{answer} of {} ns for an answer", seen.blocked_ns),
    );
    problems.check(work * 10 <= answer, format!("{work} ns for work"));
    let longest = list(&seen.process, "waits")
        .iter()
        .filter(|wait| wait["awaits"] == "answer")
        .max_by_key(|wait| ns(wait, "total_ns"));
    if let Some(longest) = longest {
        problems.equal("reason", &text(longest, "reason"), &"net-recv");
        problems.equal("peer", &longest["peer"], &seen.ready["peer"]);
    }
}

/// The row of the other end.
fn row(seen: &Seen, problems: &mut Problems) -> Value {
    let rows = list(&seen.process, "round_trips");
    let row = rows.iter().find(|row| row["peer"] == seen.ready["peer"]);
    problems.check(row.is_some(), format!("no round trips in {rows:?}"));
    row.cloned().unwrap_or_default()
}

fn round_trips(seen: &Seen, problems: &mut Problems) {
    let row = row(seen, problems);
    // The window's ends and the looks at the sockets are not the same moments.
    let play = 2 + seen.exchanges / 20;
    let trips = ns(&row, "round_trips");
    problems.check(
        (trips - seen.exchanges).abs() <= play,
        format!("{trips} round trips, by its own count {}", seen.exchanges),
    );
    for (field, own, of_one) in [
        ("sent_bytes", seen.sent, 7),
        ("received_bytes", seen.received, 6),
    ] {
        let got = ns(&row, field);
        problems.check(
            (got - own).abs() <= play * of_one,
            format!("{got} {field}, by its own count {own}"),
        );
    }
}

fn place(seen: &Seen, problems: &mut Problems) {
    let row = row(seen, problems);
    let function = row["function"].as_str().unwrap_or("");
    let wanted = text(&seen.ready, "function");
    problems.check(
        is_called(function, wanted),
        format!("{row} is not {wanted}"),
    );
}

#[test]
fn a_client_on_a_blocking_socket() {
    check_until_right("plain", |seen, problems| {
        waits_for_answers(seen, problems);
        round_trips(seen, problems);
        place(seen, problems);
    });
}

#[test]
fn a_client_with_a_timeout() {
    check_until_right("timeout", |seen, problems| {
        waits_for_answers(seen, problems);
        round_trips(seen, problems);
        place(seen, problems);
    });
}

#[test]
fn a_client_in_an_event_loop() {
    check_until_right("asyncio", |seen, problems| {
        waits_for_answers(seen, problems);
        round_trips(seen, problems);
        coroutine(seen, problems);
    });
}

/// While it waits only the loop is on the stack; to blame is what the answers resume.
fn coroutine(seen: &Seen, problems: &mut Problems) {
    let blamed = text(&seen.process["verdict"]["blame"], "function");
    let wanted = text(&seen.ready, "function");
    problems.check(
        is_called(blamed, wanted),
        format!("{blamed}, not {wanted}, is to blame"),
    );
}

#[test]
fn a_client_of_a_unix_socket() {
    check_until_right("unix", |seen, problems| {
        waits_for_answers(seen, problems);
        place(seen, problems);
        // What goes over a unix socket is not counted by the kernel.
        let row = row(seen, problems);
        problems.check(row["round_trips"].is_null(), &row);
        problems.check(ns(&row, "waits") >= seen.exchanges - 2, &row);
    });
}

#[test]
fn one_download_is_not_many_round_trips() {
    check_until_right("download", |seen, problems| {
        problems.check(seen.exchanges > 50, "it came in few parts");
        let row = row(seen, problems);
        problems.check(ns(&row, "waits") > 50, &row);
        problems.check(ns(&row, "round_trips") <= 1, &row);
        let received = ns(&row, "received_bytes");
        let near = (received - seen.received).abs() <= seen.received / 10;
        problems.check(
            near,
            format!(
                "{received} bytes received, by its own count {}",
                seen.received
            ),
        );
        place(seen, problems);
    });
}

/// Servers rest between two requests, whatever they sent last.
#[test]
fn a_server_waits_for_work() {
    for kind in ["server", "pool"] {
        check_until_right(kind, waits_for_work);
    }
}

fn waits_for_work(seen: &Seen, problems: &mut Problems) {
    let class = text(&seen.process["verdict"], "class");
    problems.equal("class", &class, &"idle");
    let (work, answer) = (seen.time_for("work"), seen.time_for("answer"));
    problems.check(
        work * 10 >= seen.blocked_ns * 9,
        format!("{work} of {} ns for work", seen.blocked_ns),
    );
    problems.check(answer * 20 <= work, format!("{answer} ns for an answer"));
}

/// What it asked is answered; what comes now comes unasked.
#[test]
fn a_client_that_listens_waits_for_work() {
    check_until_right("listener", waits_for_work);
}

#[test]
fn a_server_on_uvloop_waits_for_work() {
    if let Some(python) = venv::with_packages(interpreter::newest(), &["uvloop"]) {
        check_on(&python, &["pool", "uvloop"], waits_for_work);
    }
}

#[test]
#[ignore = "slow: 3 s"]
fn a_client_on_uvloop_waits_for_answers() {
    if let Some(python) = venv::with_packages(interpreter::newest(), &["uvloop"]) {
        check_on(&python, &["asyncio", "uvloop"], |seen, problems| {
            waits_for_answers(seen, problems);
            round_trips(seen, problems);
            coroutine(seen, problems);
        });
    }
}
