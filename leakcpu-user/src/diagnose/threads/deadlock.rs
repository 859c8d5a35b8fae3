//! `lock.deadlock`: threads that wait for one another's locks.

use crate::classify::{Blame, owner_in_words, place_of};
use crate::diagnose::finding::{figure, stable_id};
use crate::diagnose::{Case, Explanation, Finding, Gain, Rule, Severity};
use crate::model::{Deadlocked, Process};

/// The rule.
pub struct Deadlock;

impl Rule for Deadlock {
    fn name(&self) -> &'static str {
        "lock.deadlock"
    }

    fn about(&self) -> &'static str {
        "Threads wait for locks that the others of them own, and none of them ever goes on."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "The program stands still for ever, without taking CPU.",
            evidence: "RLocks that threads wait for, with the thread that owns each: a circle of owners who wait for one another.",
            needs: "Locks that know their owner (RLock); a Lock keeps none. CPython 3.8 to 3.15.",
            fix: "Have every thread take the locks in the same order; restart the process, for it does not go on by itself.",
            slow: "def pay():    # another thread takes them the other way round\n    with accounts, ledger:\n        ...",
            fixed: "def pay():    # accounts before ledger, everywhere\n    with accounts, ledger:\n        ...",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let deadlocks = case.process.deadlocks();
        let finding = |circle: &Vec<Deadlocked>| finding(self.name(), case.process, circle);
        deadlocks.iter().map(finding).collect()
    }
}

fn finding(rule: &'static str, process: &Process, circle: &[Deadlocked]) -> Finding {
    let place = |one: &Deadlocked| place_of(process, one.wait.stack);
    let chain: Vec<String> = circle
        .iter()
        .map(|one| {
            let at = place(one).map_or(String::new(), |place| format!(" in {}", place.short()));
            let owner = owner_in_words(process, &one.wait).unwrap_or_default();
            format!("{} waits{at} for {owner}", process.thread_in_words(one.tid))
        })
        .collect();
    let mut places: Vec<String> = circle
        .iter()
        .filter_map(place)
        .map(|place| place.short())
        .collect();
    places.dedup();
    let places = match places.as_slice() {
        [] => String::new(),
        places => format!(", here: {}", places.join(", ")),
    };
    let first: Option<Blame> = circle.first().and_then(place);
    let waited_ns = circle.iter().map(|one| one.wait.waited_ns).min();
    Finding {
        id: stable_id(process, rule, first.as_ref()),
        rule,
        severity: Severity::High,
        // What the locks themselves record leaves no other way.
        confidence: 0.99,
        threads: circle.iter().map(|one| one.tid).collect(),
        place: first,
        evidence: vec![
            figure(
                format!("{} threads of a circle", circle.len()),
                "deadlocked_threads",
                circle.len() as f64,
                "count",
            ),
            figure(
                "time for which all of them have waited".to_owned(),
                "deadlocked_ns",
                waited_ns.unwrap_or(0) as f64,
                "ns",
            ),
        ],
        cause: format!("{}: none of them ever goes on.", chain.join("; ")),
        fix: format!(
            "restart it, and have every thread take these locks in the same order{places}"
        ),
        recoverable_ns_per_s: None,
        gain: Gain::Time,
    }
}
