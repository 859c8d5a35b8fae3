//! What the instructions do that a busy thread is found at.

use serde::{Deserialize, Serialize};

use super::FunctionId;
use crate::{bytecode::Operation, interpreter::OperandType};

/// Samples of one thread at instructions of one kind in one line, with no Python function called
/// from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotSpot {
    /// The function.
    pub function: FunctionId,
    /// The line.
    pub line: Option<u32>,
    /// What they do.
    pub operation: Operation,
    /// How many.
    pub samples: u64,
    /// How many loops of its function they are in.
    pub loops: u32,
    /// The two operands, where they were looked at.
    pub operands: Option<[OperandSeen; 2]>,
    /// The result takes the place of the first one: `x += y`.
    pub accumulates: bool,
}

/// What an operand was at several moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperandSeen {
    /// What the program calls it: `self.seen`.
    pub name: Option<String>,
    /// Looks that found it.
    pub looks: u32,
    /// What kind of thing it was, each time.
    pub of: OperandType,
    /// The name of its type.
    pub type_name: String,
    /// Items or characters: the fewest and the most that were found.
    pub sizes: Option<[u64; 2]>,
}
