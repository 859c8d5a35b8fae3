//! Calls of one function with what it was given before.

use serde::{Deserialize, Serialize};

use super::{FunctionId, Tid};

/// Calls of a function that does nothing but compute its result from its arguments, as looks at a
/// busy thread found them. What it was given was compared, and is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedCall {
    /// The thread.
    pub tid: Tid,
    /// The function that is called.
    pub function: FunctionId,
    /// Its arguments.
    pub parameters: Vec<Parameter>,
    /// Looks that found the thread in it.
    pub looks: u32,
    /// Calls by other functions.
    pub by_others: CallsSeen,
    /// All calls, those by itself included.
    pub all: CallsSeen,
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// What the function calls it.
    pub name: String,
    /// The type of what was given; `None` if that differed.
    pub type_name: Option<String>,
}

/// Different calls, by what they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallsSeen {
    /// How many there were at least.
    pub calls: u32,
    /// In how many ways their arguments differed from each other.
    pub distinct: u32,
    /// How many calls had the same arguments, of those that most had, the most first.
    pub most: Vec<u32>,
}

impl CallsSeen {
    /// Calls for which the result was known from another one.
    pub const fn again(&self) -> u32 {
        self.calls.saturating_sub(self.distinct)
    }

    /// Their part of all.
    pub fn again_share(&self) -> f64 {
        f64::from(self.again()) / f64::from(self.calls.max(1))
    }
}
