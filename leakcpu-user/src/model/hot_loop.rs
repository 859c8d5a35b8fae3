//! What the loops do that a busy thread is found in, turn after turn.

use serde::{Deserialize, Serialize};

use super::{FunctionId, OperandSeen};

/// Samples of one thread at a loop's own instructions, with no Python function called from there.
/// Those of a loop inside of it are that one's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotLoop {
    /// The function.
    pub function: FunctionId,
    /// The line that most of them are at.
    pub line: Option<u32>,
    /// How many.
    pub samples: u64,
    /// What it appends to, if it does nothing else.
    pub appends: Option<Appends>,
    /// What it looks up again on every turn though it changes none of it, most samples first.
    pub lookups: Vec<SteadyLookup>,
}

/// A loop over items that only fills a list, as a comprehension does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appends {
    /// What the program calls the list.
    pub name: String,
    /// The line of the appending.
    pub line: Option<u32>,
    /// Samples at its instructions: the look-up of the list and its method, the call and what
    /// becomes of its result.
    pub samples: u64,
    /// What it was at several moments, where it was looked at.
    pub list: Option<OperandSeen>,
}

/// A global or an attribute of one that a loop looks up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadyLookup {
    /// The program's name for it: `self.config.limits`.
    pub name: String,
    /// The line that most of the samples are at.
    pub line: Option<u32>,
    /// Samples at the instructions that look it up.
    pub samples: u64,
}
