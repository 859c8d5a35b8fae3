//! Samples at the highest rate and the stacks of every block of a program whose possible
//! stacks are known: none may be torn, and few may be given up.

use std::{collections::BTreeMap, path::Path, time::Duration};

use leakcpu_tests::{
    call_graph::{CallGraph, Function, Verdict},
    collapsed::{self, Line},
    interpreter::{self, Interpreter},
    observe,
    problems::Problems,
    stacks::CUT,
    workload::Workload,
};

/// The highest rate there is.
const RATE: &str = "10khz";
/// Stacks given up, of all: in transition or cut short, but said to be so.
const MAX_MARKED: f64 = 0.01;
/// What stands for frames that are not there.
const MARKS: [&str; 3] = [
    "[outer frames not seen]",
    "[root not reached]",
    "[no Python frame]",
];

#[test]
fn samples_and_blocks_show_possible_stacks_only() {
    let mut problems = Problems::new();
    let mut seen = 0;
    // Before 3.11 a frame is set up before it is put on the chain.
    for python in interpreter::all().into_iter().filter(|p| p.minor >= 11) {
        problems.about(python);
        seen += sample(python, Duration::from_secs(1), &mut problems);
    }
    problems.check(seen > 20_000, format!("{seen} stacks only"));
    problems.finish();
}

#[test]
#[ignore = "slow: five minutes"]
fn a_million_samples_and_blocks_show_possible_stacks_only() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        problems.about(python);
        let mut seen = 0;
        for _ in 0..20 {
            if seen < 1_000_000 {
                seen += sample(python, Duration::from_secs(15), &mut problems);
            }
        }
        problems.check(seen >= 1_000_000, format!("{seen} stacks only"));
    }
    problems.finish();
}

/// Watches the program on and off the CPU; how many stacks there were.
fn sample(python: &Interpreter, duration: Duration, problems: &mut Problems) -> u64 {
    let computing = CallGraph::rehearse(python, &[]).by_name();
    let exchanging = CallGraph::rehearse(python, &["exchange"]).by_name();
    let mut computes = Workload::start(python, "calls.py", &["run"]);
    let mut exchanges = Workload::start(python, "calls.py", &["run", "exchange"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("stacks");
    computes.go();
    exchanges.go();
    let running = observe::start(observe::command(&[
        "classify",
        "-p",
        &computes.pid.to_string(),
        "-p",
        &exchanges.pid.to_string(),
        "-d",
        &format!("{}ms", duration.as_millis()),
        "-r",
        RATE,
        "--format",
        "collapsed",
        "-o",
        file.to_str().expect("a temporary path is plain text"),
    ]));
    observe::until_attached(&running);
    let before = voluntary_switches(exchanges.pid);
    // The rest of its window, which began before.
    let outcome = running.wait();
    let blocks = voluntary_switches(exchanges.pid) - before;
    problems.equal("exit code", &outcome.code(), &0);

    let graphs = [
        (i64::from(computes.pid), &computing),
        (i64::from(exchanges.pid), &exchanging),
    ];
    let on_cpu = Seen::of(&collapsed::read(&file), &graphs, false);
    let off_cpu = collapsed::read(&file.with_extension("off-cpu"));
    let off_cpu = Seen::of(&off_cpu, &graphs, true);
    eprintln!(
        "{python}: {} samples, {} of them marked; {blocks} blocks, {} of {} us marked",
        on_cpu.whole, on_cpu.marked, off_cpu.marked, off_cpu.whole
    );
    on_cpu.report("samples", problems);
    off_cpu.report("us off the CPU", problems);
    problems.check(blocks > 1_000, format!("{blocks} blocks only"));
    on_cpu.whole + blocks
}

/// How often the main thread of `pid` has blocked.
fn voluntary_switches(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/task/{pid}/status");
    let status = std::fs::read_to_string(Path::new(&path)).expect("it lives");
    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .expect("the kernel counts switches")
}

/// Weights of stacks by what they are.
#[derive(Debug, Default)]
struct Seen {
    whole: u64,
    marked: u64,
    /// Weight, and the first such stack.
    wrong: BTreeMap<Verdict, (u64, String)>,
}

impl Seen {
    /// Judges `lines`; the last frame is no frame but a wait if `has_wait`.
    fn of(lines: &[Line], graphs: &[(i64, &CallGraph)], has_wait: bool) -> Self {
        let mut seen = Self::default();
        for line in lines {
            let frames = if has_wait {
                line.frames
                    .split_last()
                    .map_or(&[][..], |(_, frames)| frames)
            } else {
                &line.frames
            };
            let graph = graphs.iter().find(|(pid, _)| *pid == line.pid());
            let graph = graph.expect("only these two are watched").1;
            seen.whole += line.weight;
            if MARKS.contains(&frames.first().map_or("", String::as_str)) {
                seen.marked += line.weight;
                continue;
            }
            let stack = |frames: &[String]| -> Vec<_> {
                frames.iter().map(|frame| number(graph, frame)).collect()
            };
            // A walk at a switch that took its time: of its stack both ends are there.
            let cut = frames.iter().position(|frame| frame == CUT);
            let verdict = match cut {
                Some(cut) => {
                    seen.marked += line.weight;
                    let outer = graph.judge(&stack(&frames[..cut]));
                    outer.max(graph.judge_part(&stack(&frames[cut + 1..])))
                }
                None => graph.judge(&stack(frames)),
            };
            if verdict != Verdict::Possible {
                let (weight, example) = seen.wrong.entry(verdict).or_default();
                *weight += line.weight;
                if example.is_empty() {
                    *example = line.frames.join("\n    ");
                }
            }
        }
        seen
    }

    fn report(&self, what: &str, problems: &mut Problems) {
        for (verdict, (weight, example)) in &self.wrong {
            problems.add(format!(
                "{weight} of {} {what} unmarked and {verdict:?}, the first\n    {example}",
                self.whole
            ));
        }
        problems.check(
            self.marked as f64 <= self.whole as f64 * MAX_MARKED,
            format!("{} of {} {what} given up", self.marked, self.whole),
        );
        problems.check(self.whole > 1_000, format!("{} {what} only", self.whole));
    }
}

/// The number of the function in `name (file:line)`.
fn number(graph: &CallGraph, frame: &str) -> Option<u32> {
    let (name, place) = frame.strip_suffix(')')?.rsplit_once(" (")?;
    let (file, _) = place.rsplit_once(':')?;
    graph.number(&Function {
        name: name.to_owned(),
        file: file.to_owned(),
        first_line: 0,
    })
}
