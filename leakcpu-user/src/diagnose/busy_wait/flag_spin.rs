//! `busy-wait.flag-spin`: a loop that looks at the program's own state until somebody
//! changes it.

use crate::diagnose::spinning::{Advice, spinning};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::{
    classify::{LoopOf, Spin},
    model::{LookAt, WaitingLoop},
};

/// The rule.
pub struct FlagSpin;

impl Rule for FlagSpin {
    fn name(&self) -> &'static str {
        "busy-wait.flag-spin"
    }

    fn about(&self) -> &'static str {
        "A loop looks at a flag, a queue or a lock again and again, and does nothing else until another thread changes it."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A CPU at 100 %, no output: `while not done: pass`.",
            evidence: "A loop, by its bytecode in the live process, that only looks at values which other threads change, and values that stay as they are.",
            needs: "Frames of CPython 3.8 to 3.15 that can be read; no source text.",
            fix: "Block until the value changes: an Event, a Condition or a queue that is told where it is changed.",
            slow: "while not worker.done:\n    pass",
            fixed: "worker.finished.wait()    # a threading.Event that the worker sets",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spinning(case, self.name(), |spin| match spin {
            Spin::Loop {
                of: LoopOf::Flag,
                waiting,
                ..
            } => Some(Advice {
                cause: cause(waiting),
                fix: fix(waiting).to_owned(),
            }),
            _ => None,
        })
    }
}

fn cause(waiting: &WaitingLoop) -> String {
    match looked_at(waiting) {
        Some(name) => format!(
            "The loop calls {name}() again and again until another thread makes a difference, which takes a CPU."
        ),
        None => "The loop looks at a value again and again until another thread changes it, which takes a CPU.".to_owned(),
    }
}

/// What it asks, the time aside.
fn looked_at(waiting: &WaitingLoop) -> Option<&str> {
    let mut looks = waiting.looks_at.iter();
    let asks = looks.find(|look| look.at != LookAt::Clock);
    asks.map(|look| look.name.as_str())
}

/// The blocking form of what it asks.
fn fix(waiting: &WaitingLoop) -> &'static str {
    let path = looked_at(waiting).unwrap_or_default();
    match path.rsplit('.').next().unwrap_or_default() {
        "is_set" | "isSet" => {
            "wait for the event: Event.wait(timeout=...) instead of is_set() in a loop"
        }
        "get_nowait" | "get" | "empty" | "qsize" => {
            "let the queue block: Queue.get(timeout=...) returns as soon as there is an item"
        }
        "put_nowait" | "put" | "full" => {
            "let the queue block: Queue.put(item, timeout=...) returns as soon as there is room"
        }
        "acquire" | "locked" => {
            "let the lock block: acquire(timeout=...) or a `with` block instead of trying in a loop"
        }
        "is_alive" | "isAlive" => {
            "wait for its end: join(timeout=...) instead of is_alive() in a loop"
        }
        "done" | "running" | "ready" | "cancelled" => {
            "wait for the result: future.result(timeout=...) or concurrent.futures.wait() instead of asking in a loop"
        }
        "popleft" | "pop" => {
            "use a queue.Queue and its get(timeout=...): it returns as soon as there is an item"
        }
        _ => {
            "block until it changes: a threading.Event or Condition that is set where the value is changed, and wait(timeout=...) here"
        }
    }
}
