//! Waits that a workload states and measures itself, against what a report says.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    clocks::tolerance,
    interpreter::Interpreter,
    problems::Problems,
    report::{is_called, list, ns, text, thread},
};

/// How far off reported times may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// As everywhere: see [`tolerance`].
    Usual,
    /// Of an emulated machine, which is interrupted for long and whose workloads read their
    /// clocks slowly: thrice that.
    Emulated,
}

impl Play {
    fn allowed(self, wall_ns: i64) -> i64 {
        match self {
            Self::Usual => tolerance(wall_ns),
            Self::Emulated => 3 * tolerance(wall_ns),
        }
    }
}

/// What is told by a look at a descriptor or a connection within milliseconds. An emulated
/// machine does not look in time.
const BRIEF: [&str; 4] = [
    "connect_timed",
    "short_lived",
    "short_lived_pipe",
    "epoll_answer",
];

/// One wait: what its workload said, and what the report says.
#[derive(Debug)]
pub struct Wait<'a> {
    /// The function that waits.
    pub name: &'a str,
    /// What the workload says of it.
    pub truth: &'a Value,
    /// The report's waits in that function.
    reported: Vec<&'a Value>,
    /// Its thread, as reported.
    thread: &'a Value,
    /// Time blocked in the window by the thread's own clocks.
    own_ns: i64,
}

/// Every wait of a workload whose first line is `ready` and whose last is `last`, in a
/// window that ended at `end`; those that could not be made are left out with a word.
pub fn waits<'a>(process: &'a Value, end: i64, ready: &'a Value, last: &'a Value) -> Vec<Wait<'a>> {
    let mut waits = Vec::new();
    for (name, truth) in ready["waits"].as_object().expect("an object") {
        if let Some(why) = truth["skipped"].as_str() {
            eprintln!("SKIPPED: {name}: {why}");
            continue;
        }
        let native = truth["facts"]["native_tid"].as_i64();
        let thread = thread(process, native.unwrap_or_else(|| ns(truth, "tid")));
        let begin = end - ns(&thread["time"], "wall_ns");
        let reported = list(process, "waits").iter().filter(|wait| {
            let function = wait["function"].as_str();
            function.is_some_and(|function| is_called(function, name))
        });
        waits.push(Wait {
            name,
            truth,
            reported: reported.collect(),
            thread,
            own_ns: blocked(list(&last["spans"], name), begin, end),
        });
    }
    waits
}

