//! The frame walk at every instruction boundary of a program whose possible stacks are
//! known: what the kernel side would see if a sample came right there.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use leakcpu_common::stack::{RawFrame, flags};
use leakcpu_tests::{
    call_graph::{CallGraph, Function, Verdict},
    interpreter::{self, Interpreter},
    problems::Problems,
    single_step::SingleStep,
    venv,
    workload::Workload,
};
use pyobserve::{
    discovery::Discovery,
    interpreter::{Interpreters, PythonProcess, read_stack, threads},
    symbolize::{NoName, Symbolizer},
};

/// More frames than the program ever has.
const FRAME_LIMIT: usize = 128;
/// Instructions in a row, before it runs freely to some other place: few, so that shares
/// are not those of a handful of places.
const BURST: usize = 250;
/// The longest that it runs freely in between; one round of the program takes about
/// two milliseconds.
const FREELY_US: u64 = 3_000;
/// Stacks given up, of all: in transition or cut short, but said to be so.
const MAX_MARKED: f64 = 0.01;
/// The same of few instructions, among which a burst may find more than its share.
const MAX_MARKED_OF_FEW: f64 = 0.03;
/// The same for a program that does little but switch between greenlets: how much of it that
/// is depends on how much of the C stack is exchanged (docs/cpython.md has what was seen).
const MAX_MARKED_SWITCHING: f64 = 0.2;

#[test]
fn at_any_instruction_the_stack_is_possible_or_marked() {
    step_all(15_000, MAX_MARKED_OF_FEW);
}

#[test]
#[ignore = "slow: five minutes"]
fn at_a_million_instructions_the_stack_is_possible_or_marked() {
    step_all(1_000_000, MAX_MARKED);
}

/// While greenlets are exchanged, so is the C stack that the interpreter's frames lie on.
#[test]
#[ignore = "slow: two minutes"]
fn between_greenlets_the_stack_is_possible_or_marked() {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let Some(python) = venv::with_packages(python, &["greenlet"]) else {
            continue;
        };
        let mut tally = step(&python, &["greenlets"], 200_000, &mut problems);
        // One that has just been started has no frame yet.
        tally.wrong.remove(&Verdict::Empty);
        tally.report(MAX_MARKED_SWITCHING, &mut problems);
    }
    problems.finish();
}

fn step_all(instructions: usize, max_marked: f64) {
    let mut problems = Problems::new();
    for python in interpreter::all() {
        let tally = step(python, &[], instructions, &mut problems);
        tally.report(max_marked, &mut problems);
    }
    problems.finish();
}

