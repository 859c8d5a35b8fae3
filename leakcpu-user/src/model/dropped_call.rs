//! Coroutines that were made and dropped.

use serde::{Deserialize, Serialize};

use super::{Frame, FunctionId, Process, Stack};

/// What CPython calls, from C, whenever a coroutine that was never begun is freed, whether the
/// warning is shown or not (`_PyErr_WarnUnawaitedCoroutine` of `Python/_warnings.c`, called by
/// `_PyGen_Finalize` of `Objects/genobject.c`) ...
const WARNS: &str = "_warn_unawaited_coroutine";
/// ... in `Lib/warnings.py`, from 3.14 on in `Lib/_py_warnings.py`.
const FILES: [&str; 2] = ["warnings.py", "_py_warnings.py"];

/// A call that gave a coroutine which the same statement dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedCall {
    /// The function that did so.
    pub function: FunctionId,
    /// The line.
    pub line: Option<u32>,
    /// What it called, by the program's name for it: `mailer.confirm`.
    pub name: String,
}

impl Process {
    /// The frame of the user's own code that drops a coroutine in `stack`, and its number there:
    /// the one right outside of the interpreter's warning.
    pub fn coroutine_dropped_in(&self, stack: &Stack) -> Option<(usize, Frame)> {
        let warning = stack.frames.iter().position(|frame| self.warns(*frame))?;
        let frame = *stack.frames.get(warning + 1)?;
        self.is_own_frame(frame).then_some((warning + 1, frame))
    }

    fn warns(&self, frame: Frame) -> bool {
        let function = frame.function.and_then(|id| self.function(id));
        function.is_some_and(|function| {
            let file = function.file.rsplit('/').next().unwrap_or_default();
            function.name == WARNS
                && FILES.contains(&file)
                && self.is_library_file(&function.file)
                && !function.file.contains("-packages/")
        })
    }
}
