//! `gil.held-while-blocked`: a thread waits for something, and keeps the GIL meanwhile.

use std::collections::BTreeMap;

use crate::{
    classify::{Blame, place_of, say},
    diagnose::{Case, Explanation, Finding, Rule, finding::figure, per_second},
    model::{Process, Reason, StackId, Tid, WakeEvidence},
};

/// Of the time that others waited, the part that the holder has to have been blocked there; it may
/// have been off the CPU because another had that.
const BLOCKED_PART: u64 = 2;

/// The rule.
pub struct HeldWhileBlocked;

/// A thread at one place, where it held the GIL and was off the CPU.
struct Held {
    tid: Tid,
    stack: StackId,
    /// How long the thread waited for it that waited longest.
    waited_ns: u64,
}

impl Rule for HeldWhileBlocked {
    fn name(&self) -> &'static str {
        "gil.held-while-blocked"
    }

    fn about(&self) -> &'static str {
        "A call into C blocks without giving the GIL away, and every other thread stands still with it."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Everything stalls for moments, with no CPU used.",
            evidence: "How long threads waited for the GIL while its holder was blocked, and where that was.",
            needs: "Context switches; a build with a GIL.",
            fix: "Have the call release the GIL (Py_BEGIN_ALLOW_THREADS, `with nogil`, ctypes.CDLL instead of PyDLL), or make it in a process of its own. What releases the GIL must not touch Python objects meanwhile.",
            slow: "driver = ctypes.PyDLL(\"libsensor.so\")\ndriver.read()    # waits for the device, with the GIL",
            fixed: "driver = ctypes.CDLL(\"libsensor.so\")\ndriver.read()",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let mut by_function: BTreeMap<String, (Blame, Tid, u64)> = BTreeMap::new();
        for held in held(case.process) {
            if !is_blocked(case.process, &held) {
                continue;
            }
            if let Some(place) = place_of(case.process, held.stack) {
                let key = format!("{} {}", place.file, place.function);
                let sum = by_function.entry(key).or_insert((place, held.tid, 0));
                sum.2 += held.waited_ns;
            }
        }
        let found = by_function.into_values();
        found
            .filter_map(|(place, tid, ns)| finding(self.name(), case, &place, tid, ns))
            .collect()
    }
}

/// Where threads held the GIL off the CPU.
fn held(process: &Process) -> Vec<Held> {
    // By holder, place and waiter.
    let mut waited: BTreeMap<(Tid, StackId), BTreeMap<Tid, u64>> = BTreeMap::new();
    for thread in &process.threads {
        let wakes = thread.wakes.iter();
        for wake in
            wakes.filter(|wake| wake.reason == Reason::Gil && wake.evidence == WakeEvidence::OffCpu)
        {
            let by_waiter = waited.entry((wake.waker, wake.waker_stack)).or_default();
            *by_waiter.entry(thread.tid).or_default() += wake.off_cpu_ns;
        }
    }
    let all = waited.into_iter();
    all.map(|((tid, stack), by_waiter)| Held {
        tid,
        stack,
        waited_ns: by_waiter.into_values().max().unwrap_or(0),
    })
    .collect()
}

/// Whether the holder was blocked there for as long as the others waited, or for half of that.
fn is_blocked(process: &Process, held: &Held) -> bool {
    let mut threads = process.threads.iter();
    let Some(thread) = threads.find(|thread| thread.tid == held.tid) else {
        return false;
    };
    let blocked = thread.stack_times.iter().zip(thread.charges());
    let ns: u64 = blocked
        .filter(|(time, _)| time.stack == held.stack)
        .filter(|(time, _)| {
            time.kind
                .reason()
                .is_some_and(|reason| reason != Reason::Gil)
        })
        .map(|(_, charge)| charge.blocked_ns)
        .sum();
    ns > 0 && ns * BLOCKED_PART >= held.waited_ns
}

fn finding(
    rule: &'static str,
    case: Case<'_>,
    place: &Blame,
    tid: Tid,
    waited_ns: u64,
) -> Option<Finding> {
    let span_ns = case.verdicts.span_ns;
    let limits = case.thresholds;
    let recoverable = per_second(waited_ns, span_ns);
    if recoverable < limits.loop_held_ns_per_s {
        return None;
    }
    Some(Finding {
        threads: vec![tid],
        evidence: vec![figure(
            format!(
                "{} in which others waited for the GIL and {} had it, blocked in {}",
                say::part_of(waited_ns, span_ns),
                case.process.thread_in_words(tid),
                place.short()
            ),
            "gil_held_blocked_ns",
            waited_ns as f64,
            "ns",
        )],
        cause: "The call blocks without giving the GIL away, so no other thread can run Python."
            .to_owned(),
        fix: format!(
            "have the call in {} release the GIL (ctypes.CDLL instead of PyDLL, Py_BEGIN_ALLOW_THREADS, `with nogil`), or make it in a process of its own",
            place.short()
        ),
        ..case.finding(rule, Some(place.clone()), recoverable)
    })
}
