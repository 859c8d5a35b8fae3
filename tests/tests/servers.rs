//! Clients of real servers, by real drivers: what the report says of their waits and round
//! trips, against the servers' own counters and the clients' own clocks.
//!
//! All are observed together, for servers take longer to start than to be asked; each test
//! looks at its own part.

use std::{
    collections::BTreeMap,
    panic,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use leakcpu_tests::{
    clocks::tolerance,
    interpreter::{self, Interpreter},
    netns::Namespace,
    observe,
    problems::{Problems, until_right},
    report::{Report, find_thread, is_called, list, ns, tell_exchanges, text},
    servers::{Postgres, Redis},
    venv, waits,
    workload::{self, Workload},
};
use serde_json::Value;

/// How often all are observed at most: other programs may keep them from their CPU.
const TRIES: usize = 3;

/// From PyPI.
const DRIVERS: [&str; 2] = ["redis", "psycopg[binary]"];

/// A running client.
struct Client {
    workload: Workload,
    /// The other end, as the report is to name it, and the service.
    peer: String,
    service: Option<&'static str>,
}

impl Client {
    fn start(
        python: &Interpreter,
        kind: &str,
        address: &str,
        within: Option<&Namespace>,
    ) -> Workload {
        let mut command = workload::command(python, "clients.py", &[kind, address]);
        if let Some(namespace) = within {
            command = namespace.enter(&command);
        }
        Workload::spawn(command, &format!("clients.py {kind} on {}", python.version))
    }

    fn of_redis(
        python: &Interpreter,
        kind: &str,
        redis: &Redis,
        within: Option<&Namespace>,
    ) -> Self {
        let peer = redis.address.to_string();
        Self {
            workload: Self::start(python, kind, &peer, within),
            peer,
            service: (redis.address.port() == 6379).then_some("redis"),
        }
    }

    fn of_postgres(python: &Interpreter, postgres: &Postgres, host: &str, peer: String) -> Self {
        Self {
            workload: Self::start(python, "psycopg", &postgres.conninfo(host), None),
            peer,
            service: (postgres.address.port() == 5432).then_some("postgresql"),
        }
    }

    fn finish(self, report: &Report) -> Seen {
        let process = report.process(self.workload.pid).clone();
        let ready = self.workload.ready.clone();
        let last = self.workload.finish();
        let (begin, end) = report.window();
        let is_inside = |request: &&Value| {
            let at = |n: usize| {
                request[n]
                    .as_i64()
                    .is_some_and(|at| (begin..end).contains(&at))
            };
            at(0) && at(1)
        };
        let requests = list(&last, "requests").iter().filter(is_inside).count();
        Seen {
            requests: i64::try_from(requests).expect("they are few"),
            blocked_ns: waits::blocked(list(&last, "requests"), begin, end),
            window_ns: end - begin,
            process,
            ready,
            last,
            peer: self.peer,
            service: self.service,
            loss: report.loss("sockets_not_looked_at"),
        }
    }
}

/// What the report says of a client, and what that says of itself.
struct Seen {
    process: Value,
    ready: Value,
    last: Value,
    peer: String,
    service: Option<&'static str>,
    /// Requests that were made and answered in the window.
    requests: i64,
    /// Time in which its thread was blocked meanwhile, by its own clocks.
    blocked_ns: i64,
    window_ns: i64,
    /// How often sockets could not be looked at.
    loss: u64,
}

impl Seen {
    /// The row of the other end.
    fn row(&self, problems: &mut Problems) -> Value {
        let rows = list(&self.process, "round_trips");
        let row = rows.iter().find(|row| row["peer"] == self.peer);
        problems.check(row.is_some(), format!("no {} in {rows:?}", self.peer));
        row.cloned().unwrap_or_default()
    }

    /// Its waits for the other end.
    fn waits(&self) -> Vec<&Value> {
        let waits = list(&self.process, "waits").iter();
        waits.filter(|wait| wait["peer"] == self.peer).collect()
    }

    /// The time of those that were for an answer.
    fn answers_ns(&self) -> i64 {
        let waits = self.waits();
        let answers = waits.iter().filter(|wait| wait["awaits"] == "answer");
        answers.map(|wait| ns(wait, "total_ns")).sum()
    }
}

/// All clients, observed together, and how often the servers were asked: by their own count
/// and by the clients'.
struct Observed {
    clients: BTreeMap<&'static str, Seen>,
    served: Vec<(&'static str, u64, u64)>,
}

/// The observation of this attempt.
fn observed(attempt: usize) -> &'static Observed {
    static OBSERVED: [OnceLock<Observed>; TRIES] = [const { OnceLock::new() }; TRIES];
    OBSERVED[attempt].get_or_init(|| observe_all(interpreter::newest()))
}

fn observe_all(python: &Interpreter) -> Observed {
    let mut clients = BTreeMap::new();
    let mut served = Vec::new();
    let Some(python) = venv::with_packages(python, &DRIVERS) else {
        return Observed { clients, served };
    };
    let redis = Redis::start();
    let postgres = Postgres::start();
    let away = Namespace::make().and_then(|away| Some((Redis::start_in(Some(&away))?, away)));
    let mut running = BTreeMap::new();
    if let Some(redis) = &redis {
        running.insert("redis", Client::of_redis(&python, "redis", redis, None));
        let asyncio = Client::of_redis(&python, "redis-asyncio", redis, None);
        running.insert("asyncio", asyncio);
    }
    if let Some((redis, away)) = &away {
        let client = Client::of_redis(&python, "redis", redis, Some(away));
        running.insert("away", client);
    }
    if let Some(postgres) = &postgres {
        let (ip, port) = (postgres.address.ip(), postgres.address.port());
        let peer = postgres.address.to_string();
        let tcp = Client::of_postgres(&python, postgres, &ip.to_string(), peer);
        running.insert("postgres", tcp);
        let folder = postgres.socket_folder().display();
        let peer = format!("{folder}/.s.PGSQL.{port}");
        let unix = Client::of_postgres(&python, postgres, &folder.to_string(), peer);
        running.insert("unix", unix);
    }
    if running.is_empty() {
        return Observed { clients, served };
    }
    let pids: Vec<String> = running
        .values()
        .map(|client| client.workload.pid.to_string())
        .collect();
    let mut args = vec!["classify", "-d", "2s", "--json"];
    args.extend(pids.iter().flat_map(|pid| ["-p", pid]));
    let report = observe::run(&args).report();
    for (name, client) in running {
        clients.insert(name, client.finish(&report));
    }
    let calls = |names: &[&str]| -> u64 {
        let of = |name: &&str| clients[*name].last["calls"].as_u64().expect("it counts");
        names.iter().map(of).sum()
    };
    if let Some(redis) = &redis {
        served.push(("redis", redis.calls("get"), calls(&["redis"])));
    }
    if let Some((redis, _)) = &away {
        served.push(("redis in a namespace", redis.calls("get"), calls(&["away"])));
    }
    if let Some(postgres) = &postgres {
        let by_server = postgres.calls("select name from item");
        served.push(("postgres", by_server, calls(&["postgres", "unix"])));
    }
    Observed { clients, served }
}

/// Checks a client until nothing is wrong, a few times at most; one that could not be
/// started was said to be missing.
fn check_until_right(name: &str, check: impl Fn(&Seen, &mut Problems)) {
    let wrong = until_right(TRIES, |attempt, problems| {
        problems.about(name);
        let Some(seen) = observed(attempt).clients.get(name) else {
            return;
        };
        check(seen, problems);
        if problems.count() > 0 {
            tell_exchanges(attempt, &seen.process);
        }
    });
    wrong.finish();
}

/// One request for each row of a page: where, how often, how long.
fn one_by_one(seen: &Seen, problems: &mut Problems) {
    let row = seen.row(problems);
    problems.equal("service", &row["service"].as_str(), &seen.service);
    let function = row["function"].as_str().unwrap_or("");
    problems.check(
        is_called(function, text(&seen.ready, "function")),
        format!("{row} is not {}", seen.ready["function"]),
    );
    problems.equal("line", &row["line"], &seen.ready["line"]);
    problems.check(seen.requests >= 100, "it hardly asked");
    let waits = seen.waits();
    let of_waits_ns = waits.iter().map(|wait| ns(wait, "total_ns")).sum();
    for (what, got) in [
        ("time of the round trips", ns(&row, "blocked_ns")),
        ("time of the waits", of_waits_ns),
    ] {
        problems.near(what, got, seen.blocked_ns, tolerance(seen.window_ns));
    }
    for wait in waits {
        problems.equal("reason", &text(wait, "reason"), &"net-recv");
        // Null if every wait was over before it was looked at.
        problems.check(wait["awaits"] != "work", wait);
        problems.equal("service", &wait["service"].as_str(), &seen.service);
        problems.equal("line", &wait["line"], &seen.ready["line"]);
    }
}

/// How often and how much, over a TCP connection.
fn counts(seen: &Seen, problems: &mut Problems) {
    let row = seen.row(problems);
    problems.equal("connections", &ns(&row, "connections"), &1);
    // The window's ends and the looks at the sockets are not the same moments.
    let play = 2 + seen.requests / 20;
    let trips = ns(&row, "round_trips");
    problems.check(
        (trips - seen.requests).abs() <= play,
        format!("{trips} round trips, by its own count {}", seen.requests),
    );
    for field in ["sent_bytes", "received_bytes"] {
        let of_one = ns(&seen.ready, field);
        let (got, own) = (ns(&row, field), seen.requests * of_one);
        problems.check(
            of_one > 0 && (got - own).abs() <= play * of_one,
            format!("{got} {field}, by its own count {own}"),
        );
    }
}

/// Whatever becomes of a test, its servers end with it, and nothing of theirs is left.
#[test]
fn servers_end_with_a_test_that_panics() {
    let mut problems = Problems::new();
    let left = panic::catch_unwind(|| {
        let (redis, postgres) = (Redis::start(), Postgres::start());
        let folders = [
            redis
                .as_ref()
                .and_then(|redis| Some(redis.socket().parent()?.to_owned())),
            postgres
                .as_ref()
                .map(|postgres| postgres.socket_folder().to_owned()),
        ];
        let pids = [
            redis.as_ref().map(Redis::pid),
            postgres.as_ref().map(Postgres::pid),
        ];
        // What a panic carries is what the test gets to know.
        panic::resume_unwind(Box::new((folders, pids)));
    });
    let left = left.expect_err("it panics");
    let (folders, pids) = left
        .downcast_ref::<([Option<PathBuf>; 2], [Option<u32>; 2])>()
        .expect("no other panic");
    for folder in folders.iter().flatten() {
        problems.check(!folder.exists(), folder.display());
    }
    for pid in pids.iter().flatten() {
        let is_left = Path::new(&format!("/proc/{pid}")).exists();
        problems.check(!is_left, format!("process {pid} is left"));
    }
    problems.finish();
}

#[test]
fn servers_count_what_their_clients_count() {
    let mut problems = Problems::new();
    for (name, by_server, by_clients) in &observed(0).served {
        problems.equal(name, by_server, by_clients);
    }
    problems.finish();
}

#[test]
fn a_query_for_each_row_of_postgresql() {
    check_until_right("postgres", |seen, problems| {
        one_by_one(seen, problems);
        counts(seen, problems);
        let answers_ns = seen.answers_ns();
        problems.check(
            answers_ns * 10 >= seen.blocked_ns * 9,
            format!("{answers_ns} of {} ns for an answer", seen.blocked_ns),
        );
    });
}

/// libpq's way where no host is given.
#[test]
fn a_query_for_each_row_by_a_unix_socket() {
    check_until_right("unix", |seen, problems| {
        one_by_one(seen, problems);
        let row = seen.row(problems);
        problems.check(row["round_trips"].is_null(), &row);
    });
}

#[test]
fn a_request_for_each_row_of_redis() {
    check_until_right("redis", |seen, problems| {
        one_by_one(seen, problems);
        counts(seen, problems);
    });
}

#[test]
fn a_client_in_another_network_namespace() {
    check_until_right("away", |seen, problems| {
        one_by_one(seen, problems);
        counts(seen, problems);
        problems.equal("sockets_not_looked_at", &seen.loss, &0);
    });
}

/// Its wait is epoll's, as that of a server at rest.
#[test]
fn an_event_loop_that_waits_for_redis() {
    check_until_right("asyncio", waits_for_redis);
}

fn waits_for_redis(seen: &Seen, problems: &mut Problems) {
    let class = text(&seen.process["verdict"], "class");
    problems.equal("class", &class, &"io-bound");
    problems.check(seen.requests >= 10, "it hardly asked");
    let answer_ns = seen.answers_ns();
    let thread = find_thread(&seen.process, ns(&seen.ready, "tid")).expect("it is reported");
    let blocked_ns = ns(&thread["time"], "blocked_ns");
    problems.check(
        answer_ns * 10 >= blocked_ns * 9,
        format!("{answer_ns} of {blocked_ns} ns for an answer"),
    );
    for wait in seen.waits() {
        problems.equal("reason", &text(wait, "reason"), &"net-recv");
        problems.equal("service", &wait["service"].as_str(), &seen.service);
    }
}

#[test]
#[ignore = "slow: 4 s"]
fn a_loop_of_gevent_that_waits_for_redis() {
    let packages = ["redis", "gevent"];
    let Some(python) = venv::with_packages(interpreter::newest(), &packages) else {
        return;
    };
    let Some(redis) = Redis::start() else {
        return;
    };
    let client = Client::of_redis(&python, "redis-gevent", &redis, None);
    let report = observe::classify(client.workload.pid, "2s", &[]);
    let mut problems = Problems::new();
    waits_for_redis(&client.finish(&report), &mut problems);
    problems.finish();
}

/// Without the right to go there, the other end is still in `/proc`, and what went over the
/// connection is not known.
#[test]
fn a_network_namespace_that_cannot_be_entered() {
    let Some(python) = venv::with_packages(interpreter::newest(), &DRIVERS) else {
        return;
    };
    let Some(away) = Namespace::make() else {
        return;
    };
    let Some(redis) = Redis::start_in(Some(&away)) else {
        return;
    };
    let client = Client::of_redis(&python, "redis", &redis, Some(&away));
    let pid = client.workload.pid.to_string();
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-sys_admin", "--"])
        .arg(observe::binary())
        .args(["classify", "-p", &pid, "-d", "1s", "--json"]);
    observe::tidy(&mut command);
    let report = observe::finish(command).report();
    let seen = client.finish(&report);
    let mut problems = Problems::new();
    let row = seen.row(&mut problems);
    for unknown in ["round_trips", "sent_bytes", "received_bytes"] {
        problems.check(row[unknown].is_null(), format!("{unknown}: {row}"));
    }
    problems.check(ns(&row, "waits") > 0, &row);
    problems.equal("line", &row["line"], &seen.ready["line"]);
    problems.check(seen.loss > 0, "what is not known is not counted");
    problems.finish();
}

#[test]
#[ignore = "slow: 20 s"]
fn every_driver_on_interpreters_that_differ() {
    let mut problems = Problems::new();
    for python in [
        interpreter::oldest(),
        interpreter::local()[interpreter::local().len() / 2],
    ] {
        let observed = observe_all(python);
        for name in ["redis", "postgres", "away"] {
            problems.about(format!("{name} on {python}"));
            if let Some(seen) = observed.clients.get(name) {
                one_by_one(seen, &mut problems);
                counts(seen, &mut problems);
            }
        }
    }
    problems.finish();
}
