//! The stacks of one watched process, with names.

use std::{collections::HashMap, sync::Arc};

use leakcpu_common::{
    counters::Counter,
    python::NO_PLACEHOLDER,
    stack::{CALLED_FROM_C, EMPTY_STACK, RawFrame, flags},
};

use crate::{
    collect::RawStack,
    interpreter::{ParkedStack, PythonProcess, RemoteError},
    model::{Frame, Function, FunctionId, Loss, Lost, Stack, StackId, UserLoss},
    symbolize::{
        CodeId, CodeTable, FunctionName, NoName, Sight, SymbolizeError, SymbolizedFrame, Symbolizer,
    },
};

/// Where names come from.
pub(super) struct Source<'a> {
    pub process: &'a PythonProcess,
    /// The process it was forked from while watching, a copy of which it is.
    pub parent: Option<&'a PythonProcess>,
}

impl Source<'_> {
    fn name(
        &self,
        symbolizer: &mut Symbolizer,
        frame: RawFrame,
    ) -> Result<Result<SymbolizedFrame, NoName>, SymbolizeError> {
        match self.parent {
            Some(parent) => symbolizer.symbolize_forked(self.process, parent, frame),
            None => symbolizer.symbolize(self.process, frame),
        }
    }
}

/// Stacks and functions as the model has them, and how to find them.
#[derive(Debug)]
pub(super) struct Stacks {
    functions: Vec<Arc<FunctionName>>,
    function_ids: HashMap<Arc<FunctionName>, FunctionId>,
    all: Vec<Stack>,
    /// Of each frame of each stack, where in which code object its name is from.
    spots: Vec<Vec<Option<Spot>>>,
    by_hash: HashMap<u64, StackId>,
    by_frames: HashMap<Vec<RawFrame>, StackId>,
    table: CodeTable,
    /// Frames without a name and stacks that are none, by counter of loss.
    pub loss: Loss,
}

impl Default for Stacks {
    fn default() -> Self {
        Self {
            functions: Vec::new(),
            function_ids: HashMap::new(),
            all: vec![Stack::default()],
            spots: vec![Vec::new()],
            by_hash: HashMap::from([(EMPTY_STACK, EMPTY)]),
            by_frames: HashMap::new(),
            table: CodeTable::default(),
            loss: Loss::new(),
        }
    }
}

/// The empty stack.
const EMPTY: StackId = StackId(0);

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub code: CodeId,
    /// In bytes from the first instruction.
    pub offset: Option<u32>,
}

/// Frames, and where those stand that have a name.
type NamedFrames = (Vec<Frame>, Vec<Option<Spot>>);

impl Stacks {
    /// Whether no stack but the empty one is known.
    pub(super) fn is_empty(&self) -> bool {
        self.all.len() == 1
    }

    /// Names stacks as the kernel side sent them, all of one round of emptying the ring
    /// buffer.
    pub(super) fn add(
        &mut self,
        symbolizer: &mut Symbolizer,
        source: &Source<'_>,
        raw: Vec<RawStack>,
        round: u64,
    ) {
        let frames = raw.iter().flat_map(|stack| &stack.frames).copied();
        symbolizer.read_all(source.process, frames);
        for raw in raw {
            // Sent again if something on its way was full.
            if !self.by_hash.contains_key(&raw.hash) {
                let id = self.name(symbolizer, source, &raw.frames, raw.flags, Some(round));
                self.by_hash.insert(raw.hash, id);
            }
        }
    }

    /// Names a stack that was read from outside.
    pub(super) fn add_parked(
        &mut self,
        symbolizer: &mut Symbolizer,
        source: &Source<'_>,
        parked: &ParkedStack,
    ) {
        if !self.by_frames.contains_key(&parked.frames) {
            let id = self.name(symbolizer, source, &parked.frames, parked.flags, None);
            self.by_frames.insert(parked.frames.clone(), id);
        }
    }

