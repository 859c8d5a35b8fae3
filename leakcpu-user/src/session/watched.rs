//! One watched process.

use std::collections::HashMap;

use leakcpu_common::totals::Wait;

use super::{
    awaited::Awaited,
    hot_code::HotCode,
    listening::WatchedProbes,
    native::CodeLooks,
    sightings::Sightings,
    stacks::{Source, Stacks},
};
use crate::{
    collect::{CopiedCode, RawStack, boottime_minus_monotonic_ns, monotonic_ns},
    discovery::{Child, Descriptor, ProcessFacts},
    interpreter::{AttachError, ParkedStack, PythonProcess, PythonVersion},
    symbolize::{Symbolizer, native::AddressSpace},
};

/// How far we are with a process' interpreter.
#[derive(Debug)]
pub(super) enum Interpreter {
    /// Its stacks are walked.
    Attached(Box<PythonProcess>),
    /// Just started; asked again at the next tick.
    Pending {
        /// When it is called something else.
        until_ns: u64,
        /// Why the last one said no.
        last: Option<AttachError>,
    },
    /// It cannot be read; its times are exact all the same.
    Refused(AttachError),
}

/// How long a starting process is looked at again.
const STARTING_NS: u64 = 5_000_000_000;

impl Interpreter {
    /// It was not ready just now, because of `last`.
    pub(super) fn pending(last: Option<AttachError>) -> Self {
        Self::Pending {
            until_ns: monotonic_ns() + STARTING_NS,
            last,
        }
    }
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
    /// Descriptors that were waited for, by the waiting thread and the number.
    pub descriptors: HashMap<(u32, i32), Sightings<Descriptor>>,
    /// What waits on sockets waited for, by thread, number and stack.
    pub awaited: HashMap<(u32, i32, u64), Awaited>,
    /// The children that threads waited for, by the waiting thread.
    pub children: HashMap<u32, Sightings<Child>>,
    pub exited: bool,
    /// The process it was forked from while watching, a copy of which it is.
    pub parent: Option<Box<PythonProcess>>,
    /// Born while watching, by fork.
    pub forked: bool,
    pub stacks: Stacks,
    /// Code objects that its busy threads run.
    pub hot_code: HotCode,
    /// Stacks that came before the interpreter was attached.
    early: Vec<RawStack>,
    /// What code it has mapped, and when to look again.
    pub code: AddressSpace,
    pub code_looks: CodeLooks,
    /// Code objects that did.
    early_copies: Vec<CopiedCode>,
    /// The probes that its interpreter has, if that was looked at.
    pub probes: Option<WatchedProbes>,
    /// The kernel side copies its code objects, for it may soon be gone.
    pub copies_code: bool,
    /// Until then it is young.
    young_until_ns: u64,
}

/// A process younger than that, or since its exec, may be gone before its memory has
/// been read: many live for a fraction of a second only.
const YOUNG_NS: u64 = 2_000_000_000;

impl Watched {
    pub(super) fn new(facts: ProcessFacts, interpreter: Interpreter) -> Self {
        let start_ns = facts
            .start_boottime_ns
            .saturating_sub(boottime_minus_monotonic_ns());
        Self {
            young_until_ns: start_ns + YOUNG_NS,
            facts,
            interpreter,
            version: None,
            threads: HashMap::new(),
            descriptors: HashMap::new(),
            awaited: HashMap::new(),
            children: HashMap::new(),
            exited: false,
            parent: None,
            forked: false,
            stacks: Stacks::default(),
            hot_code: HotCode::default(),
            early: Vec::new(),
            code: AddressSpace::default(),
            code_looks: CodeLooks::default(),
            early_copies: Vec::new(),
            probes: None,
            copies_code: false,
        }
    }

    /// Forgets what was seen of one window only.
    pub(super) fn forget_window(&mut self) {
        self.descriptors.clear();
        self.awaited.clear();
        self.children.clear();
        self.stacks.loss.clear();
    }

    /// It runs another program since now.
    pub(super) fn rejuvenate(&mut self) {
        self.young_until_ns = monotonic_ns() + YOUNG_NS;
    }

    /// It will probably be readable in a moment, and may be gone in another.
    pub(super) fn is_starting(&self) -> bool {
        !self.exited && matches!(self.interpreter, Interpreter::Pending { .. }) && self.is_young()
    }

    pub(super) fn is_young(&self) -> bool {
        monotonic_ns() < self.young_until_ns
    }

    pub(super) fn python(&self) -> Option<&PythonProcess> {
        match &self.interpreter {
            Interpreter::Attached(process) => Some(process),
            _ => None,
        }
    }

    /// Names stacks while their code objects live.
    pub(super) fn add_stacks(
        &mut self,
        symbolizer: &mut Symbolizer,
        raw: Vec<RawStack>,
        round: u64,
    ) {
        let Interpreter::Attached(process) = &self.interpreter else {
            self.early.extend(raw);
            return;
        };
        let source = Source {
            process,
            parent: self.parent.as_deref(),
        };
        self.stacks.add(symbolizer, &source, raw, round);
    }

    /// Takes in a code object that the kernel side copied.
    pub(super) fn add_copy(&mut self, symbolizer: &mut Symbolizer, copied: CopiedCode) {
        match &self.interpreter {
            Interpreter::Attached(process) => symbolizer.add_copy(process, &copied),
            _ => self.early_copies.push(copied),
        }
    }

    /// Names the stacks that came before the interpreter was attached.
    pub(super) fn name_early(&mut self, symbolizer: &mut Symbolizer, round: u64) {
        for copied in std::mem::take(&mut self.early_copies) {
            self.add_copy(symbolizer, copied);
        }
        let early = std::mem::take(&mut self.early);
        self.add_stacks(symbolizer, early, round);
    }

    /// Names a stack that was read from outside.
    pub(super) fn add_parked(&mut self, symbolizer: &mut Symbolizer, parked: &ParkedStack) {
        let Interpreter::Attached(process) = &self.interpreter else {
            return;
        };
        let source = Source {
            process,
            parent: self.parent.as_deref(),
        };
        self.stacks.add_parked(symbolizer, &source, parked);
    }
}
