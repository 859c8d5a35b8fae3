//! Names of frames, from the target's memory, once per code object.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use leakcpu_common::stack::RawFrame;

use super::library::library_dir;
use crate::{
    discovery,
    interpreter::{
        CodeError, CodeLines, CodeObject, CodeWitness, PythonProcess, RemoteError, TextError,
        read_code, read_witness,
    },
};

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

/// How many of the names read are still true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Code objects looked at again.
    pub unchanged: usize,
    /// Addresses where another code object, or none, is now: frames seen there may
    /// have belonged to either.
    pub changed: Vec<u64>,
    /// The process has ended; `unchanged` and `changed` cover what was seen before.
    pub process_gone: bool,
}

/// Identity of a process image: pid and start time, and where its interpreter is,
/// which changes with an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ImageKey {
    pid: u32,
    start_boottime_ns: u64,
    runtime: u64,
}

impl ImageKey {
    fn of(process: &PythonProcess) -> Self {
        Self {
            pid: process.pid,
            start_boottime_ns: process.start_boottime_ns,
            runtime: process.kernel.runtime,
        }
    }
}

/// What is kept of a code object.
#[derive(Debug)]
struct Named {
    function: Arc<FunctionName>,
    lines: CodeLines,
    witness: CodeWitness,
    /// No function of the program: see [`is_shim`].
    shim: bool,
}

/// What the interpreter calls the code object and the file of the frame that it
/// puts under a specialised constructor call, to check what `__init__` returned.
const SHIM: &str = "__init__";

/// From 3.12 on a specialised constructor call has a frame of the interpreter's own
/// below `__init__` (`_Py_InitCleanup` of `Python/specialize.c`). It is marked like
/// any function's and told by its code: `__init__` of file `__init__`, without a
/// line. The interpreter itself leaves it out of its tracebacks.
fn is_shim(code: &CodeObject) -> bool {
    code.name == SHIM && code.filename == SHIM && code.witness.first_line == 0
}

/// Names frames; keeps what it has read, also of processes that have ended.
#[derive(Debug, Default)]
pub struct Symbolizer {
    images: HashMap<ImageKey, HashMap<u64, Named>>,
    texts: HashSet<Arc<str>>,
}

impl Symbolizer {
    /// One that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of `frame` of `process`.
    pub fn symbolize(
        &mut self,
        process: &PythonProcess,
        frame: RawFrame,
    ) -> Result<Result<SymbolizedFrame, NoName>, SymbolizeError> {
        if frame.address() == 0 {
            return Ok(Err(NoName::Placeholder));
        }
        let key = ImageKey::of(process);
        let known = self
            .images
            .get(&key)
            .and_then(|names| names.get(&frame.address()));
        // In a copy of the instructions that a thread has made since it was read.
        let has_moved = process.layout.object.code_bytecode_copies.is_some()
            && known.is_some_and(|named| named.lines.offset(frame.instr).is_none());
        let is_known = known.is_some();
        if !is_known || has_moved {
            match self.read(process, frame.address())? {
                Ok(named) => {
                    self.images
                        .entry(key)
                        .or_default()
                        .insert(frame.address(), named);
                }
                Err(_) if is_known => {}
                Err(no_name) => return Ok(Err(no_name)),
            }
        }
        let named = self
            .images
            .get(&key)
            .and_then(|names| names.get(&frame.address()));
        Ok(match named {
            None => Err(NoName::Unreadable),
            Some(named) if named.shim => Err(NoName::Placeholder),
            Some(named) => Ok(SymbolizedFrame {
                function: Arc::clone(&named.function),
                line: named.lines.line(frame.instr),
            }),
        })
    }

    /// The name of `frame` of `child`, which was forked from `parent`: where the child
    /// has ended before it was read, the parent's memory answers. A fork copies
    /// addresses, so that functions defined before it are at the same place in both;
    /// one that the child defined itself stays without a name, unless the parent has
    /// since defined another at that very address.
    pub fn symbolize_forked(
        &mut self,
        child: &PythonProcess,
        parent: &PythonProcess,
        frame: RawFrame,
    ) -> Result<Result<SymbolizedFrame, NoName>, SymbolizeError> {
        match self.symbolize(child, frame)? {
            Err(NoName::ProcessGone) if child.kernel.runtime == parent.kernel.runtime => {
                self.symbolize(parent, frame)
            }
            answer => Ok(answer),
        }
    }

    /// Looks again at every code object that was named in `process`.
    pub fn verify_unchanged(
        &self,
        process: &PythonProcess,
    ) -> Result<Verification, SymbolizeError> {
        let mut verification = Verification::default();
        let Some(names) = self.images.get(&ImageKey::of(process)) else {
            return Ok(verification);
        };
        if !is_same_process(process) {
            verification.process_gone = true;
            return Ok(verification);
        }
        for (address, named) in names {
            match read_witness(process, *address) {
                Ok(Some(witness)) if witness == named.witness => verification.unchanged += 1,
                Ok(_) | Err(RemoteError::Unmapped { .. }) => verification.changed.push(*address),
                Err(RemoteError::Gone { .. }) => {
                    verification.process_gone = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        verification.changed.sort_unstable();
        Ok(verification)
    }

    /// Directories of the standard library and of installed packages, as far as
    /// functions from there were named in `process`.
    pub fn library_dirs(&self, process: &PythonProcess) -> Vec<String> {
        let names = self
            .images
            .get(&ImageKey::of(process))
            .into_iter()
            .flat_map(HashMap::values);
        let dirs: BTreeSet<&str> = names
            .filter_map(|named| library_dir(&named.function.file))
            .collect();
        dirs.into_iter().map(str::to_owned).collect()
    }

    /// Drops what is known of `process`.
    pub fn forget(&mut self, process: &PythonProcess) {
        self.images.remove(&ImageKey::of(process));
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    fn read(
        &mut self,
        process: &PythonProcess,
        address: u64,
    ) -> Result<Result<Named, NoName>, SymbolizeError> {
        let code = match read_code(process, address) {
            Ok(code) => code,
            Err(CodeError::Remote(error) | CodeError::Text(TextError::Remote(error))) => {
                return match error {
                    RemoteError::Gone { .. } => Ok(Err(NoName::ProcessGone)),
                    RemoteError::Unmapped { .. } if !is_same_process(process) => {
                        Ok(Err(NoName::ProcessGone))
                    }
                    RemoteError::Unmapped { .. } => Ok(Err(NoName::Freed)),
                    RemoteError::TooLong { .. } => Ok(Err(NoName::Unreadable)),
                    RemoteError::Denied { .. } | RemoteError::Os { .. } => Err(error.into()),
                };
            }
            Err(CodeError::NotCode { .. }) => return Ok(Err(NoName::Freed)),
            Err(CodeError::Text(TextError::NotCompact { .. })) => {
                return Ok(Err(NoName::Unreadable));
            }
        };
        // After the read: the pid was still this process while it was being read.
        if !is_same_process(process) {
            return Ok(Err(NoName::ProcessGone));
        }
        let shim = is_shim(&code);
        let function = Arc::new(FunctionName {
            name: self.intern(code.qualname.as_deref().unwrap_or(&code.name)),
            file: self.intern(&code.filename),
            first_line: code.witness.first_line,
        });
        Ok(Ok(Named {
            function,
            lines: code.lines,
            witness: code.witness,
            shim,
        }))
    }

    /// One copy of each text: a hundred functions share one file name.
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

fn is_same_process(process: &PythonProcess) -> bool {
    discovery::start_boottime_ns(process.pid).is_ok_and(|start| start == process.start_boottime_ns)
}
