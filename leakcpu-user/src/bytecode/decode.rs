//! From bytes to instructions.

use std::ops::Range;

use super::{
    Code, Op,
    opcodes::{self, Jump, Opcode},
};

/// Longest code that is looked at, in bytes; the largest module of the standard library's
/// has under 100 kB.
pub const MAX_CODE_BYTES: usize = 256 << 10;

/// Bytes of an instruction or cache entry (`_Py_CODEUNIT`).
const UNIT_BYTES: u32 = 2;

/// Why bytes are no instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No table of this version.
    #[error("the opcodes of Python 3.{minor} are not known")]
    Version {
        /// The minor version.
        minor: u8,
    },
    /// More than [`MAX_CODE_BYTES`].
    #[error("{bytes} bytes of code are more than are looked at")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// Too many blocks, or loops in loops.
    #[error("{blocks} blocks, or the loops of them, are more than are looked at")]
    TooTangled {
        /// How many.
        blocks: usize,
    },
    /// No opcode of this version.
    #[error("no opcode {number} at {offset}")]
    Opcode {
        /// The number.
        number: u8,
        /// Where, in bytes.
        offset: u32,
    },
    /// An instruction whose original is kept elsewhere: it is being traced or compiled.
    #[error("the instruction at {offset} is hidden by {}", op.name())]
    Hidden {
        /// What stands in its place.
        op: Op,
        /// Where, in bytes.
        offset: u32,
    },
    /// The last instruction is cut short, or has an argument of more than 32 bits.
    #[error("the instruction at {offset} is not whole")]
    Cut {
        /// Where, in bytes.
        offset: u32,
    },
    /// A jump, or a handler, to where no instruction begins.
    #[error("no instruction begins at {target}, where that of {offset} goes")]
    Target {
        /// Where it leads.
        target: i64,
        /// Where it is, in bytes.
        offset: u32,
    },
    /// The exception table is not readable.
    #[error("the exception table is not whole")]
    ExceptionTable,
}

/// One instruction with its `EXTENDED_ARG`s and caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where its opcode is, in bytes.
    pub offset: u32,
    /// The operation, or the one it is a variant of.
    pub op: Op,
    /// Its argument; 0 if it has none.
    pub arg: u32,
    /// Whether it has one.
    pub has_arg: bool,
    /// Where it jumps to, in bytes.
    pub target: Option<u32>,
    /// From its first `EXTENDED_ARG` to the end of its caches, in bytes.
    pub bytes: Range<u32>,
}

/// Decodes all of a code object's bytes.
pub fn decode(code: &Code<'_>) -> Result<Vec<Instruction>, DecodeError> {
    let minor = code.minor;
    let table = opcodes::of(minor).ok_or(DecodeError::Version { minor })?;
    if code.bytes.len() > MAX_CODE_BYTES {
        let bytes = code.bytes.len();
        return Err(DecodeError::TooLong { bytes });
    }
    let (units, rest) = code.bytes.as_chunks::<2>();
    let mut instructions = Vec::new();
    let mut at = 0;
    while at < units.len() {
        let (instruction, next) = one(minor, table, units, at)?;
        instructions.push(instruction);
        at = next;
    }
    if !rest.is_empty() {
        let offset = bytes_of(units.len());
        return Err(DecodeError::Cut { offset });
    }
    for instruction in &instructions {
        if let Some(target) = instruction.target {
            index_at(&instructions, target).ok_or(DecodeError::Target {
                target: target.into(),
                offset: instruction.offset,
            })?;
        }
    }
    Ok(instructions)
}

/// The instruction that begins at an offset, its `EXTENDED_ARG`s before it.
pub(super) fn index_at(instructions: &[Instruction], offset: u32) -> Option<usize> {
    instructions
        .binary_search_by_key(&offset, |instruction| instruction.bytes.start)
        .ok()
}

/// The instruction that an offset is in, its caches included.
pub(super) fn index_of(instructions: &[Instruction], offset: u32) -> Option<usize> {
    let after = instructions.partition_point(|instruction| instruction.bytes.start <= offset);
    let index = after.checked_sub(1)?;
    instructions[index].bytes.contains(&offset).then_some(index)
}

/// The instruction at a unit, and the unit after it.
fn one(
    minor: u8,
    table: &[Option<Opcode>; 256],
    units: &[[u8; 2]],
    start: usize,
) -> Result<(Instruction, usize), DecodeError> {
    let mut arg: u32 = 0;
    let mut at = start;
    loop {
        let offset = bytes_of(at);
        let cut = DecodeError::Cut { offset };
        let [number, low] = *units.get(at).ok_or(cut)?;
        let opcode = table[usize::from(number)].ok_or(DecodeError::Opcode { number, offset })?;
        if at > start && arg > u32::MAX >> 8 {
            return Err(cut);
        }
        arg = arg << 8 | u32::from(low);
        at += 1;
        match opcode.op {
            Op::ExtendedArg => {}
            op @ (Op::InstrumentedLine
            | Op::InstrumentedInstruction
            | Op::EnterExecutor
            | Op::TraceRecord) => return Err(DecodeError::Hidden { op, offset }),
            op => {
                let next = at + usize::from(opcode.caches);
                // The last instruction of 3.11 and later has its caches too.
                if next > units.len() {
                    return Err(cut);
                }
                let instruction = Instruction {
                    offset,
                    op,
                    arg: if opcode.has_arg { arg } else { 0 },
                    has_arg: opcode.has_arg,
                    target: target(minor, opcode.jump, arg, next, offset)?,
                    bytes: bytes_of(start)..bytes_of(next),
                };
                return Ok((instruction, next));
            }
        }
    }
}

/// Where a jump leads: arguments count bytes up to 3.9, instructions from 3.10 on.
fn target(
    minor: u8,
    jump: Jump,
    arg: u32,
    next: usize,
    offset: u32,
) -> Result<Option<u32>, DecodeError> {
    let unit = if minor < 10 { 1 } else { i64::from(UNIT_BYTES) };
    let by = i64::from(arg) * unit;
    let next = i64::from(bytes_of(next));
    let target = match jump {
        Jump::Nowhere => return Ok(None),
        Jump::Absolute => by,
        Jump::Forward => next + by,
        Jump::Backward => next - by,
    };
    let error = DecodeError::Target { target, offset };
    u32::try_from(target).map(Some).map_err(|_| error)
}

/// Bytes of so many units, of which there are at most half of [`MAX_CODE_BYTES`].
fn bytes_of(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX / UNIT_BYTES) * UNIT_BYTES
}
