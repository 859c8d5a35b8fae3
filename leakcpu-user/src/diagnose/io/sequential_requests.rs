//! `io.sequential-requests`: requests over HTTP that wait for one another.

use super::http::{is_answer, is_client};
use super::waited::{Entry, Waited, is_for_answer, waited};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity, per_second};
use crate::{
    classify::say,
    model::{Function, Reason, StackTime},
};

/// The rule.
pub struct SequentialRequests;

impl Rule for SequentialRequests {
    fn name(&self) -> &'static str {
        "io.sequential-requests"
    }

    fn about(&self) -> &'static str {
        "One thread makes HTTP requests one after the other, and waits for each answer."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A hundred requests take a hundred times as long as one.",
            evidence: "Waits of the process' only thread that asks for the answers of requests that a loop over items makes: how many, how long each, half of the time or more; not one for each request that it serves itself.",
            needs: "Context switches; http.client, urllib3, requests or httpx on threads; the bytecode of the process, readable. Whether a request needs the answer to the one before cannot be seen: with one server alone the severity is low.",
            fix: "Make those that do not depend on each other at the same time: a ThreadPoolExecutor with a shared Session, or httpx.AsyncClient and asyncio.gather. Mind the limits of the server.",
            slow: "pages = [session.get(url).text for url in urls]",
            fixed: "with ThreadPoolExecutor(8) as pool:\n    pages = [answer.text for answer in pool.map(session.get, urls)]",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = waited(case.process, is_request);
        let mut threads = found.iter().flat_map(|found| found.threads().into_keys());
        // With a second one that asks, requests may be outstanding at the same time.
        let first = threads.next();
        if threads.any(|tid| Some(tid) != first) {
            return Vec::new();
        }
        found
            .iter()
            .filter_map(|found| finding(self.name(), case, found))
            .collect()
    }
}

fn is_request(time: &StackTime, below: &[&Function]) -> bool {
    let waits = is_for_answer(time) || time.kind.reason() == Some(Reason::NetConnect);
    waits && is_client(below)
}

fn finding(rule: &'static str, case: Case<'_>, found: &Waited<'_>) -> Option<Finding> {
    let limits = case.thresholds;
    let span_ns = case.verdicts.span_ns;
    let answers = || {
        let is_it = |entry: &&Entry<'_>| is_answer(&entry.below);
        found.entries.iter().filter(is_it)
    };
    let requests: u64 = answers().map(|entry| entry.time.count).sum();
    let answers_ns: u64 = answers().map(|entry| entry.ns).sum();
    let mean_ns = answers_ns / requests.max(1);
    let total_ns = found.total_ns();
    if requests < limits.round_trips
        || mean_ns < limits.request_ns
        || total_ns.saturating_mul(2) < span_ns
        || requests < limits.round_trips * found.works_taken(case.process)
    {
        return None;
    }
    let place = found.loop_over_items(case.process)?;
    let recoverable = per_second(total_ns.saturating_sub(found.max_ns()), span_ns);
    let peers = found.peers();
    // Pages of one server often lead to each other.
    let severity = if peers.len() > 1 {
        limits.severity(recoverable)
    } else {
        Severity::Low
    };
    let whom = match peers.len() {
        0 => String::new(),
        1 => format!(" to {}", peers.first()?),
        several => format!(" to {several} servers"),
    };
    let evidence = vec![
        figure(
            format!(
                "{}{whom}, never more than one at a time",
                say::count(requests, "request", "requests")
            ),
            "requests",
            requests as f64,
            "count",
        ),
        figure(
            format!(
                "{} waiting for their answers",
                say::part_of(total_ns, span_ns)
            ),
            "requests_ns",
            total_ns as f64,
            "ns",
        ),
        figure(
            format!("{} until each answer begins", say::duration(mean_ns)),
            "request_mean_ns",
            mean_ns as f64,
            "ns",
        ),
    ];
    Some(Finding {
        severity,
        threads: found.threads().into_keys().collect(),
        evidence,
        cause: "Each request is made when the one before is answered; if they do not depend on each other, their waits add up for nothing."
            .to_owned(),
        fix: format!(
            "if they do not depend on each other, make the requests of {} at the same time: a ThreadPoolExecutor with one Session, or httpx.AsyncClient and asyncio.gather",
            place.short()
        ),
        ..case.finding(rule, Some(place.clone()), recoverable)
    })
}

#[cfg(test)]
mod tests {
    use super::SequentialRequests;
    use crate::diagnose::{Finding, Severity, testing::Model};
    use crate::model::Reason;

    const FILE: &str = "/usr/lib/python3.12/http/client.py";

    /// What is found of threads that ask these peers 10 times each, for 800 ms.
    fn found(threads: &[&[&str]], works: Option<u64>) -> Vec<Finding> {
        let mut model = Model::default();
        let status = model.frame("HTTPResponse._read_status", FILE);
        let own = model.frame("scrape", "/srv/app.py");
        let serve = model.frame("serve", "/srv/app.py");
        let asking = [status, own, serve];
        let accepting = [serve];
        for peers in threads {
            let mut rows: Vec<_> = peers
                .iter()
                .map(|peer| (asking.as_slice(), Reason::NetRecv, Some(*peer), 10, 800))
                .collect();
            rows.extend(works.map(|n| (accepting.as_slice(), Reason::NetAccept, None, n, 100)));
            model.thread(&rows);
        }
        model.check(&SequentialRequests)
    }

    #[test]
    fn one_thread_that_asks_one_after_the_other() {
        let (a, b) = ("10.0.0.1:80", "10.0.0.2:80");
        let both = found(&[&[a, b]], None);
        assert_eq!(both.len(), 1);
        assert_eq!(both[0].severity, Severity::High);
        assert!(
            found(&[&[a]], None).is_empty(),
            "less than half of the time"
        );
        assert!(found(&[&[a, b], &[a, b]], None).is_empty());
        // A server that asks another one for each request of its own.
        assert!(found(&[&[a, b]], Some(20)).is_empty());
        assert_eq!(found(&[&[a, b]], Some(2)).len(), 1);
    }
}
