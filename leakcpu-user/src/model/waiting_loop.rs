//! A loop of Python code that only waits.

use serde::{Deserialize, Serialize};

use super::{Frame, FunctionId};

/// A loop in which a thread was sampled and in which, by its instructions, no round does
/// anything that outlives it (docs/spins.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingLoop {
    /// The function it is in.
    pub function: FunctionId,
    /// The line with the most samples, functions that it calls included.
    pub line: Option<u32>,
    /// The text of that line, where the program's source is there and is what it runs.
    pub text: Option<String>,
    /// On-CPU samples in it, those in functions that it calls included ...
    pub samples: u64,
    /// ... of so many of the thread.
    pub of_samples: u64,
    /// What it calls to look, by the program's names: `self.done.is_set`.
    pub looks_at: Vec<Look>,
    /// It sleeps or gives up the CPU in between.
    pub sleeps: bool,
    /// It gives way to other greenlets of its thread in between; then the samples of what
    /// turns from one to the next are in neither number.
    pub gives_way: bool,
    /// Functions that were seen below it, and do nothing but look either.
    pub functions_below: usize,
    /// What its local variables held at several moments; `None` if it was not found in the
    /// loop often enough.
    pub values: Option<SteadyValues>,
}

/// What the local variables of a loop's frame held, of those that stay what they are while
/// it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadyValues {
    /// Looks that found it in the loop's function.
    pub looks: u32,
    /// Different frames or values that were found.
    pub distinct: u32,
}

impl WaitingLoop {
    /// Where in the code it is.
    pub const fn frame(&self) -> Frame {
        Frame {
            function: Some(self.function),
            line: self.line,
            called_from_c: false,
        }
    }
}

/// A call that only looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Look {
    /// At what.
    pub at: LookAt,
    /// The program's name for it.
    pub name: String,
}

/// What a call looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookAt {
    /// The time.
    Clock,
    /// Something that others change.
    State,
    /// Whether there is something to take, or a lock is free.
    Offer,
}
