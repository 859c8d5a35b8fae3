//! Which stacks are those of an import.

use super::{FunctionId, Process, Stack};

/// Files of importlib that find, load and execute modules, as the frozen ones are named.
pub(super) const IMPORTLIB: &str = "<frozen importlib._bootstrap";

/// The name of a module's body.
pub(super) const MODULE_BODY: &str = "<module>";

/// An import that a stack is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// The innermost module body that it executes; `None` in importlib's own code.
    pub module_body: Option<FunctionId>,
}

impl Process {
    /// The innermost import that `stack` is in. It is not, if a function of the user's own
    /// code was called by a module's body: then that is what computes.
    pub fn import_in(&self, stack: &Stack) -> Option<Import> {
        let mut module_body = None;
        for frame in &stack.frames {
            let id = frame.function?;
            let function = self.function(id)?;
            if function.file.starts_with(IMPORTLIB) {
                return Some(Import { module_body });
            }
            if function.name == MODULE_BODY {
                module_body = module_body.or(Some(id));
            } else if self.is_own_frame(*frame) {
                return None;
            }
        }
        None
    }
}
