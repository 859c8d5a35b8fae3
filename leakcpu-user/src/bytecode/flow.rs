//! The control-flow graph of a code object.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Code, DecodeError, Instruction, Op,
    decode::index_at,
    handlers::{Handlers, handlers},
};

/// How control gets from one block to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// To the next instruction.
    Next,
    /// By a jump that is taken.
    Jump,
    /// By an exception that an instruction of the block raised.
    Exception,
}

/// Instructions that run one after the other.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Indices of its instructions.
    pub(super) instructions: Range<usize>,
    /// Where control goes from here.
    pub(super) edges: Vec<(usize, Edge)>,
}

/// Where an instruction may go on.
enum Way {
    Next,
    Jump,
    Either,
    Nowhere,
}

fn way(op: Op) -> Way {
    match op {
        Op::JumpForward
        | Op::JumpBackward
        | Op::JumpBackwardNoInterrupt
        | Op::JumpAbsolute
        | Op::CallFinally => Way::Jump,
        Op::PopJumpIfFalse
        | Op::PopJumpIfTrue
        | Op::PopJumpIfNone
        | Op::PopJumpIfNotNone
        | Op::PopJumpForwardIfFalse
        | Op::PopJumpForwardIfTrue
        | Op::PopJumpForwardIfNone
        | Op::PopJumpForwardIfNotNone
        | Op::PopJumpBackwardIfFalse
        | Op::PopJumpBackwardIfTrue
        | Op::PopJumpBackwardIfNone
        | Op::PopJumpBackwardIfNotNone
        | Op::JumpIfFalseOrPop
        | Op::JumpIfTrueOrPop
        | Op::JumpIfNotExcMatch
        | Op::ForIter
        | Op::Send => Way::Either,
        Op::ReturnValue
        | Op::ReturnConst
        | Op::RaiseVarargs
        | Op::Reraise
        | Op::InterpreterExit => Way::Nowhere,
        _ => Way::Next,
    }
}

/// Whether an instruction ends a block where exceptions are caught: what it did has
/// happened if the next one runs, and has not if it raised.
pub(super) fn is_call(op: Op) -> bool {
    matches!(
        op,
        Op::Call
            | Op::CallKw
            | Op::CallFunction
            | Op::CallFunctionKw
            | Op::CallFunctionEx
            | Op::CallMethod
    )
}

/// Whether an instruction never raises, as far as that matters.
fn is_silent(op: Op) -> bool {
    matches!(
        op,
        Op::Nop
            | Op::Resume
            | Op::PopTop
            | Op::Copy
            | Op::Swap
            | Op::PushNull
            | Op::LoadConst
            | Op::LoadSmallInt
            | Op::LoadFastBorrow
            | Op::StoreFast
            | Op::StoreFastLoadFast
            | Op::StoreFastStoreFast
            | Op::LoadFastBorrowLoadFastBorrow
            | Op::PopExcept
            | Op::PushExcInfo
            | Op::JumpForward
            | Op::JumpAbsolute
            | Op::JumpBackward
            | Op::JumpBackwardNoInterrupt
            | Op::NotTaken
            | Op::DupTop
            | Op::RotTwo
            | Op::RotThree
            | Op::RotFour
            | Op::PopBlock
            | Op::SetupFinally
            | Op::Precall
            | Op::KwNames
    )
}

/// The blocks of a code object, in the order of their instructions.
pub(super) fn blocks(
    code: &Code<'_>,
    instructions: &[Instruction],
) -> Result<Vec<Block>, DecodeError> {
    let returns = finally_returns(instructions);
    let successors = |index: usize| -> Vec<(usize, Edge)> {
        let instruction = &instructions[index];
        let target = instruction
            .target
            .and_then(|target| index_at(instructions, target))
            .map(|target| (target, Edge::Jump));
        let next = (index + 1 < instructions.len()).then_some((index + 1, Edge::Next));
        let mut all: Vec<_> = match way(instruction.op) {
            Way::Next => next.into_iter().collect(),
            Way::Jump => target.into_iter().collect(),
            Way::Either => next.into_iter().chain(target).collect(),
            Way::Nowhere => Vec::new(),
        };
        if instruction.op == Op::EndFinally {
            let back = returns.iter().filter(|(end, _)| *end == index);
            all.extend(back.map(|(_, to)| (*to, Edge::Jump)));
        }
        all
    };
    let plain =
        |index: usize| -> Vec<usize> { successors(index).into_iter().map(|(to, _)| to).collect() };
    let handlers = handlers(code, instructions, plain)?;
    let leaders = leaders(instructions, &handlers, &returns);
    let block_of = |index: usize| leaders.partition_point(|leader| *leader <= index) - 1;
    let ends = leaders.iter().skip(1).copied().chain([instructions.len()]);
    Ok(leaders
        .iter()
        .zip(ends)
        .map(|(&start, end)| {
            let edges = successors(end - 1)
                .into_iter()
                .map(|(to, edge)| (block_of(to), edge));
            let may_raise = instructions[start..end]
                .iter()
                .any(|one| !is_silent(one.op));
            // All instructions of a block have the same handler.
            let caught = handlers[start].filter(|_| may_raise);
            let caught = caught.map(|handler| (block_of(handler), Edge::Exception));
            Block {
                instructions: start..end,
                edges: edges.chain(caught).collect(),
            }
        })
        .collect())
}

/// Indices of the instructions that begin a block.
fn leaders(
    instructions: &[Instruction],
    handlers: &Handlers,
    returns: &[(usize, usize)],
) -> Vec<usize> {
    let mut leaders = BTreeSet::new();
    if !instructions.is_empty() {
        leaders.insert(0);
    }
    for (index, instruction) in instructions.iter().enumerate() {
        let target = instruction.target;
        leaders.extend(target.and_then(|target| index_at(instructions, target)));
        leaders.extend(handlers[index]);
        let ends_block = !matches!(way(instruction.op), Way::Next)
            || is_call(instruction.op) && handlers[index].is_some()
            || instruction.op == Op::EndFinally
            || handlers
                .get(index + 1)
                .is_some_and(|next| *next != handlers[index]);
        if ends_block && index + 1 < instructions.len() {
            leaders.insert(index + 1);
        }
    }
    leaders.extend(returns.iter().map(|(_, to)| *to));
    leaders.into_iter().collect()
}

/// Where each `END_FINALLY` of 3.8 goes back to, as indices: a `finally` that is called
/// (`CALL_FINALLY`) returns behind the call. It ends at the first `END_FINALLY` that
/// belongs to none of the blocks set up inside of it.
fn finally_returns(instructions: &[Instruction]) -> Vec<(usize, usize)> {
    let mut returns = Vec::new();
    let calls = instructions.iter().enumerate();
    // As many as there are; each looks at the rest of the code at most.
    for (index, call) in calls
        .filter(|(_, one)| one.op == Op::CallFinally)
        .take(1024)
    {
        let start = call
            .target
            .and_then(|target| index_at(instructions, target));
        let Some(start) = start else { continue };
        let mut inner = 0_usize;
        for (end, one) in instructions.iter().enumerate().skip(start) {
            match one.op {
                Op::SetupFinally | Op::SetupWith | Op::SetupAsyncWith => inner += 1,
                Op::EndFinally if inner == 0 => {
                    if index + 1 < instructions.len() {
                        returns.push((end, index + 1));
                    }
                    break;
                }
                Op::EndFinally => inner -= 1,
                _ => {}
            }
        }
    }
    returns
}
