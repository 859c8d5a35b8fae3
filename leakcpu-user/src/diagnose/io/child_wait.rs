//! `io.child-wait`: children that run one after the other.

use super::waited::{Entry, Waited, waited};
use crate::diagnose::below::is;
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::say,
    model::{Function, Reason, StackTime, StackTimeKind},
};

/// Where children are started and waited for.
const FILE: &str = "/subprocess.py";

/// Functions that start a child and wait for its end before they return. A child that somebody
/// starts and waits for later may run beside others.
const RUNNING: [&str; 6] = [
    "run",
    "call",
    "check_call",
    "check_output",
    "getoutput",
    "getstatusoutput",
];

/// What starts a child: it waits once until that runs the program.
const STARTING: &str = "_execute_child";

/// The rule.
pub struct ChildWait;

impl Rule for ChildWait {
    fn name(&self) -> &'static str {
        "io.child-wait"
    }

    fn about(&self) -> &'static str {
        "Child processes run one after the other, and the program waits for the end of each."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Many commands, one CPU's worth of work, and a program that does nothing.",
            evidence: "Waits of one thread inside subprocess.run and its kin, at their pipes too, for how many children, and how long in sum.",
            needs: "Context switches; children that the module subprocess runs (os.system and os.waitpid do not tell whether others run meanwhile).",
            fix: "Start them all with Popen, then wait for each; a ThreadPoolExecutor bounds how many run at once; on an event loop asyncio.create_subprocess_exec. A child that needs what another made has to wait for it.",
            slow: "for path in paths:\n    subprocess.run([\"convert\", path], check=True)",
            fixed: "with ThreadPoolExecutor(os.cpu_count()) as pool:\n    list(pool.map(convert, paths))    # each calls subprocess.run",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let found = waited(case.process, is_run);
        found
            .iter()
            .filter_map(|waited| finding(self.name(), case, waited))
            .collect()
    }
}

fn finding(rule: &'static str, case: Case<'_>, found: &Waited<'_>) -> Option<Finding> {
    let limits = case.thresholds;
    let span_ns = case.verdicts.span_ns;
    // Threads that wait at the same time have their children run at the same time.
    let threads = found.threads();
    let busiest_ns = found.busiest_ns();
    let is_one_by_one = found.total_ns() < busiest_ns + busiest_ns / 10;
    let ended = || found.entries.iter().filter(|entry| !is_starting(entry));
    let ended_ns: u64 = ended().map(|entry| entry.ns).sum();
    let children = children(found);
    if !is_one_by_one
        || children < limits.children
        || (ended_ns as f64) < span_ns as f64 * limits.wait_share
    {
        return None;
    }
    let longest_ns = ended().map(|entry| entry.time.max_blocked_ns).max();
    let recoverable = per_second(ended_ns.saturating_sub(longest_ns.unwrap_or(0)), span_ns);
    let evidence = vec![
        figure(
            format!(
                "{} waiting for children in {}",
                say::part_of(ended_ns, span_ns),
                found.place.short()
            ),
            "child_wait_ns",
            ended_ns as f64,
            "ns",
        ),
        figure(
            format!(
                "{} children or more, one after the other",
                say::grouped(children)
            ),
            "children",
            children as f64,
            "count",
        ),
    ];
    Some(Finding {
        threads: threads.into_keys().collect(),
        evidence,
        cause: "Each child is started when the one before has ended, so that one runs at a time."
            .to_owned(),
        fix: format!(
            "if none needs what another made, start them all with Popen in {}, then wait; or a ThreadPoolExecutor around subprocess.run, asyncio.create_subprocess_exec on an event loop",
            found.place.short()
        ),
        ..case.finding(rule, Some(found.place.clone()), recoverable)
    })
}

/// Whether somebody waits inside a function that runs a child to its end.
fn is_run(time: &StackTime, below: &[&Function]) -> bool {
    let reason = time.kind.reason();
    matches!(
        reason,
        Some(Reason::ChildWait | Reason::Pipe | Reason::PollWait)
    ) && below
        .iter()
        .any(|function| RUNNING.iter().any(|name| is(function, FILE, name)))
}

fn is_starting(entry: &Entry<'_>) -> bool {
    let mut below = entry.below.iter();
    below.any(|function| is(function, FILE, STARTING))
}

/// How many children at least. Waits for children whose pids differ are one for each, and so are
/// the waits until each is started; reads of a pipe may be many.
fn children(found: &Waited<'_>) -> u64 {
    let waits = |entry: &Entry<'_>| match &entry.time.kind {
        _ if is_starting(entry) => entry.time.count,
        StackTimeKind::Blocked {
            reason: Reason::ChildWait,
            child,
            ..
        } => match child.as_ref().and_then(|child| child.pid) {
            Some(_) => 1,
            None => entry.time.count,
        },
        _ => 0,
    };
    // Of one kind each: a child may be met at its start and at its end.
    let (started, ended): (Vec<_>, Vec<_>) = found.entries.iter().partition(|e| is_starting(e));
    let started = started.into_iter().map(waits).max().unwrap_or(0);
    started.max(ended.into_iter().map(waits).sum())
}

#[cfg(test)]
mod tests {
    use super::ChildWait;
    use crate::diagnose::testing::Model;
    use crate::model::Reason;

    const FILE: &str = "/usr/lib/python3.12/subprocess.py";

    /// What is found of threads that run so many children for so many milliseconds in all.
    fn found(threads: &[(u64, u64)], running: &str) -> usize {
        let mut model = Model::default();
        let wait = model.frame("Popen._wait", FILE);
        let run = model.frame(running, FILE);
        let own = model.frame("convert", "/srv/app.py");
        for (children, ms) in threads {
            let frames = [wait, run, own];
            model.thread(&[(&frames, Reason::ChildWait, None, *children, *ms)]);
        }
        model.check(&ChildWait).len()
    }

    #[test]
    fn several_children_of_one_thread_that_run_to_their_end() {
        assert_eq!(found(&[(5, 1_500)], "run"), 1);
        // One that takes long, and five that take no time.
        assert_eq!(found(&[(1, 1_500)], "run"), 0);
        assert_eq!(found(&[(5, 50)], "run"), 0);
        // They may have been started before, and they do run at the same time.
        assert_eq!(found(&[(5, 1_500)], "Popen.wait"), 0);
        assert_eq!(found(&[(5, 1_500), (5, 1_500)], "run"), 0);
    }
}