fn step(python: &Interpreter, how: &[&str], instructions: usize, problems: &mut Problems) -> Tally {
    problems.about(python);
    let tally = Stepped::start(python, how).run(instructions);
    eprintln!("{python}: {tally}");
    tally
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolved {
    /// No function of the program: a border.
    Left,
    /// A frame that is still being set up: left out at the leaf side, as Python does.
    BeforeStart(Option<u32>),
    /// No frame: the whole stack is given up.
    Torn,
    /// A function; `None` if the rehearsal has not seen it, or it is none.
    Function(Option<u32>),
}

struct Stepped {
    graph: CallGraph,
    process: PythonProcess,
    tstate: u64,
    symbolizer: Symbolizer,
    /// The program frees no code object, so that what a frame is called stays true.
    resolved: HashMap<RawFrame, Resolved>,
    workload: Workload,
}

impl Stepped {
    fn start(python: &Interpreter, how: &[&str]) -> Self {
        let graph = CallGraph::rehearse(python, how);
        let workload = Workload::start(python, "calls.py", &[&["run"], how].concat());
        let (_, process) = Interpreters::new()
            .attach_pid(&mut Discovery::new(), workload.pid)
            .expect("a workload can be attached to");
        let threads = threads(&process).expect("it has threads");
        Self {
            graph,
            tstate: threads[0].tstate,
            process,
            symbolizer: Symbolizer::new(),
            resolved: HashMap::new(),
            workload,
        }
    }

    fn run(&mut self, instructions: usize) -> Tally {
        let mut tally = Tally::default();
        let mut stepper = SingleStep::take(self.workload.pid);
        self.workload.go();
        let mut pseudo_random = 0x2545_f491_4f6c_dd1d_u64;
        for n in 0..instructions {
            if n % BURST == 0 {
                pseudo_random ^= pseudo_random << 13;
                pseudo_random ^= pseudo_random >> 7;
                pseudo_random ^= pseudo_random << 17;
                stepper.run_for(Duration::from_micros(20 + pseudo_random % FREELY_US));
            } else {
                stepper.step();
            }
            self.look(&stepper, &mut tally);
        }
        tally
    }

    /// Walks the stack once and judges it.
    fn look(&mut self, stepper: &SingleStep, tally: &mut Tally) {
        let (frames, flags) = read_stack(&self.process, self.tstate, FRAME_LIMIT);
        tally.looks += 1;
        if flags != 0 {
            *tally.marked.entry(flags).or_default() += 1;
            return;
        }
        let mut stack = Vec::new();
        for &frame in &frames {
            match self.resolve(frame) {
                Resolved::Left => {}
                Resolved::BeforeStart(_) if stack.is_empty() => {}
                Resolved::BeforeStart(number) | Resolved::Function(number) => stack.push(number),
                Resolved::Torn => {
                    *tally.marked.entry(flags::IN_TRANSITION).or_default() += 1;
                    return;
                }
            }
        }
        stack.reverse();
        let verdict = self.graph.judge(&stack);
        if verdict == Verdict::Possible {
            return;
        }
        let (times, example) = tally.wrong.entry(verdict).or_default();
        *times += 1;
        if *times == 1 {
            *example = format!("at {:#x}:\n{}", stepper.instruction(), self.text(&frames));
        }
    }

    fn resolve(&mut self, frame: RawFrame) -> Resolved {
        if let Some(&known) = self.resolved.get(&frame) {
            return known;
        }
        let named = self
            .symbolizer
            .symbolize(&self.process, frame)
            .expect("our own child can be read");
        let resolved = match named {
            Ok(named) => {
                let number = self.graph.number(&Function {
                    name: named.function.name.to_string(),
                    file: named.function.file.to_string(),
                    first_line: named.function.first_line,
                });
                if named.is_before_start {
                    Resolved::BeforeStart(number)
                } else {
                    Resolved::Function(number)
                }
            }
            Err(NoName::Torn) => return Resolved::Torn,
            // Memory that is no code object now may be one later.
            Err(NoName::Freed | NoName::ProcessGone | NoName::Unreadable) => {
                return Resolved::Function(None);
            }
            Err(_) => Resolved::Left,
        };
        self.resolved.insert(frame, resolved);
        resolved
    }

    /// The leaf side of a stack, for people.
    fn text(&mut self, frames: &[RawFrame]) -> String {
        let lines: Vec<String> = frames
            .iter()
            .take(8)
            .map(|&frame| {
                let name = match self.symbolizer.symbolize(&self.process, frame) {
                    Ok(Ok(named)) => format!("{} ({:?})", named.function.name, named.line),
                    Ok(Err(no_name)) => no_name.to_string(),
                    Err(error) => error.to_string(),
                };
                format!("    {:#x} at {:#x}: {name}", frame.code, frame.instr)
            })
            .collect();
        lines.join("\n")
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Tally {
    looks: u64,
    /// By [`leakcpu_common::stack::flags`].
    marked: BTreeMap<u32, u64>,
    /// How often, and the first.
    wrong: BTreeMap<Verdict, (u64, String)>,
}

impl Tally {
    fn report(&self, max_marked: f64, problems: &mut Problems) {
        for (verdict, (times, example)) in &self.wrong {
            problems.add(format!(
                "{times} of {} stacks unmarked and {verdict:?}, the first {example}",
                self.looks
            ));
        }
        let marked: u64 = self.marked.values().sum();
        let share = marked as f64 / self.looks as f64;
        problems.check(
            share < max_marked,
            format!(
                "{marked} of {} stacks given up, by flags: {:?}",
                self.looks, self.marked
            ),
        );
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = |times: u64| 100.0 * times as f64 / self.looks.max(1) as f64;
        write!(f, "{} stacks", self.looks)?;
        for (flags, times) in &self.marked {
            write!(f, ", {:.3} % with flags {flags:#x}", share(*times))?;
        }
        for (verdict, (times, _)) in &self.wrong {
            write!(f, ", {:.3} % {verdict:?}", share(*times))?;
        }
        Ok(())
    }
}
