//! `io.n-plus-one`: many small queries in a loop where one would do.

use std::collections::{BTreeMap, BTreeSet};

use super::asked_in_loop::{AskedInLoop, asked_in_loops};
use super::databases::{By, LIBRARIES};
use super::waited::{is_for_answer, peer, waited};
use crate::diagnose::below::{Lines, called, on_cpu};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::{Because, Blame, is_asking_for_work, say, service_name},
    model::{Function, FunctionId, Process, Tid},
};

/// The rule.
pub struct NPlusOne;

impl Rule for NPlusOne {
    fn name(&self) -> &'static str {
        "io.n-plus-one"
    }

    fn about(&self) -> &'static str {
        "A loop asks a data base for one thing at a time, and waits for each answer."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A page with a hundred rows takes a hundred times as long as one with one, and no query is slow.",
            evidence: "Small round trips to one data base that a loop over items makes: how many a second, how long each is waited for; they take most of what the thread does, and do not come one for each request that it takes up.",
            needs: "Context switches; connections that threads wait on, or event loops of asyncio of which never more than one is owed an answer; the bytecode of the process, readable.",
            fix: "Ask once for all of it, in the idiom of the library. A list of some ten thousand keys is better asked in parts.",
            slow: "for order in orders:\n    cursor.execute(\"SELECT * FROM customer WHERE id = %s\", (order.customer,))",
            fixed: "cursor.execute(\"SELECT * FROM customer WHERE id = ANY(%s)\", (list(customers),))",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let all = exchanged(case.process);
        let on_threads = all
            .into_iter()
            .filter(|of| of.are_many_small(case))
            .filter_map(|of| Asking::on_threads(case, &of).map(|asking| (of, asking)));
        let in_loops = asked_in_loops(case.process, is_of_library);
        let in_loops = in_loops
            .iter()
            .filter_map(in_loop)
            .filter(|(of, _)| of.are_many_small(case));
        on_threads
            .chain(in_loops)
            .filter(|(of, asking)| asking.is_slow(case, of))
            .map(|(of, asking)| finding(self.name(), case, &of, asking))
            .collect()
    }
}

/// What one function exchanged with one peer.
struct Exchanged<'a> {
    peer: &'a str,
    place: Blame,
    waits: u64,
    blocked_ns: u64,
    trips: u64,
    /// Sent and received, where that is known.
    bytes: Option<[u64; 2]>,
}

/// What one function exchanged with one peer, while it grows.
#[derive(Default)]
struct Sums {
    lines: Lines,
    waits: u64,
    blocked_ns: u64,
    trips: u64,
    bytes: Option<[u64; 2]>,
}

/// What a unix socket without a name is called.
const UNNAMED: &str = "unix socket";

/// By function and peer. What went over a unix socket is not known: each of its waits is one round
/// trip at least.
fn exchanged(process: &Process) -> Vec<Exchanged<'_>> {
    let mut sums: BTreeMap<(&str, FunctionId), Sums> = BTreeMap::new();
    for row in &process.round_trips {
        let counted = row.round_trips.zip(row.sent_bytes.zip(row.received_bytes));
        let (trips, bytes) = match counted {
            Some((trips, bytes)) => (trips, Some(bytes)),
            None if row.peer.starts_with(['/', '@']) || row.peer == UNNAMED => (row.waits, None),
            None => continue,
        };
        let frame = row.frame.and_then(|frame| Some((frame, frame.function?)));
        let Some((frame, id)) = frame else {
            continue;
        };
        let sum = sums.entry((row.peer.as_str(), id)).or_default();
        sum.lines.add(frame.line, row.blocked_ns);
        sum.waits += row.waits;
        sum.blocked_ns += row.blocked_ns;
        sum.trips += trips;
        if let Some((sent, received)) = bytes {
            let [all_sent, all_received] = sum.bytes.unwrap_or_default();
            sum.bytes = Some([all_sent + sent, all_received + received]);
        }
    }
    let sums = sums.into_iter();
    sums.filter_map(|((peer, id), sum)| {
        Some(Exchanged {
            peer,
            place: sum.lines.place(process, id)?,
            waits: sum.waits,
            blocked_ns: sum.blocked_ns,
            trips: sum.trips,
            bytes: sum.bytes,
        })
    })
    .collect()
}

