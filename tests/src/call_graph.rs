//! Which stacks `workloads/calls.py` can have: what it saw of itself in a rehearsal.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{interpreter::Interpreter, report::list, workload::Workload};

/// A function as the program names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Qualified name; the plain one before 3.11.
    pub name: String,
    /// File as its code object has it.
    pub file: String,
    /// First line of its definition.
    pub first_line: u32,
}

/// What a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// One that the program had in its rehearsal.
    Possible,
    /// No frame at all.
    Empty,
    /// The outermost frame is no thread's and no greenlet's first.
    LostRoot,
    /// A function appears right above one that never calls it.
    ImpossibleEdge,
    /// Every call in it is possible, all of them together are not: frames are missing
    /// or too many.
    ImpossibleWhole,
    /// A function that the rehearsal has not seen.
    UnknownFunction,
}

/// The stacks that are possible, outermost frame first, as numbers of functions.
#[derive(Debug, Default)]
pub struct CallGraph {
    functions: HashMap<Function, u32>,
    stacks: HashSet<Vec<u32>>,
    edges: HashSet<(u32, u32)>,
    roots: HashSet<u32>,
}

impl CallGraph {
    /// Has `python` rehearse the program; `how` as `calls.py` takes it.
    pub fn rehearse(python: &Interpreter, how: &[&str]) -> Self {
        let workload = Workload::start(python, "calls.py", &[&["rehearse"], how].concat());
        let functions = list(&workload.ready, "functions");
        let mut graph = Self {
            functions: functions.iter().map(function).zip(0..).collect(),
            ..Self::default()
        };
        let roots = list(&workload.ready, "roots");
        graph.roots = (0..)
            .zip(functions)
            .filter(|(_, function)| roots.contains(&function[0]))
            .map(|(number, _)| number)
            .collect();
        for stack in list(&workload.ready, "stacks") {
            let stack: Vec<u32> = stack
                .as_array()
                .expect("a stack is an array")
                .iter()
                .map(number)
                .collect();
            graph.add(&stack);
        }
        assert!(graph.stacks.len() > 100, "a rehearsal sees many stacks");
        graph
    }

    /// A stack is possible, and with it each that it grew from.
    fn add(&mut self, stack: &[u32]) {
        self.edges
            .extend(stack.windows(2).map(|pair| (pair[0], pair[1])));
        // Up to 3.10 the interpreter itself loses the callers of a generator that
        // delegates while an exception is thrown into it.
        if stack.first().is_some_and(|root| self.roots.contains(root)) {
            for depth in 1..=stack.len() {
                self.stacks.insert(stack[..depth].to_vec());
            }
        }
    }

    /// The same where only names and files are known: functions that share both are one,
    /// with 0 for its first line.
    #[must_use]
    pub fn by_name(&self) -> Self {
        let mut functions = HashMap::new();
        let mut renumbered = HashMap::new();
        for (function, number) in &self.functions {
            let known = u32::try_from(functions.len()).expect("few");
            let function = Function {
                first_line: 0,
                ..function.clone()
            };
            renumbered.insert(*number, *functions.entry(function).or_insert(known));
        }
        let stacks = self.stacks.iter();
        let edges = self.edges.iter();
        Self {
            roots: self.roots.iter().map(|n| renumbered[n]).collect(),
            stacks: stacks
                .map(|stack| stack.iter().map(|n| renumbered[n]).collect())
                .collect(),
            edges: edges
                .map(|(caller, callee)| (renumbered[caller], renumbered[callee]))
                .collect(),
            functions,
        }
    }

    /// The number of a function; `None` if the program has none like it.
    pub fn number(&self, function: &Function) -> Option<u32> {
        self.functions.get(function).copied()
    }

    /// What frames that follow each other are, wherever in a stack they stand.
    pub fn judge_part(&self, frames: &[Option<u32>]) -> Verdict {
        let Some(known) = frames.iter().copied().collect::<Option<Vec<u32>>>() else {
            return Verdict::UnknownFunction;
        };
        if self.are_calls(&known) {
            Verdict::Possible
        } else {
            Verdict::ImpossibleEdge
        }
    }

    fn are_calls(&self, stack: &[u32]) -> bool {
        let mut pairs = stack.windows(2);
        pairs.all(|pair| self.edges.contains(&(pair[0], pair[1])))
    }

    /// What a stack is, outermost frame first; `None` stands for a function without a
    /// number.
    pub fn judge(&self, stack: &[Option<u32>]) -> Verdict {
        let Some(known) = stack.iter().copied().collect::<Option<Vec<u32>>>() else {
            return Verdict::UnknownFunction;
        };
        match known.first() {
            None => Verdict::Empty,
            Some(_) if self.stacks.contains(&known) => Verdict::Possible,
            Some(root) if !self.roots.contains(root) => Verdict::LostRoot,
            Some(_) if self.are_calls(&known) => Verdict::ImpossibleWhole,
            Some(_) => Verdict::ImpossibleEdge,
        }
    }
}

fn function(value: &Value) -> Function {
    let text = |n: usize| value[n].as_str().expect("a name and a file").to_owned();
    Function {
        name: text(0),
        file: text(1),
        first_line: number(&value[2]),
    }
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_else(|| panic!("{value} is no small number"))
}