    /// A stack by the kernel side's hash; `None` if its frames were lost.
    pub(super) fn by_hash(&self, hash: u64) -> Option<StackId> {
        self.by_hash.get(&hash).copied()
    }

    /// Frames of a stack, leaf first, and where those stand that have a name.
    pub(super) fn spots(&self, id: StackId) -> impl Iterator<Item = (Frame, Option<Spot>)> {
        let stack = self.all.get(id.0 as usize);
        let spots = self.spots.get(id.0 as usize);
        let frames = stack
            .into_iter()
            .flat_map(|stack| stack.frames.iter().copied());
        frames.zip(spots.into_iter().flatten().copied())
    }

    /// Where a code object is, and its witness, unless that may have been another's.
    pub(super) fn whereabouts(&self, code: CodeId) -> Option<(u64, u64)> {
        self.table.whereabouts(code)
    }

    /// A stack that was read from outside.
    pub(super) fn parked(&self, parked: &ParkedStack) -> StackId {
        self.by_frames.get(&parked.frames).copied().unwrap_or(EMPTY)
    }

    /// Code objects that the kernel side is to tell from others at their address from
    /// now on.
    pub(super) fn take_to_mark(&mut self, round: u64) -> Vec<usize> {
        self.table.take_to_mark(round)
    }

    /// The process runs another program now.
    pub(super) fn forget_addresses(&mut self) {
        self.table.forget_addresses();
    }

    /// Looks whether some of the code objects that were named are still there.
    pub(super) fn look_again(&mut self, process: &PythonProcess, at_most: usize) {
        self.table.look_again(process, at_most);
    }

    /// Looks whether the code objects that were named are still there, and takes the
    /// names of frames that may have been another's.
    pub(super) fn verify(&mut self, process: &PythonProcess) -> Result<(), RemoteError> {
        let verified = self.table.verify_unchanged(process);
        for (stack, spots) in self.all.iter_mut().zip(&self.spots) {
            for (frame, spot) in stack.frames.iter_mut().zip(spots) {
                if spot.is_some_and(|spot| self.table.is_replaced(spot.code)) {
                    frame.function = None;
                    frame.line = None;
                    *self
                        .loss
                        .entry(UserLoss::FramesCodeReplaced.into())
                        .or_default() += 1;
                }
            }
        }
        let verified = verified?;
        tracing::debug!(pid = process.pid, ?verified, "names verified");
        Ok(())
    }

    /// Functions and stacks for the model.
    pub(super) fn model(&self) -> (Vec<Function>, Vec<Stack>) {
        let functions = self.functions.iter().map(|function| Function {
            name: function.name.to_string(),
            file: function.file.to_string(),
            first_line: function.first_line,
        });
        (functions.collect(), self.all.clone())
    }

    /// What a function is called.
    pub(super) fn function_name(&self, id: FunctionId) -> Option<&FunctionName> {
        self.functions.get(id.0 as usize).map(|name| &**name)
    }

