//! Threads that stay where they are: is all their time at that place?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    collapsed::Line,
    problems::Problems,
    report::{list, ns, text},
};

/// Stands for the frames beyond `--max-frames`.
pub const CUT: &str = "[outer frames not seen]";

/// Lines by the thread they are of.
pub fn by_thread(lines: Vec<Line>) -> BTreeMap<i64, Vec<Line>> {
    let mut threads: BTreeMap<i64, Vec<Line>> = BTreeMap::new();
    for line in lines {
        threads.entry(line.tid()).or_default().push(line);
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
    let mut kept = vec![CUT.to_owned()];
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
