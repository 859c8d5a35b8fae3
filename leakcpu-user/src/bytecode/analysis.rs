//! A code object, taken apart once and judged loop by loop.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Code, DecodeError, FunctionJudgement, Instruction, Loop, LoopJudgement, Op, SeenCallees,
    dataflow::written,
    decode,
    decode::index_of,
    depth::depths,
    flow::{Block, Edge, blocks},
    function::judge_function,
    judge::judge,
    loops::{loops, ranges},
};

/// A code object's instructions, control flow and loops.
#[derive(Debug)]
pub struct Analysis<'a> {
    code: Code<'a>,
    instructions: Vec<Instruction>,
    blocks: Vec<Block>,
    loops: Vec<Loop>,
}

impl<'a> Analysis<'a> {
    /// Takes a code object apart.
    pub fn of(code: Code<'a>) -> Result<Self, DecodeError> {
        let instructions = decode(&code)?;
        let blocks = blocks(&code, &instructions)?;
        let tangled = DecodeError::TooTangled {
            blocks: blocks.len(),
        };
        let loops = loops(&instructions, &blocks).ok_or(tangled)?;
        Ok(Self {
            code,
            instructions,
            blocks,
            loops,
        })
    }

    /// 11 of Python 3.11.
    pub fn minor(&self) -> u8 {
        self.code.minor
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Its loops, inner ones before those that hold them.
    pub fn loops(&self) -> &[Loop] {
        &self.loops
    }

    /// The innermost loop that holds all of these offsets, in bytes; each may be of an
    /// instruction, of one of its `EXTENDED_ARG`s or of its caches.
    pub fn innermost(&self, offsets: &[u32]) -> Option<&Loop> {
        let mut loops = self.loops.iter();
        loops.find(|one| offsets.iter().all(|offset| one.contains(*offset)))
    }

    /// The innermost loop around an offset, but for those in which an `await` waits, which are none
    /// of the program's.
    pub fn own_loop(&self, offset: u32) -> Option<&Loop> {
        let mut around = self.loops.iter().filter(|one| one.contains(offset));
        around.find(|one| !self.only_delegates(one))
    }

    /// The instruction at an offset, in bytes, its caches included.
    pub fn instruction_at(&self, offset: u32) -> Option<&Instruction> {
        index_of(&self.instructions, offset).map(|index| &self.instructions[index])
    }

    pub(super) fn code(&self) -> &Code<'a> {
        &self.code
    }

    /// The number of the instruction at an offset, in bytes, its caches included.
    pub(super) fn index_at(&self, offset: u32) -> Option<usize> {
        index_of(&self.instructions, offset)
    }

