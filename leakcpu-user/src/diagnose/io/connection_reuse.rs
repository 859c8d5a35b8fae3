//! `io.no-connection-reuse`: a new connection for each request.

use super::http::is_answer;
use super::waited::{Waited, waited};
use crate::diagnose::below::{called, is, on_cpu};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::say,
    model::{Function, Reason},
};

/// Functions that make a connection, or prepare for it, by where their files lie.
const CONNECTING: [(&str, &str); 16] = [
    ("/socket.py", "create_connection"),
    ("/socket.py", "getaddrinfo"),
    ("/ssl.py", "do_handshake"),
    ("/ssl.py", "wrap_socket"),
    ("/ssl.py", "create_default_context"),
    ("/ssl.py", "load_default_certs"),
    ("/http/client.py", "connect"),
    ("/urllib3/connection.py", "connect"),
    ("/urllib3/connection.py", "_new_conn"),
    ("/urllib3/util/ssl_.py", "create_urllib3_context"),
    ("/httpcore/_sync/connection.py", "_connect"),
    ("/redis/connection.py", "connect"),
    ("/psycopg/connection.py", "connect"),
    ("/psycopg2/__init__.py", "connect"),
    ("/pymysql/connections.py", "connect"),
    ("/mysql/connector/abstracts.py", "connect"),
];

/// Round trips at most that a data base's new connection takes before the first query.
const GREETINGS: u64 = 3;

/// The rule.
///
/// A connection that does not block, as on the own host, is known by sockets: several that one
/// descriptor stood for, one after the other, to the same peer. Making them has to take
/// time that is worth a change, be it waiting or computing.
pub struct ConnectionReuse;

impl Rule for ConnectionReuse {
    fn name(&self) -> &'static str {
        "io.no-connection-reuse"
    }

    fn about(&self) -> &'static str {
        "A function makes a new connection for each request, or for every second one."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Each request takes longer than the server says, and many sockets are in TIME_WAIT.",
            evidence: "Waits for connections, or sockets to one peer that one descriptor stood for in turn, beside the requests of the same function; the time that connecting takes, TLS and name look-ups included.",
            needs: "Context switches; TCP. Of connections that were closed before anybody looked only the waits count.",
            fix: "Keep the connection: a Session or a client object that lives as long as the program, a pool for threads. What is kept may be closed by the server, so let the client retry once.",
            slow: "for url in urls:\n    requests.get(url)",
            fixed: "session = requests.Session()\nfor url in urls:\n    session.get(url)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let waits = waited(case.process, |time, below| {
            is_connect(time.kind.reason(), below) || is_answer(below)
        });
        waits
            .iter()
            .filter_map(|waits| finding(self.name(), case, waits))
            .collect()
    }
}

fn is_connecting(below: &[&Function]) -> bool {
    let is_it = |function: &&Function| {
        let mut connecting = CONNECTING.iter();
        connecting.any(|(mark, name)| is(function, mark, name))
    };
    below.iter().any(is_it)
}

fn is_connect(reason: Option<Reason>, below: &[&Function]) -> bool {
    matches!(reason, Some(Reason::NetConnect | Reason::Dns)) || is_connecting(below)
}

fn finding(rule: &'static str, case: Case<'_>, found: &Waited<'_>) -> Option<Finding> {
    let limits = case.thresholds;
    let process = case.process;
    let span_ns = case.verdicts.span_ns;
    let function = found.place.function_id;
    let (mut connects, mut answers, mut waited_ns) = (0, 0, 0);
    for entry in &found.entries {
        let reason = entry.time.kind.reason();
        if reason == Some(Reason::NetConnect) {
            connects += entry.time.count;
        }
        if is_connect(reason, &entry.below) {
            waited_ns += entry.ns;
        } else {
            answers += entry.time.count;
        }
    }
    let rows = process.round_trips.iter().filter(|row| {
        let of = row.frame.and_then(|frame| frame.function);
        of == Some(function)
    });
    let (mut reopened, mut trips) = (0, 0);
    for row in rows {
        reopened = reopened.max(row.connections);
        trips += row.round_trips.unwrap_or(0);
    }
    // Most connections may have come and gone unseen: then they are as those that were seen.
    let alike = answers * reopened / trips.max(reopened).max(1);
    let opened = connects.max(if reopened > 1 { alike } else { reopened });
    let requests = if answers > 0 {
        answers
    } else {
        trips.saturating_sub(opened * GREETINGS)
    };
    let on_cpu = on_cpu(case, |stack| {
        let called = called(process, stack)?;
        is_connecting(&called.below).then_some(called.frame)
    });
    let on_cpu = on_cpu.iter().find(|one| one.place.function_id == function);
    let spent_ns = waited_ns + on_cpu.map_or(0, |one| one.ns);
    let recoverable = per_second(spent_ns, span_ns);
    if opened < limits.round_trips
        || requests == 0
        || opened * 2 < requests
        || recoverable < limits.needless_cpu_ns_per_s
    {
        return None;
    }
    let evidence = vec![
        figure(
            format!(
                "{} for {}",
                say::count(opened, "new connection", "new connections"),
                say::count(requests, "request", "requests")
            ),
            "connections",
            opened as f64,
            "count",
        ),
        figure(
            format!("{} connecting", say::part_of(spent_ns, span_ns)),
            "connecting_share",
            spent_ns as f64 / span_ns.max(1) as f64,
            "ratio",
        ),
    ];
    Some(Finding {
        threads: found.threads().into_keys().collect(),
        evidence,
        cause: "A connection is made, used once or twice, and thrown away.".to_owned(),
        fix: format!(
            "keep the connection that {} uses: one requests.Session or httpx.Client for all calls, a pool for a data base",
            found.place.short()
        ),
        ..case.finding(rule, Some(found.place.clone()), recoverable)
    })
}
