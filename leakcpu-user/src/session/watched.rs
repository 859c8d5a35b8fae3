//! One watched process: what it is, and its stacks with names.

use std::collections::HashMap;

use leakcpu_common::{
    stack::{RawFrame, flags},
    totals::Wait,
};

use super::native::CodeLooks;
use crate::{
    collect::RawStack,
    discovery::{Descriptor, ProcessFacts},
    interpreter::{AttachError, ParkedStack, PythonProcess, PythonVersion},
    model::{Frame, Function, FunctionId, Stack, StackId},
    symbolize::{NoName, SymbolizedFrame, Symbolizer, native::AddressSpace},
};

/// How far we are with a process' interpreter.
#[derive(Debug)]
pub(super) enum Interpreter {
    /// Its stacks are walked.
    Attached(Box<PythonProcess>),
    /// Just started; asked again at the next tick.
    Pending {
        /// Looks so far.
        attempts: u32,
        /// Why the last one said no.
        last: Option<AttachError>,
    },
    /// It cannot be read; its times are exact all the same.
    Refused(AttachError),
}

/// The wait in which watching found a thread, read from outside.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub stack: ParkedStack,
    /// As the kernel side would have noted it.
    pub wait: Wait,
}

/// What was known of a thread when watching began.
#[derive(Clone, Debug, Default)]
pub(super) struct ThreadNote {
    pub name: Option<String>,
    pub ns_tid: Option<u32>,
    pub is_python: bool,
    pub parked: Option<Parked>,
}

/// One watched process.
#[derive(Debug)]
pub(super) struct Watched {
    pub facts: ProcessFacts,
    pub interpreter: Interpreter,
    /// Known even if the layout is refused.
    pub version: Option<PythonVersion>,
    pub threads: HashMap<u32, ThreadNote>,
    pub descriptors: HashMap<i32, Descriptor>,
    pub exited: bool,
    /// The process it was forked from while watching, a copy of which it is.
    pub parent: Option<Box<PythonProcess>>,
    /// Born while watching, by fork.
    pub forked: bool,
    pub functions: Vec<Function>,
    pub stacks: Vec<Stack>,
    function_ids: HashMap<Function, FunctionId>,
    stack_ids: HashMap<u64, StackId>,
    parked_ids: HashMap<Vec<RawFrame>, StackId>,
    /// Stacks that came before the interpreter was attached.
    early: Vec<RawStack>,
    /// What code it has mapped, and when to look again.
    pub code: AddressSpace,
    pub code_looks: CodeLooks,
    /// Frames without a name, by reason.
    pub unnamed: HashMap<NoName, u64>,
}

impl Watched {
    pub(super) fn new(facts: ProcessFacts, interpreter: Interpreter) -> Self {
        Self {
            facts,
            interpreter,
            version: None,
            threads: HashMap::new(),
            descriptors: HashMap::new(),
            exited: false,
            parent: None,
            forked: false,
            functions: Vec::new(),
            // Index 0 is the empty stack.
            stacks: vec![Stack::default()],
            function_ids: HashMap::new(),
            stack_ids: HashMap::new(),
            parked_ids: HashMap::new(),
            early: Vec::new(),
            code: AddressSpace::default(),
            code_looks: CodeLooks::default(),
            unnamed: HashMap::new(),
        }
    }

    pub(super) fn python(&self) -> Option<&PythonProcess> {
        match &self.interpreter {
            Interpreter::Attached(process) => Some(process),
            _ => None,
        }
    }

    /// Names a stack while its code objects live.
    pub(super) fn add_stack(&mut self, symbolizer: &mut Symbolizer, raw: RawStack) {
        let Some(process) = self.python().cloned() else {
            self.early.push(raw);
            return;
        };
        let id = self.name_stack(symbolizer, &process, &raw.frames, raw.flags);
        self.stack_ids.insert(raw.hash, id);
    }

    /// Names the stacks that came before the interpreter was attached.
    pub(super) fn name_early(&mut self, symbolizer: &mut Symbolizer) {
        for raw in std::mem::take(&mut self.early) {
            self.add_stack(symbolizer, raw);
        }
    }

    /// Names a stack that was read from outside.
    pub(super) fn add_parked(&mut self, symbolizer: &mut Symbolizer, parked: &ParkedStack) {
        let Some(process) = self.python().cloned() else {
            return;
        };
        if !self.parked_ids.contains_key(&parked.frames) {
            let id = self.name_stack(symbolizer, &process, &parked.frames, parked.flags);
            self.parked_ids.insert(parked.frames.clone(), id);
        }
    }

    /// A stack by the kernel side's hash; `None` if its frames were lost.
    pub(super) fn stack(&self, hash: u64) -> Option<StackId> {
        if hash == leakcpu_common::stack::EMPTY_STACK {
            return Some(StackId(0));
        }
        self.stack_ids.get(&hash).copied()
    }

    /// A stack that was read from outside.
    pub(super) fn parked_stack(&self, parked: &ParkedStack) -> StackId {
        self.parked_ids
            .get(&parked.frames)
            .copied()
            .unwrap_or(StackId(0))
    }

    fn name_stack(
        &mut self,
        symbolizer: &mut Symbolizer,
        process: &PythonProcess,
        raw: &[RawFrame],
        walk_flags: u32,
    ) -> StackId {
        let mut frames = Vec::with_capacity(raw.len());
        for frame in raw {
            let name = match &self.parent {
                Some(parent) => symbolizer.symbolize_forked(process, parent, *frame),
                None => symbolizer.symbolize(process, *frame),
            };
            match name {
                Ok(Ok(named)) => frames.push(self.frame(&named)),
                Ok(Err(NoName::Placeholder)) => {}
                Ok(Err(reason)) => {
                    *self.unnamed.entry(reason).or_default() += 1;
                    frames.push(Frame {
                        function: None,
                        line: None,
                    });
                }
                Err(error) => {
                    tracing::debug!(pid = process.pid, %error, "frame not named");
                    *self.unnamed.entry(NoName::Unreadable).or_default() += 1;
                    frames.push(Frame {
                        function: None,
                        line: None,
                    });
                }
            }
        }
        let stack = Stack {
            frames,
            truncated: walk_flags & flags::TRUNCATED != 0,
            partial: walk_flags & flags::READ_FAILED != 0,
        };
        let id = StackId(u32::try_from(self.stacks.len()).unwrap_or(u32::MAX));
        self.stacks.push(stack);
        id
    }

    fn frame(&mut self, named: &SymbolizedFrame) -> Frame {
        let function = Function {
            name: named.function.name.to_string(),
            file: named.function.file.to_string(),
            first_line: named.function.first_line,
        };
        let next = FunctionId(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
        let id = *self.function_ids.entry(function.clone()).or_insert(next);
        if id == next {
            self.functions.push(function);
        }
        Frame {
            function: Some(id),
            line: named.line,
        }
    }
}