    /// Whether control may come to an instruction from elsewhere than the one before it.
    pub(super) fn begins_block(&self, index: usize) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|block| block.instructions.start == index)
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The numbers of a block's instructions.
    pub(super) fn instructions_of(&self, block: usize) -> Range<usize> {
        self.blocks[block].instructions.clone()
    }

    /// The blocks that control may go to from one, over edges of a kind.
    pub(super) fn goes_to(
        &self,
        block: usize,
        is_wanted: impl Fn(Edge) -> bool,
    ) -> BTreeSet<usize> {
        let edges = self.blocks[block].edges.iter();
        let wanted = edges.filter(|(_, edge)| is_wanted(*edge));
        wanted.map(|(to, _)| *to).collect()
    }

    /// Whether control may jump to an instruction, or come to it by an exception.
    pub(super) fn is_jumped_to(&self, index: usize) -> bool {
        let edges = self.blocks.iter().flat_map(|block| &block.edges);
        let mut edges = edges.filter(|(_, edge)| *edge != Edge::Next);
        edges.any(|(to, _)| self.blocks[*to].instructions.start == index)
    }

    /// How many values are on the stack before each instruction, where that is known.
    pub(super) fn depths(&self) -> Vec<Option<u32>> {
        depths(self.code.minor, &self.instructions, &self.blocks)
    }

    /// Judges one of its loops, and first those inside of it. `seen` are the calls whose
    /// callees are judged by themselves, so that their names do not matter.
    pub fn judge(&self, this: &Loop, seen: &SeenCallees) -> LoopJudgement {
        let mut working: Vec<&Loop> = Vec::new();
        for inner in self.loops.iter().filter(|inner| this.holds(inner)) {
            let judged = self.judge_one(inner, &working, seen);
            if !judged.only_waits() && !self.only_delegates(inner) {
                working.push(inner);
            }
        }
        self.judge_one(this, &working, seen)
    }

    /// Judges all of its loops, in their order.
    pub fn judge_all(&self) -> Vec<LoopJudgement> {
        let seen = SeenCallees::default();
        let mut working: Vec<&Loop> = Vec::new();
        let mut all = Vec::with_capacity(self.loops.len());
        for one in &self.loops {
            let judged = self.judge_one(one, &working, &seen);
            if !judged.only_waits() && !self.only_delegates(one) {
                working.push(one);
            }
            all.push(judged);
        }
        all
    }

    /// Judges what a call of the whole function does; `seen` as in [`Self::judge`].
    pub fn judge_function(&self, seen: &SeenCallees) -> FunctionJudgement {
        judge_function(&self.code, &self.instructions, &self.blocks, seen)
    }

    /// The instructions of a loop from which control goes back to its header, in bytes.
    pub fn latches(&self, this: &Loop) -> Box<[Range<u32>]> {
        let goes_back = |block: &&usize| {
            let mut edges = self.blocks[**block].edges.iter();
            edges.any(|(to, _)| *to == this.header_block)
        };
        let latches = this.blocks.iter().filter(goes_back);
        ranges(
            &self.instructions,
            latches.map(|block| &self.blocks[*block]),
        )
    }

    /// Whether control leaves a loop by exceptions only: `while True` without a `break`.
    pub(super) fn never_ends(&self, this: &Loop) -> bool {
        let edges = this
            .blocks
            .iter()
            .flat_map(|block| &self.blocks[*block].edges);
        let mut ways = edges.filter(|(_, edge)| *edge != Edge::Exception);
        ways.all(|(to, _)| this.blocks.binary_search(to).is_ok())
    }

    /// Indices of the local variables that a loop writes; `None` if they are more than are
    /// followed.
    pub fn written(&self, this: &Loop) -> Option<Vec<u32>> {
        written(self.code.minor, &self.instructions, &self.blocks, this).ok()
    }

    /// How many local variables there are, those that inner functions share included from
    /// 3.11 on.
    pub fn variables(&self) -> usize {
        self.code.locals.len()
    }

    /// How many values of a frame's are before those of its stack.
    pub fn slots_of_variables(&self) -> u32 {
        // From 3.11 on those that functions share are counted among the others.
        let slots = self.code.locals.len() + self.code.cells.len();
        u32::try_from(slots).unwrap_or(u32::MAX)
    }

    /// Judges a loop; those inside of it that do more than wait are known.
    fn judge_one(&self, this: &Loop, working: &[&Loop], seen: &SeenCallees) -> LoopJudgement {
        let inner: Vec<&Loop> = working
            .iter()
            .copied()
            .filter(|inner| this.holds(inner))
            .collect();
        let Self {
            code,
            instructions,
            blocks,
            ..
        } = self;
        judge(code, instructions, blocks, this, &inner, seen)
    }

    /// Whether a loop is only the way an `await` or `yield from` is written (3.11 and
    /// later): it is judged where its awaitable comes from.
    pub(super) fn only_delegates(&self, this: &Loop) -> bool {
        let of = |block: &usize| &self.instructions[self.blocks[*block].instructions.clone()];
        this.blocks.iter().flat_map(of).all(|instruction| {
            matches!(
                instruction.op,
                Op::Send
                    | Op::YieldValue
                    | Op::Resume
                    | Op::JumpBackwardNoInterrupt
                    | Op::JumpBackward
                    | Op::CleanupThrow
                    | Op::Nop
            )
        })
    }
}
