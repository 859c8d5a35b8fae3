//! What a function takes and gives, by its code object.
//!
//! Source: `Include/cpython/code.h`.

use super::{PythonProcess, RemoteError};

/// Bits of `co_flags`.
const CO_VARARGS: u32 = 1 << 2;
const CO_VARKEYWORDS: u32 = 1 << 3;
const CO_GENERATOR: u32 = 1 << 5;
const CO_COROUTINE: u32 = 1 << 7;
const CO_ASYNC_GENERATOR: u32 = 1 << 9;

/// What a function is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Arguments that have a name, those that can only be given by it included.
    pub arguments: u32,
    /// It takes others besides: `*args`, `**kwargs`.
    pub takes_more: bool,
    /// A call of it gives a generator or a coroutine.
    pub is_generator: bool,
}

/// Reads what the function with the code object at an address is called with.
pub fn read_signature(process: &PythonProcess, code: u64) -> Result<Signature, RemoteError> {
    let memory = process.memory();
    let at = |offset: u16| memory.read_u32(code.wrapping_add(offset.into()));
    let layout = &process.layout;
    let flags = at(layout.object.code_flags)?;
    Ok(Signature {
        arguments: at(layout.parts.arguments)?.saturating_add(at(layout.parts.arguments + 8)?),
        takes_more: flags & (CO_VARARGS | CO_VARKEYWORDS) != 0,
        is_generator: flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR) != 0,
    })
}
