//! Comparing reported stacks with what `workloads/stacks.py` says of itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    collapsed::Line,
    problems::Problems,
    processes,
    report::{list, ns, text},
    workload::Workload,
};

/// Stands for the frames beyond `--max-frames`, between the root and the others.
pub const CUT: &str = "[frames not seen]";
/// Stands for them and the root (up to 3.10).
pub const ROOTLESS: &str = "[root not reached]";

/// Lines by thread.
pub fn by_thread(lines: Vec<Line>) -> BTreeMap<i64, Vec<Line>> {
    let mut threads: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
    for line in lines {
        threads.entry(line.tid()).or_default().push(line);
    }
    threads
}

/// The threads of a `stacks.py`, with their tids on this host.
pub fn threads(workload: &Workload) -> Vec<Value> {
    let mut threads = list(&workload.ready, "threads").to_vec();
    for thread in &mut threads {
        let own = ns(thread, "tid");
        thread["own_tid"] = own.into();
        thread["tid"] = processes::host_tid(workload.pid, own).into();
    }
    threads
}

/// A thread's frames as it says itself, outermost first; those beyond the limit as
/// the report shows them.
pub fn frames(thread: &Value, limit: usize) -> Vec<String> {
    frames_in(thread, "frames", limit)
}

/// The same of another list of frames.
pub fn frames_in(thread: &Value, which: &str, limit: usize) -> Vec<String> {
    let all: Vec<String> = list(thread, which)
        .iter()
        .map(|frame| {
            let part = |n: usize| frame[n].as_str().expect("a name and a file");
            format!("{} ({}:{})", part(0), part(1), frame[2])
        })
        .collect();
    if all.len() <= limit {
        return all;
    }
    // From 3.11 on the root is found at the bottom of the thread's data stack.
    let mut kept = if ns(thread, "minor") >= 11 {
        vec![all[0].clone(), CUT.to_owned()]
    } else {
        vec![ROOTLESS.to_owned()]
    };
    kept.extend_from_slice(&all[all.len() - limit..]);
    kept
}

/// Every bit of a blocked thread's time is at its one place.
pub fn waits_there(thread: &Value, lines: &BTreeMap<i64, Vec<Line>>, problems: &mut Problems) {
    let place = frames(thread, 128);
    let reason = text(thread, "reason");
    let none = Vec::new();
    let lines = lines.get(&ns(thread, "tid")).unwrap_or(&none);
    let is_woken = thread["woken"] == true;
    let mut there = 0;
    let mut whole = 0;
    for line in lines {
        let (wait, stack) = line.frames.split_last().expect("a wait is the last frame");
        whole += line.weight;
        // Between two calls a thread that wakes may be one frame up.
        let is_between = is_woken && matches!(named(wait), "gil" | "runnable");
        if is_between && place.starts_with(stack) {
            continue;
        }
        if stack != place {
            problems.add(format!(
                "{} us elsewhere, {wait}:\n{}",
                line.weight,
                difference(stack, &place)
            ));
        } else if named(wait) == reason {
            there += line.weight;
        } else {
            problems.add(format!("{} us {wait} instead of {reason}", line.weight));
        }
    }
    problems.check(
        there * 2 > whole && whole > 1_000_000,
        format!("{there} of {whole} us for {reason}"),
    );
}

/// `net-recv` of `[net-recv 127.0.0.1:80]`.
fn named(wait: &str) -> &str {
    wait.trim_matches(['[', ']'])
        .split(' ')
        .next()
        .unwrap_or_default()
}

/// Every sample of a computing thread is at its one place.
pub fn computes_there(
    thread: &Value,
    lines: &BTreeMap<i64, Vec<Line>>,
    want: &[String],
    problems: &mut Problems,
) {
    let none = Vec::new();
    let lines = lines.get(&ns(thread, "tid")).unwrap_or(&none);
    let mut there = 0;
    for line in lines {
        if line.frames == want {
            there += line.weight;
        } else {
            problems.add(format!(
                "{} samples elsewhere:\n{}",
                line.weight,
                difference(&line.frames, want)
            ));
        }
    }
    problems.check(there >= 5, format!("{there} samples only"));
}

/// Where two stacks part.
fn difference(got: &[String], want: &[String]) -> String {
    let common = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    let rest = |frames: &[String]| {
        frames[common..]
            .iter()
            .take(6)
            .fold(String::new(), |text, frame| text + "    " + frame + "\n")
    };
    format!(
        "  {common} frames alike, then ({} frames)\n{}  instead of ({} frames)\n{}",
        got.len(),
        rest(got),
        want.len(),
        rest(want)
    )
}
