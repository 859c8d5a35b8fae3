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
    /// The two loops over lists that it is in, where they were looked at.
    pub nested: Option<NestedSeen>,
    /// The result takes the place of the first operand: `x += y`; false where they were not looked
    /// at.
    pub accumulates: bool,
}

/// Two loops over lists or tuples, one in the other, at several moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedSeen {
    /// What the program calls what they go over, the inner one first.
    pub names: [Option<String>; 2],
    /// The fewest items of each.
    pub items: [u64; 2],
    /// Looks that found them.
    pub looks: u32,
    /// The inner one went over the same list each time ...
    pub is_same: bool,
    /// ... and was found as far as this item of it.
    pub reached: u64,
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