impl Exchanged<'_> {
    /// Whether these are many, small and quick, and weigh something.
    fn are_many_small(&self, case: Case<'_>) -> bool {
        let limits = case.thresholds;
        let span_ns = case.verdicts.span_ns;
        let small_bytes = self.trips.saturating_mul(limits.small_round_trip_bytes);
        self.trips >= limits.round_trips
            && per_second(self.trips, span_ns) >= limits.round_trips_per_s
            && self.blocked_ns >= limits.round_trips_ns
            && self.blocked_ns < self.waits.saturating_mul(limits.quick_round_trip_ns)
            && self
                .bytes
                .is_none_or(|both| both.iter().all(|bytes| *bytes <= small_bytes))
    }

    fn evidence(&self, span_ns: u64) -> Vec<Because> {
        let mean_ns = self.blocked_ns / self.trips.max(1);
        let service = service_name(self.peer);
        let whom = service.map_or_else(
            || self.peer.to_owned(),
            |service| format!("{service} at {}", self.peer),
        );
        let rate = self.trips as f64 * 1e9 / span_ns.max(1) as f64;
        let each = |bytes: u64| say::number(bytes as f64 / self.trips.max(1) as f64);
        let sizes = self.bytes.map_or(String::new(), |[sent, received]| {
            format!(
                ", of some {} bytes sent and {} received",
                each(sent),
                each(received)
            )
        });
        vec![
            figure(
                format!(
                    "{} round trips a second to {whom} in {}{sizes}",
                    say::number(rate),
                    self.place.short(),
                ),
                "round_trips_per_s",
                rate,
                "1/s",
            ),
            figure(
                format!(
                    "{} waiting for their answers, {} each",
                    say::part_of(self.blocked_ns, span_ns),
                    say::duration(mean_ns)
                ),
                "round_trips_ns",
                self.blocked_ns as f64,
                "ns",
            ),
        ]
    }
}

/// Who asks, and how.
struct Asking {
    tids: Vec<Tid>,
    /// The loop over items.
    place: Blame,
    by: By,
    works_taken: u64,
    on_cpu_ns: u64,
    /// Of the CPU time, what it takes to ask.
    cpu_to_ask_ns: u64,
}

impl Asking {
    fn on_threads(case: Case<'_>, of: &Exchanged<'_>) -> Option<Self> {
        let process = case.process;
        let waits = waited(process, |time, _| {
            is_for_answer(time)
                && !is_asking_for_work(process, time)
                && peer(time).is_none_or(|peer| peer == of.peer)
        });
        let waits = waits
            .into_iter()
            .find(|waits| waits.place.function_id == of.place.function_id)?;
        let files = waits.entries.iter().flat_map(|entry| &entry.below);
        let files: BTreeSet<&str> = files.map(|function| function.file.as_str()).collect();
        let threads = waits.threads();
        let on_cpu_ns: u64 = process
            .threads
            .iter()
            .filter(|thread| threads.contains_key(&thread.tid))
            .map(|thread| thread.times.on_cpu_ns)
            .sum();
        let asking = on_cpu(case, |stack| {
            let called = called(process, stack)?;
            let asks = called.below.iter().any(|function| is_of_library(function));
            asks.then_some(called.frame)
        });
        let asking_ns = asking
            .iter()
            .find(|asking| asking.place.function_id == of.place.function_id)
            .map_or(0, |asking| asking.ns.min(on_cpu_ns));
        Some(Self {
            tids: threads.into_keys().collect(),
            place: waits.loop_over_items(process)?,
            by: By::library(&files).or_else(|| By::service(of.peer))?,
            works_taken: waits.works_taken(process),
            on_cpu_ns,
            cpu_to_ask_ns: asking_ns,
        })
    }

    /// Whether asking takes much of the time, is most of what is done, and is not done once for
    /// each request that the process serves itself.
    fn is_slow(&self, case: Case<'_>, of: &Exchanged<'_>) -> bool {
        let limits = case.thresholds;
        let asking_ns = of.blocked_ns + self.cpu_to_ask_ns;
        asking_ns as f64 >= case.verdicts.span_ns as f64 * limits.wait_share
            && of.trips >= limits.round_trips * self.works_taken
            && asking_ns * 2 >= of.blocked_ns + self.on_cpu_ns
    }
}

