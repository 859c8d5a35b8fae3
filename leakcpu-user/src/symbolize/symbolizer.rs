//! Names of frames, from the target's memory or copies of it, once per code object.

use leakcpu_common::stack::RawFrame;

use super::{
    cache::{ImageKey, NameCache},
    name::{NoName, SymbolizeError, SymbolizedFrame},
};
use crate::{
    collect::CopiedCode,
    discovery,
    interpreter::{
        CodeError, CodeObject, CopiedMemory, PythonProcess, RemoteError, TextError, read_code,
    },
};

/// Names frames; keeps what it has read, also of processes that have ended.
///
/// A frame says with its witness which code object it means. A name is given only if
/// the object that it was read from has that witness; where the kernel side could not
/// read the witness, the address alone says it.
#[derive(Debug, Default)]
pub struct Symbolizer {
    names: NameCache,
}

impl Symbolizer {
    /// One that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names dropped for want of room; they are read again when wanted again, as long as
    /// their process lives.
    pub fn evicted(&self) -> u64 {
        self.names.evicted
    }

    /// Takes in a code object that the kernel side copied.
    pub fn add_copy(&mut self, process: &PythonProcess, copied: &CopiedCode) {
        let image = ImageKey::of(process);
        let key = (copied.code, copied.witness);
        if self.names.get(image, key).is_some() {
            return;
        }
        let memory = CopiedMemory::new(&copied.segments);
        match read_code(&memory, process, copied.code) {
            Ok(mut code) => {
                // The end of a long text, of which the witness is made, was not copied.
                code.witness = copied.witness;
                if !code.is_whole {
                    // All of it, if it is still there.
                    self.read_ahead(process, [copied.code]);
                }
                if self.names.get(image, key).is_none() {
                    self.names.insert(image, code);
                }
            }
            Err(error) => tracing::debug!(pid = process.pid, %error, "copied code object not read"),
        }
    }

    /// Reads the code objects of `frames` of `process` that are not known: many at once
    /// are cheaper than one by one. What cannot be read is left to
    /// [`Symbolizer::symbolize`].
    pub fn read_all(&mut self, process: &PythonProcess, frames: impl Iterator<Item = RawFrame>) {
        let image = ImageKey::of(process);
        let unknown: std::collections::HashSet<u64> = frames
            .filter(|frame| frame.address() != 0 && frame.witness != 0)
            .filter(|frame| {
                self.names
                    .get(image, (frame.address(), frame.witness))
                    .is_none()
            })
            .map(RawFrame::address)
            .collect();
        if !unknown.is_empty() {
            self.read_ahead(process, unknown);
        }
    }

    fn read_ahead(&mut self, process: &PythonProcess, addresses: impl IntoIterator<Item = u64>) {
        let mut read = Vec::new();
        for address in addresses {
            match read_code(&process.memory(), process, address) {
                Ok(code) => read.push(code),
                Err(error) if is_final(error) => break,
                Err(_) => {}
            }
        }
        // After the reads: the pid was still this process while it was being read.
        if !read.is_empty() && is_same_process(process) {
            for code in read {
                self.names.insert(ImageKey::of(process), code);
            }
        }
    }

    /// The name of `frame` of `process`.
    pub fn symbolize(
        &mut self,
        process: &PythonProcess,
        frame: RawFrame,
    ) -> Result<Result<SymbolizedFrame, NoName>, SymbolizeError> {
        let address = frame.address();
        // A frame between C and Python is `None`'s before it says that it is one.
        if address == 0 || process.none == Some(address) {
            return Ok(Err(NoName::Placeholder));
        }
        let image = ImageKey::of(process);
        let mut witness = frame.witness;
        let known = self.names.get(image, (address, witness));
        // In a copy of the instructions that a thread has made since it was read.
        let has_moved = process.layout.object.code_bytecode_copies.is_some()
            && known.is_some_and(|named| named.lines.offset(frame.instr).is_none());
        let is_known = known.is_some();
        if !is_known || has_moved {
            let code = match read(process, address)? {
                Ok(code) => code,
                Err(_) if is_known => return Ok(self.known(image, witness, frame)),
                Err(no_name) => return Ok(Err(no_name)),
            };
            let there = code.witness;
            self.names.insert(image, code);
            if witness == 0 {
                witness = there;
            } else if witness != there {
                return Ok(Err(NoName::Replaced { witness: there }));
            }
        }
        Ok(self.known(image, witness, frame))
    }

