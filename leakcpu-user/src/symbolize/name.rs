//! Names of frames, and why there is none.

use std::sync::Arc;

use crate::interpreter::{CodeLines, CodeObject, RemoteError};

/// What a function is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionName {
    /// Qualified name where the version has it (3.11 and later), else the plain name.
    pub name: Arc<str>,
    /// File name as the code object has it.
    pub file: Arc<str>,
    /// First line of the definition.
    pub first_line: u32,
}

/// A frame with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolizedFrame {
    /// The function.
    pub function: Arc<FunctionName>,
    /// The line being executed; `None` where the line table has none.
    pub line: Option<u32>,
    /// Where it stands, in bytes from its first instruction, 0 also before that; `None` where
    /// it is in no known copy of the instructions.
    pub offset: Option<u32>,
    /// Witness of the code object whose name this is.
    pub witness: u64,
    /// The kernel side tells this code object from others at its address at every look,
    /// unless it is the outermost of its stack.
    pub is_short_lived: bool,
    /// As a leaf this frame is still being set up: Python itself would not show it.
    pub is_before_start: bool,
}

/// Why this frame has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoName {
    /// It is the border between Python and C, not a function.
    #[error("a placeholder between C and Python")]
    Placeholder,
    /// The code object was freed before its name was read.
    #[error("its code object has been freed")]
    Freed,
    /// Another code object was at its address when its name was read.
    #[error("another code object is at its address")]
    Replaced {
        /// The other one's witness.
        witness: u64,
    },
    /// It is no frame: the interpreter was changing the chain it is from.
    #[error("the frame chain was being changed")]
    Torn,
    /// The process ended before the name was read.
    #[error("the process ended before the name was read")]
    ProcessGone,
    /// What is in memory cannot be a name.
    #[error("its name cannot be read")]
    Unreadable,
}

/// Why nothing can be said about any frame of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolizeError {
    /// The process cannot be read at all.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// What a code object's frames stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A function of the program.
    Function,
    /// The interpreter's own frame under a specialised constructor call.
    Shim,
    /// The code of the frames between C and Python, which are placeholders and never
    /// functions.
    Trampoline,
}

/// What the interpreter calls the code object and the file of the frame that it
/// puts under a specialised constructor call, to check what `__init__` returned.
const SHIM: &str = "__init__";

/// What it calls the code object of the frames between C and Python (3.12 and later,
/// `Python/pylifecycle.c`).
const TRAMPOLINE: &str = "<interpreter trampoline>";

impl Role {
    /// From 3.12 on a specialised constructor call has a frame of the interpreter's own
    /// below `__init__` (`_Py_InitCleanup` of `Python/specialize.c`). It is marked like
    /// any function's and told by its code: `__init__` of file `__init__`, without a
    /// line. The interpreter itself leaves it out of its tracebacks.
    pub(super) fn of(code: &CodeObject) -> Self {
        if code.name == SHIM && code.filename == SHIM && code.lines.first_line == 0 {
            Self::Shim
        } else if code.name == TRAMPOLINE {
            Self::Trampoline
        } else {
            Self::Function
        }
    }
}

/// What is kept of a code object.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) function: Arc<FunctionName>,
    pub(super) lines: CodeLines,
    pub(super) witness: u64,
    pub(super) role: Role,
    pub(super) is_short_lived: bool,
}

impl Named {
    /// The name of a frame that stands at `instr`.
    pub(super) fn frame(&self, instr: u64) -> Result<SymbolizedFrame, NoName> {
        match self.role {
            Role::Function => Ok(SymbolizedFrame {
                function: Arc::clone(&self.function),
                line: self.lines.line(instr),
                offset: self
                    .lines
                    .offset(instr)
                    .and_then(|at| at.max(0).try_into().ok()),
                witness: self.witness,
                is_short_lived: self.is_short_lived,
                is_before_start: self.lines.is_before_start(instr),
            }),
            Role::Shim => Err(NoName::Placeholder),
            Role::Trampoline => Err(NoName::Torn),
        }
    }
}
