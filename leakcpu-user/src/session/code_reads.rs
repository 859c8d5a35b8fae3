//! The parts of code objects that were sampled: of the very object, or none.

use std::sync::Arc;

use super::{stacks::Stacks, watched::Watched};
use crate::{
    bytecode::DecodeError,
    interpreter::{CodeError, CodeParts, PythonProcess, read_parts, read_witness},
    symbolize::CodeId,
};

/// Why a code object cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unjudged {
    #[error("its process has ended")]
    Ended,
    #[error("another may have been at its address")]
    Replaced,
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Bytes(#[from] DecodeError),
}

/// Reads a code object, or takes what was read of it while it was there.
pub(super) fn read_or_kept(
    process: &PythonProcess,
    watched: &Watched,
    code: CodeId,
) -> Result<Arc<CodeParts>, Unjudged> {
    let now = if watched.exited {
        Err(Unjudged::Ended)
    } else {
        read(process, &watched.stacks, code).map(Arc::new)
    };
    now.or_else(|why| watched.hot_code.get(code).ok_or(why))
}

/// The same for a wait; what cannot be read is no evidence.
pub(super) fn read_for_wait(
    process: &PythonProcess,
    watched: &Watched,
    code: CodeId,
) -> Option<Arc<CodeParts>> {
    read_or_kept(process, watched, code)
        .inspect_err(|why| {
            tracing::debug!(pid = process.pid, %why, "code object not read for a wait");
        })
        .ok()
}

/// Reads the parts of a code object that was sampled.
pub(super) fn read(
    process: &PythonProcess,
    stacks: &Stacks,
    code: CodeId,
) -> Result<CodeParts, Unjudged> {
    let (address, witness) = stacks.whereabouts(code).ok_or(Unjudged::Replaced)?;
    let parts = read_parts(&process.memory(), process, address)?;
    // The same object as the one that was sampled.
    let there = read_witness(process, address).map_err(CodeError::from)?;
    if there == Some(witness) {
        Ok(parts)
    } else {
        Err(Unjudged::Replaced)
    }
}
