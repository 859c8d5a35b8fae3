//! `io.sequential-requests`: requests over HTTP that wait for one another.

use std::collections::BTreeSet;

use super::asked_in_loop::{AskedInLoop, asked_in_loops};
use super::http::{is_answer, is_async_client, is_client};
use super::waited::{Entry, Waited, is_for_answer, waited};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, Severity, per_second};
use crate::{
    classify::{Because, Blame, say},
    model::{Function, Reason, StackTime, Tid},
};

/// The rule.
pub struct SequentialRequests;

impl Rule for SequentialRequests {
    fn name(&self) -> &'static str {
        "io.sequential-requests"
    }

    fn about(&self) -> &'static str {
        "HTTP requests are made one after the other, and each answer is waited for."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A hundred requests take a hundred times as long as one.",
            evidence: "Waits of the process' only thread that asks for the answers of requests that a loop over items makes: how many, how long each, half of the time or more; not one for each request that it serves itself. Of an event loop, looks at its sockets, of which never more than one was owed an answer.",
            needs: "Context switches; http.client, urllib3, requests or httpx on threads, aiohttp or httpx in coroutines of asyncio; the bytecode of the process, readable. Whether a request needs the answer to the one before cannot be seen: with one server alone the severity is low.",
            fix: "Make those that do not depend on each other at the same time: a ThreadPoolExecutor with a shared Session, or httpx.AsyncClient and asyncio.gather. Mind the limits of the server.",
            slow: "pages = [session.get(url).text for url in urls]",
            fixed: "with ThreadPoolExecutor(8) as pool:\n    pages = [answer.text for answer in pool.map(session.get, urls)]",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let process = case.process;
        let waited = waited(process, is_request);
        let mut threads = waited.iter().flat_map(|found| found.threads().into_keys());
        // With a second one that asks, requests may be outstanding at the same time.
        let first = threads.next();
        let is_alone = threads.all(|tid| Some(tid) == first);
        let on_thread = waited.iter().filter(|_| is_alone);
        let in_loops = asked_in_loops(process, is_async_client);
        on_thread
            .filter_map(|found| Requests::on_thread(case, found))
            .chain(in_loops.iter().map(Requests::in_loop))
            .filter(|requests| requests.are_slow(case))
            .filter_map(|requests| requests.finding(self.name(), case))
            .collect()
    }
}

fn is_request(time: &StackTime, below: &[&Function]) -> bool {
    let waits = is_for_answer(time) || time.kind.reason() == Some(Reason::NetConnect);
    waits && is_client(below)
}

/// Requests of one loop over items, one after the other.
struct Requests<'a> {
    tids: Vec<Tid>,
    place: Blame,
    count: u64,
    /// Of all, until the answers begin.
    answers_ns: u64,
    total_ns: u64,
    max_ns: u64,
    peers: BTreeSet<&'a str>,
    works_taken: u64,
    /// Of an event loop, looks that found it waiting for one answer.
    looks: Option<u64>,
}

impl<'a> Requests<'a> {
    fn on_thread(case: Case<'_>, found: &'a Waited<'a>) -> Option<Self> {
        let answers = || {
            let is_it = |entry: &&Entry<'_>| is_answer(&entry.below);
            found.entries.iter().filter(is_it)
        };
        Some(Self {
            tids: found.threads().into_keys().collect(),
            place: found.loop_over_items(case.process)?,
            count: answers().map(|entry| entry.time.count).sum(),
            answers_ns: answers().map(|entry| entry.ns).sum(),
            total_ns: found.total_ns(),
            max_ns: found.max_ns(),
            peers: found.peers(),
            works_taken: found.works_taken(case.process),
            looks: None,
        })
    }

    fn in_loop(found: &AskedInLoop<'a>) -> Self {
        Self {
            tids: vec![found.tid],
            place: found.place.clone(),
            count: found.trips,
            answers_ns: found.waits_ns,
            total_ns: found.waits_ns,
            max_ns: found.max_ns,
            peers: found.peers.clone(),
            works_taken: found.works_taken,
            looks: Some(found.looks),
        }
    }