    /// Files of the functions.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|function| &*function.file)
    }

    fn name(
        &mut self,
        symbolizer: &mut Symbolizer,
        source: &Source<'_>,
        raw: &[RawFrame],
        walk_flags: u32,
        round: Option<u64>,
    ) -> StackId {
        let (raw, walk_flags) = without_second_root(source.process, raw, walk_flags);
        let hashed = round.map(|round| (round, walk_flags & flags::WITNESSES_CUT != 0));
        let Some((frames, spots)) = self.name_frames(symbolizer, source, raw, hashed) else {
            *self
                .loss
                .entry(Counter::StackInTransition.into())
                .or_default() += 1;
            return EMPTY;
        };
        let stack = Stack {
            frames,
            truncated: walk_flags & flags::TRUNCATED != 0,
            has_root: walk_flags & flags::ROOT_FROM_DATA_STACK != 0,
            partial: walk_flags & flags::READ_FAILED != 0,
        };
        let id = StackId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(stack);
        self.spots.push(spots);
        id
    }

    /// `None` if one of the frames is none, so that the others are no stack either. `hashed` is the
    /// round of a stack that later ones are taken to equal by its hash, and whether witnesses are
    /// missing in that.
    fn name_frames(
        &mut self,
        symbolizer: &mut Symbolizer,
        source: &Source<'_>,
        raw: &[RawFrame],
        hashed: Option<(u64, bool)>,
    ) -> Option<NamedFrames> {
        let outermost = raw.iter().rposition(|frame| frame.address() != 0);
        let mut frames: Vec<Frame> = Vec::with_capacity(raw.len());
        let mut spots = Vec::with_capacity(raw.len());
        for (i, &raw) in raw.iter().enumerate() {
            let mut frame = Frame {
                function: None,
                line: None,
                called_from_c: raw.code & CALLED_FROM_C != 0,
            };
            let mut spot = None;
            match source.name(symbolizer, raw) {
                Ok(Ok(named)) => {
                    let sight = hashed.map_or(Sight::Once, |(round, is_cut)| Sight::Hashed {
                        is_outermost: outermost == Some(i),
                        round,
                        is_cut,
                    });
                    spot = Some(Spot {
                        code: self.table.note(raw, &named, sight),
                        offset: named.offset,
                    });
                    if raw.witness == 0 {
                        *self
                            .loss
                            .entry(UserLoss::FramesNamedByAddress.into())
                            .or_default() += 1;
                    }
                    if frames.is_empty() && named.is_before_start {
                        continue;
                    }
                    frame.function = Some(self.function(&named.function));
                    frame.line = named.line;
                }
                Ok(Err(NoName::Placeholder)) => {
                    // C called the next inner frame here; the interpreter's own frames
                    // have an address.
                    if let Some(inner) = frames.last_mut()
                        && raw.address() == 0
                    {
                        inner.called_from_c = true;
                    }
                    continue;
                }
                Ok(Err(NoName::Torn)) => return None,
                Ok(Err(reason)) => {
                    self.table.note_unnamed(raw, reason);
                    *self.loss.entry(counter(reason)).or_default() += 1;
                }
                Err(error) => {
                    tracing::debug!(pid = source.process.pid, %error, "frame not named");
                    *self.loss.entry(counter(NoName::Unreadable)).or_default() += 1;
                }
            }
            frames.push(frame);
            spots.push(spot);
        }
        Some((frames, spots))
    }

    fn function(&mut self, name: &Arc<FunctionName>) -> FunctionId {
        if let Some(id) = self.function_ids.get(name) {
            return *id;
        }
        let id = FunctionId(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
        self.functions.push(Arc::clone(name));
        self.function_ids.insert(Arc::clone(name), id);
        id
    }
}

/// Where the chain ends with a placeholder (3.12 and later), a walk may be cut off right
/// before that: then the root is the last frame already, and nothing is missing.
fn without_second_root<'a>(
    process: &PythonProcess,
    raw: &'a [RawFrame],
    walk_flags: u32,
) -> (&'a [RawFrame], u32) {
    let has_placeholders = process.layout.walk.placeholder_owner != NO_PLACEHOLDER;
    if let [others @ .., last, root] = raw
        && has_placeholders
        && walk_flags & flags::ROOT_FROM_DATA_STACK != 0
        && (last.address(), last.instr) == (root.address(), root.instr)
    {
        let whole = walk_flags & !(flags::ROOT_FROM_DATA_STACK | flags::TRUNCATED);
        return (&raw[..=others.len()], whole);
    }
    (raw, walk_flags)
}

fn counter(reason: NoName) -> Lost {
    match reason {
        NoName::Placeholder => UserLoss::FramesPlaceholder.into(),
        NoName::Freed | NoName::Replaced { .. } => UserLoss::FramesCodeFreed.into(),
        NoName::Torn => Counter::StackInTransition.into(),
        NoName::ProcessGone => UserLoss::FramesProcessGone.into(),
        NoName::Unreadable => UserLoss::FramesUnreadable.into(),
    }
}