    fn known(
        &self,
        image: ImageKey,
        witness: u64,
        frame: RawFrame,
    ) -> Result<SymbolizedFrame, NoName> {
        self.names
            .get(image, (frame.address(), witness))
            .ok_or(NoName::Unreadable)
            .and_then(|named| named.frame(frame.instr))
    }

    /// The name of `frame` of `child`, which was forked from `parent`: where the child
    /// has ended before it was read, the parent's memory answers. A fork copies
    /// addresses, so that functions defined before it are at the same place in both;
    /// one that the child defined itself stays without a name, for its witness is
    /// another.
    pub fn symbolize_forked(
        &mut self,
        child: &PythonProcess,
        parent: &PythonProcess,
        frame: RawFrame,
    ) -> Result<Result<SymbolizedFrame, NoName>, SymbolizeError> {
        match self.symbolize(child, frame)? {
            Err(NoName::ProcessGone) if child.kernel.runtime == parent.kernel.runtime => {
                match self.symbolize(parent, frame)? {
                    // The parent's business.
                    Err(NoName::Torn | NoName::Replaced { .. }) => Ok(Err(NoName::ProcessGone)),
                    answer => Ok(answer),
                }
            }
            answer => Ok(answer),
        }
    }
}

/// Reads one code object.
fn read(
    process: &PythonProcess,
    address: u64,
) -> Result<Result<CodeObject, NoName>, SymbolizeError> {
    let no_code = || {
        if process.layout.walk.frame_indirect == 1 {
            // Frame chains of 3.11 and 3.12 are published before they are whole.
            NoName::Torn
        } else {
            NoName::Freed
        }
    };
    let no_name = match read_code(&process.memory(), process, address) {
        // After the read: the pid was still this process while it was being read.
        Ok(code) if is_same_process(process) => return Ok(Ok(code)),
        Ok(_) => NoName::ProcessGone,
        Err(CodeError::Remote(error) | CodeError::Text(TextError::Remote(error))) => match error {
            RemoteError::Gone { .. } => NoName::ProcessGone,
            RemoteError::Unmapped { .. } if !is_same_process(process) => NoName::ProcessGone,
            RemoteError::Unmapped { .. } => no_code(),
            RemoteError::TooLong { .. } => NoName::Unreadable,
            RemoteError::Denied { .. } | RemoteError::Os { .. } => return Err(error.into()),
        },
        Err(CodeError::NotCode { .. }) if !is_same_process(process) => NoName::ProcessGone,
        Err(CodeError::NotCode { .. }) => no_code(),
        Err(CodeError::Freed { .. }) => NoName::Freed,
        Err(CodeError::Text(TextError::NotCompact { .. })) => NoName::Unreadable,
    };
    Ok(Err(no_name))
}

/// Whether further reads of this process would fail alike.
fn is_final(error: CodeError) -> bool {
    let (CodeError::Remote(error) | CodeError::Text(TextError::Remote(error))) = error else {
        return false;
    };
    matches!(
        error,
        RemoteError::Gone { .. } | RemoteError::Denied { .. } | RemoteError::Os { .. }
    )
}

pub(super) fn is_same_process(process: &PythonProcess) -> bool {
    discovery::start_boottime_ns(process.pid).is_ok_and(|start| start == process.start_boottime_ns)
}
