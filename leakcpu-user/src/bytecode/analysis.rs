//! A code object, taken apart once and judged loop by loop.

use super::{
    Code, DecodeError, Instruction, Loop, LoopJudgement, Op, decode,
    decode::index_of,
    flow::{Block, blocks},
    judge::judge,
    loops::loops,
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

    /// The instruction at an offset, in bytes, its caches included.
    pub fn instruction_at(&self, offset: u32) -> Option<&Instruction> {
        index_of(&self.instructions, offset).map(|index| &self.instructions[index])
    }

    /// Judges one of its loops, and first those inside of it.
    pub fn judge(&self, this: &Loop) -> LoopJudgement {
        let mut working: Vec<&Loop> = Vec::new();
        for inner in self.loops.iter().filter(|inner| this.holds(inner)) {
            if !self.judge_one(inner, &working).only_waits() && !self.only_delegates(inner) {
                working.push(inner);
            }
        }
        self.judge_one(this, &working)
    }

    /// Judges all of its loops, in their order.
    pub fn judge_all(&self) -> Vec<LoopJudgement> {
        let mut working: Vec<&Loop> = Vec::new();
        let mut all = Vec::with_capacity(self.loops.len());
        for one in &self.loops {
            let judged = self.judge_one(one, &working);
            if !judged.only_waits() && !self.only_delegates(one) {
                working.push(one);
            }
            all.push(judged);
        }
        all
    }

    /// Judges a loop; those inside of it that do more than wait are known.
    fn judge_one(&self, this: &Loop, working: &[&Loop]) -> LoopJudgement {
        let inner: Vec<&Loop> = working
            .iter()
            .copied()
            .filter(|inner| this.holds(inner))
            .collect();
        judge(&self.code, &self.instructions, &self.blocks, this, &inner)
    }

    /// Whether a loop is only the way an `await` or `yield from` is written (3.11 and
    /// later): it is judged where its awaitable comes from.
    fn only_delegates(&self, this: &Loop) -> bool {
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
