//! Which instruction's exceptions are caught, and where.
//!
//! From 3.11 on a table says so (`Objects/exception_handling_notes.txt`); before that,
//! `SETUP_*` and `POP_BLOCK` push and pop handlers at run time.

use super::{
    Code, DecodeError, Instruction, Op,
    decode::{index_at, index_of},
};

/// Nested blocks that CPython allows (`CO_MAXBLOCKS` of `Include/cpython/code.h`).
const MAX_BLOCKS: usize = 20;

/// For each instruction, the one that catches its exceptions.
pub(super) type Handlers = Vec<Option<usize>>;

/// The handlers of every instruction; `successors` gives where one goes if it does not
/// raise.
pub(super) fn handlers(
    code: &Code<'_>,
    instructions: &[Instruction],
    successors: impl Fn(usize) -> Vec<usize>,
) -> Result<Handlers, DecodeError> {
    if code.minor >= 11 {
        from_table(code.exception_table, instructions)
    } else {
        Ok(from_blocks(instructions, successors))
    }
}

fn from_table(table: &[u8], instructions: &[Instruction]) -> Result<Handlers, DecodeError> {
    let bad = DecodeError::ExceptionTable;
    let mut handlers = vec![None; instructions.len()];
    let mut rest = table.iter().copied();
    // Entries are in order and do not overlap.
    let mut free = 0;
    while rest.len() > 0 {
        let mut next = || number(&mut rest).ok_or(bad);
        let (start, length, target, _depth_and_lasti) = (next()?, next()?, next()?, next()?);
        let end = u64::from(start) * 2 + u64::from(length) * 2;
        let offset = |units: u32| units.checked_mul(2).ok_or(bad);
        let target = index_at(instructions, offset(target)?).ok_or(bad)?;
        let first = index_of(instructions, offset(start)?).ok_or(bad)?;
        if first < free {
            return Err(bad);
        }
        free = first;
        while let Some(instruction) = instructions.get(free)
            && u64::from(instruction.offset) < end
        {
            handlers[free] = Some(target);
            free += 1;
        }
    }
    Ok(handlers)
}

/// A number of the table: six bits a byte, the first byte of an entry marked by bit 7,
/// bit 6 where more follow.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value: u32 = 0;
    for _ in 0..6 {
        let byte = bytes.next()?;
        value = value.checked_mul(64)? | u32::from(byte & 63);
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

/// Follows the handlers that `SETUP_*` pushes through the code. Where paths with
/// different handlers meet, those that they have in common are kept.
fn from_blocks(instructions: &[Instruction], successors: impl Fn(usize) -> Vec<usize>) -> Handlers {
    let mut stacks: Vec<Option<Vec<usize>>> = vec![None; instructions.len()];
    let mut pending = Vec::new();
    if let Some(first) = stacks.first_mut() {
        *first = Some(Vec::new());
        pending.push(0);
    }
    while let Some(index) = pending.pop() {
        let instruction = &instructions[index];
        let stack = stacks[index].clone().unwrap_or_default();
        let mut after = stack.clone();
        let handler = instruction
            .target
            .and_then(|target| index_at(instructions, target));
        match instruction.op {
            Op::SetupFinally | Op::SetupWith | Op::SetupAsyncWith => {
                if let Some(handler) = handler {
                    if after.len() < MAX_BLOCKS {
                        after.push(handler);
                    }
                    // The handler runs without itself.
                    meet(&mut stacks, &mut pending, handler, &stack);
                }
            }
            Op::PopBlock => {
                after.pop();
            }
            _ => {}
        }
        for next in successors(index) {
            if Some(next) != handler || !is_setup(instruction.op) {
                meet(&mut stacks, &mut pending, next, &after);
            }
        }
    }
    stacks
        .into_iter()
        .map(|stack| stack.and_then(|stack| stack.last().copied()))
        .collect()
}

fn is_setup(op: Op) -> bool {
    matches!(op, Op::SetupFinally | Op::SetupWith | Op::SetupAsyncWith)
}

/// Brings a stack of handlers to an instruction. Stacks only shrink, so that this ends.
fn meet(stacks: &mut [Option<Vec<usize>>], pending: &mut Vec<usize>, at: usize, stack: &[usize]) {
    let Some(slot) = stacks.get_mut(at) else {
        return;
    };
    match slot {
        None => {
            *slot = Some(stack.to_vec());
            pending.push(at);
        }
        Some(known) => {
            let common = known.iter().zip(stack).take_while(|(a, b)| a == b).count();
            if common < known.len() {
                known.truncate(common);
                pending.push(at);
            }
        }
    }
}