    fn mean_ns(&self) -> u64 {
        self.answers_ns / self.count.max(1)
    }

    /// Whether there are several that take most of the time, and not one for each request that
    /// the process serves itself.
    fn are_slow(&self, case: Case<'_>) -> bool {
        let limits = case.thresholds;
        self.count >= limits.round_trips
            && self.mean_ns() >= limits.request_ns
            && self.total_ns.saturating_mul(2) >= case.verdicts.span_ns
            && self.count >= limits.round_trips * self.works_taken
    }

    fn finding(self, rule: &'static str, case: Case<'_>) -> Option<Finding> {
        let span_ns = case.verdicts.span_ns;
        let recoverable = per_second(self.total_ns.saturating_sub(self.max_ns), span_ns);
        // Pages of one server often lead to each other.
        let severity = if self.peers.len() > 1 {
            case.thresholds.severity(recoverable)
        } else {
            Severity::Low
        };
        let fix = match self.looks {
            None => {
                "a ThreadPoolExecutor with one Session, or httpx.AsyncClient and asyncio.gather"
            }
            Some(_) => "asyncio.gather or a TaskGroup, and a Semaphore that bounds how many",
        };
        Some(Finding {
            severity,
            evidence: self.evidence(span_ns)?,
            cause: "Each request is made when the one before is answered; if they do not depend on each other, their waits add up for nothing."
                .to_owned(),
            fix: format!(
                "if they do not depend on each other, make the requests of {} at the same time: {fix}",
                self.place.short()
            ),
            threads: self.tids,
            ..case.finding(rule, Some(self.place), recoverable)
        })
    }

    fn evidence(&self, span_ns: u64) -> Option<Vec<Because>> {
        let whom = match self.peers.len() {
            0 => String::new(),
            1 => format!(" to {}", self.peers.first()?),
            several => format!(" to {several} servers"),
        };
        let by = self.looks.map_or(String::new(), |looks| {
            format!(", by {}", say::count(looks, "look", "looks"))
        });
        Some(vec![
            figure(
                format!(
                    "{}{whom}, never more than one at a time{by}",
                    say::count(self.count, "request", "requests")
                ),
                "requests",
                self.count as f64,
                "count",
            ),
            figure(
                format!(
                    "{} waiting for their answers",
                    say::part_of(self.total_ns, span_ns)
                ),
                "requests_ns",
                self.total_ns as f64,
                "ns",
            ),
            figure(
                format!("{} until each answer begins", say::duration(self.mean_ns())),
                "request_mean_ns",
                self.mean_ns() as f64,
                "ns",
            ),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::SequentialRequests;
    use crate::diagnose::{Finding, Severity, testing::Model};
    use crate::model::{AnswersOwed, Reason};

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

    #[test]
    fn coroutines_of_which_one_asks_at_a_time() {
        let found = |trips, of_several, asks_in: &str| {
            let mut model = Model::default();
            let send = model.frame("ClientSession._request", asks_in);
            let own = model.frame("warmest", "/srv/app.py");
            let owed = AnswersOwed {
                looks: 50,
                of_several,
                ..AnswersOwed::default()
            };
            model.event_loop(("10.0.0.1:80", trips, 1_600), &[(&[send, own], 40)], owed);
            model.check(&SequentialRequests)
        };
        let aiohttp = "/usr/lib/python3.12/site-packages/aiohttp/client.py";
        let one = found(40, 1, aiohttp);
        assert_eq!(one.len(), 1);
        assert!(one[0].fix.contains("asyncio.gather"), "{}", one[0].fix);
        assert!(found(40, 10, aiohttp).is_empty());
        assert!(found(4, 1, aiohttp).is_empty());
        let other = "/usr/lib/python3.12/site-packages/aiofiles/base.py";
        assert!(found(40, 1, other).is_empty());
    }
}