/// What coroutines ask one peer for.
fn in_loop<'a>(found: &AskedInLoop<'a>) -> Option<(Exchanged<'a>, Asking)> {
    let mut peers = found.peers.iter().copied();
    let peer = peers.next().filter(|_| found.peers.len() == 1)?;
    let of = Exchanged {
        peer,
        place: found.place.clone(),
        waits: found.trips,
        blocked_ns: found.waits_ns,
        trips: found.trips,
        bytes: Some(found.bytes),
    };
    let asking = Asking {
        tids: vec![found.tid],
        place: found.place.clone(),
        by: By::library(&found.files).or_else(|| By::service(peer))?,
        works_taken: found.works_taken,
        on_cpu_ns: found.on_cpu_ns,
        cpu_to_ask_ns: found.on_cpu_ns.saturating_sub(found.other_cpu_ns),
    };
    Some((of, asking))
}

fn is_of_library(function: &Function) -> bool {
    let mut libraries = LIBRARIES.iter();
    libraries.any(|(mark, _)| function.file.contains(mark))
}

fn finding(rule: &'static str, case: Case<'_>, of: &Exchanged<'_>, asking: Asking) -> Finding {
    let span_ns = case.verdicts.span_ns;
    let recoverable = per_second(of.blocked_ns + asking.cpu_to_ask_ns, span_ns);
    let mut evidence = of.evidence(span_ns);
    evidence.push(figure(
        format!(
            "{} of CPU time to ask and to take the answers",
            say::duration(asking.cpu_to_ask_ns)
        ),
        "asking_cpu_ns",
        asking.cpu_to_ask_ns as f64,
        "ns",
    ));
    Finding {
        threads: asking.tids,
        evidence,
        cause: "Each turn of a loop asks for one small thing and waits until the answer has come."
            .to_owned(),
        fix: asking.by.fix().to_owned(),
        ..case.finding(rule, Some(asking.place), recoverable)
    }
}

#[cfg(test)]
mod tests {
    use super::NPlusOne;
    use crate::diagnose::testing::{MS, Model};
    use crate::model::{AnswersOwed, Reason, RoundTrips};

    /// What is found of so many queries in two seconds that are waited for so long in all,
    /// and whose answers have so many bytes each.
    fn found(trips: u64, ms: u64, bytes: u64, works: u64) -> usize {
        let peer = "10.0.0.5:5432";
        let mut model = Model::default();
        let library = "/usr/lib/python3.12/dist-packages/psycopg/connection.py";
        let wait = model.frame("Connection.wait", library);
        let own = model.frame("balances", "/srv/app.py");
        let take = model.frame("take", "/srv/app.py");
        model.thread(&[
            (&[wait, own], Reason::NetRecv, Some(peer), trips, ms),
            (&[take], Reason::NetAccept, None, works, 1),
        ]);
        model.process.round_trips.push(RoundTrips {
            peer: peer.to_owned(),
            frame: Some(own),
            connections: 1,
            waits: trips,
            blocked_ns: ms * MS,
            max_ns: MS,
            round_trips: Some(trips),
            sent_bytes: Some(trips * 60),
            received_bytes: Some(trips * bytes),
        });
        model.check(&NPlusOne).len()
    }

    #[test]
    fn many_small_quick_queries_that_are_most_of_the_work() {
        assert_eq!(found(400, 1_500, 90, 1), 1);
        // Few slow ones, large ones, one for each request, and some beside computing.
        assert_eq!(found(20, 1_500, 90, 1), 0);
        assert_eq!(found(400, 1_500, 90_000, 1), 0);
        assert_eq!(found(400, 1_500, 90, 300), 0);
        assert_eq!(found(400, 500, 90, 1), 0);
    }

    /// What is found of coroutines that ask so often, for so many milliseconds of two seconds,
    /// where so many of 50 looks found several answers owed.
    fn found_in_loop(trips: u64, ms: u64, of_several: u64) -> usize {
        let mut model = Model::default();
        let library = "/usr/lib/python3.12/site-packages/psycopg/connection_async.py";
        let execute = model.frame("AsyncConnection.execute", library);
        let own = model.frame("roster", "/srv/app.py");
        let owed = AnswersOwed {
            looks: 50,
            of_several,
            ..AnswersOwed::default()
        };
        let peer = ("10.0.0.5:5432", trips, ms);
        model.event_loop(peer, &[(&[execute, own], 40), (&[own], 10)], owed);
        model.check(&NPlusOne).len()
    }

    #[test]
    fn coroutines_that_ask_one_after_the_other() {
        assert_eq!(found_in_loop(400, 1_500, 0), 1);
        assert_eq!(found_in_loop(400, 1_500, 20), 0);
        assert_eq!(found_in_loop(20, 1_500, 0), 0);
    }
}
