//! What makes a wait come again and again.

use serde::{Deserialize, Serialize};

use super::{Frame, StackId};

/// The innermost loop of the user's own code that the waits of one stack are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The stack.
    pub stack: StackId,
    /// The frame that the loop is in, at the line that leads to the wait.
    pub frame: Frame,
    /// It goes through the items of something: `for`, a comprehension. Else it goes round as
    /// long as something holds, as the main loop of a program does.
    pub over_items: bool,
}