impl Wait<'_> {
    /// The reason that the workload states.
    pub fn reason(&self) -> Option<&str> {
        self.truth["reason"].as_str()
    }

    /// Time reported for a reason, anywhere in the function.
    fn by_reason(&self, reason: &str) -> i64 {
        let mine = self.reported.iter().filter(|w| w["reason"] == reason);
        mine.map(|wait| ns(wait, "total_ns")).sum()
    }

    /// Time reported for a reason on the line of the wait.
    fn on_its_line(&self, reason: &str) -> i64 {
        if self.is_native() {
            return ns(&self.thread["time"]["blocked_by_reason"], reason);
        }
        self.reported
            .iter()
            .filter(|w| w["reason"] == reason && w["line"] == self.truth["line"])
            .map(|wait| ns(wait, "total_ns"))
            .sum()
    }

    /// Time reported for the wait.
    fn reported_ns(&self, reason: &str) -> i64 {
        match reason {
            // It comes between any two instructions, those that read the clocks too.
            "gil" => ns(&self.thread["time"]["blocked_by_reason"], reason),
            _ => self.on_its_line(reason),
        }
    }

    /// Whether the thread runs no Python, so that no function has its time.
    fn is_native(&self) -> bool {
        self.truth["facts"]["native_tid"].is_number()
    }

    /// By the thread's own clocks, without its waits for the GIL on the way out of the
    /// call, and for what else the call waits.
    fn own_ns(&self) -> i64 {
        let others = ["gil"].into_iter().chain(texts(&self.truth["besides"]));
        let others = others.filter(|other| self.reason() != Some(*other));
        self.own_ns - others.map(|other| self.on_its_line(other)).sum::<i64>()
    }

    /// Whether it can be told where times may be off by as much.
    pub fn can_be_told(&self, play: Play) -> bool {
        play == Play::Usual || !BRIEF.contains(&self.name)
    }

    /// Compares times, reasons, places and who was waited for.
    pub fn check(&self, python: &Interpreter, play: Play, problems: &mut Problems) {
        let wall = ns(&self.thread["time"], "wall_ns");
        let little = play.allowed(wall) / 4;
        for reason in self.truth["never"].as_array().expect("a list") {
            let reason = reason.as_str().expect("a reason is text");
            let got = if self.is_native() {
                self.on_its_line(reason)
            } else {
                self.by_reason(reason)
            };
            problems.between(format!("look-alike: {reason}"), got, 0, little);
        }
        let Some(reason) = self.reason() else {
            return;
        };
        let own = self.own_ns();
        problems.check(own > wall / 100, format!("it hardly waits: {own} ns"));
        let allowed = match reason {
            // Of a thread that computes all the time the clocks also differ by interrupts
            // and by what the hypervisor takes.
            "gil" => 3 * play.allowed(wall),
            _ => play.allowed(wall),
        };
        problems.near(reason, self.reported_ns(reason), own, allowed);
        if self.is_native() {
            return;
        }
        let named: Vec<&str> = ["gil", reason]
            .into_iter()
            .chain(texts(&self.truth["besides"]))
            .collect();
        for wait in &self.reported {
            if !named.contains(&text(wait, "reason")) {
                problems.between(text(wait, "reason"), ns(wait, "total_ns"), 0, allowed);
            }
        }
        let mine = || self.reported.iter().filter(|w| w["reason"] == reason);
        if let Some(longest) = mine().max_by_key(|wait| ns(wait, "total_ns")) {
            problems.equal("line", &longest["line"], &self.truth["line"]);
            for (fact, field) in [
                ("peer", "peer"),
                ("file", "file"),
                ("child", "child_name"),
                ("child_pid", "child_pid"),
            ] {
                let want = match &self.truth["facts"][fact] {
                    Value::Null => continue,
                    // In a root file system of its own it has another path for us.
                    Value::String(path) if path.starts_with('/') && field == "file" => {
                        json!(python.place.seen_from_here(Path::new(path)))
                    }
                    other => other.clone(),
                };
                // Where one number stands for many in a row, the report may name none.
                let may_lack = texts(&self.truth["facts"]["or_unnamed"]).any(|f| f == fact);
                if !(may_lack && longest[field].is_null()) {
                    problems.equal(field, &longest[field], &want);
                }
            }
        }
    }

    /// Its row of the table.
    pub fn row(&self, python: &Interpreter, holds: bool) -> Value {
        json!({
            "version": python.version,
            "wait": self.name,
            "what": self.truth["what"],
            "reason": self.reason(),
            "never": self.truth["never"],
            "own_ns": self.own_ns(),
            "reported_ns": self.reason().map(|reason| self.reported_ns(reason)),
            "holds": holds,
        })
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Time blocked in `begin..end`: of spans `[from, to, not blocked]`, what lies inside.
pub fn blocked(spans: &[Value], begin: i64, end: i64) -> i64 {
    spans
        .iter()
        .map(|span| {
            let at = |n: usize| span[n].as_i64().expect("a span has three figures");
            let (from, to, other) = (at(0), at(1), at(2));
            let inside = (to.min(end) - from.max(begin)).max(0);
            #[expect(clippy::cast_possible_truncation, reason = "a part of an i64")]
            let other = (other as f64 * inside as f64 / (to - from).max(1) as f64) as i64;
            inside - other
        })
        .sum()
}
