//! `_Py_DebugOffsets`: the offsets that CPython publishes about itself, from 3.13 on.
//!
//! The structure leads `_PyRuntime` and is initialised at compile time, so the ELF
//! file has it. It carries a cookie and the version, but not its own size, and it
//! grows between minor versions: [`words`] knows their order.
//!
//! What is not published is [`unpublished`] data: few constants of few headers.

mod reader;
mod unpublished;
mod words;

use leakcpu_common::python::{FRAME_READ_BYTES, PyLayout};

pub use self::words::{KNOWN_MINORS, Word, words};
use self::{
    reader::{Reader, implausible},
    unpublished::Unpublished,
};
use super::{
    GilPlace, InstructionPointer, InterpreterLayout, LockLayout, ObjectLayout, PartsLayout,
};
use crate::{
    elf::PythonElf,
    interpreter::{LineTableKind, PythonVersion},
};

/// Why published offsets are not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DebugOffsetsError {
    /// The file's data ends before the structure does.
    #[error("the file holds {found} bytes of _PyRuntime, _Py_DebugOffsets needs {needed}")]
    Short {
        /// Bytes there are.
        found: usize,
        /// Bytes of this version's structure.
        needed: usize,
    },
    /// The structure is not where it should be.
    #[error("_PyRuntime does not begin with the cookie of _Py_DebugOffsets")]
    Cookie,
    /// The structure has a cookie, but its words are not known.
    #[error("the size and the order of _Py_DebugOffsets of Python {version} are not known")]
    Unknown {
        /// Version of the interpreter.
        version: PythonVersion,
    },
    /// The structure was written by another version.
    #[error("_Py_DebugOffsets is of version {found:#x}, the interpreter of {version}")]
    Version {
        /// `version` of the structure.
        found: u64,
        /// Version of the interpreter.
        version: PythonVersion,
    },
    /// A figure contradicts what is known otherwise.
    #[error("_Py_DebugOffsets has an unknown form: {field} is {value}")]
    Implausible {
        /// Which field.
        field: String,
        /// Its value.
        value: u64,
    },
}

/// No thread state is larger: 3.15's has 888 bytes.
const MAX_TSTATE_BYTES: u64 = 64 << 10;
/// No code object's fixed part is larger: free-threaded ones have 240 bytes.
const MAX_CODE_BYTES: u64 = 4096;
/// No object's head that is read is larger: free-threaded strings have 80 bytes.
const MAX_OBJECT_BYTES: u64 = 96;

/// `PY_VERSION_HEX` as the structure has it; `None` if there is no structure.
pub fn version_hex(elf: &PythonElf) -> Option<u32> {
    reader::version_hex(&elf.runtime_head).and_then(|hex| u32::try_from(hex).ok())
}

/// Reads the structure out of the file's `_PyRuntime`.
pub fn layout(
    elf: &PythonElf,
    version: PythonVersion,
) -> Result<InterpreterLayout, DebugOffsetsError> {
    let r = Reader::new(&elf.runtime_head, version)?;
    let found = reader::version_hex(&elf.runtime_head).unwrap_or(0);
    if u32::try_from(found).ok().and_then(PythonVersion::from_hex) != Some(version) {
        return Err(DebugOffsetsError::Version { found, version });
    }
    let free_threaded = r.is_free_threaded()?;
    let unpublished = Unpublished::of(version.minor, free_threaded);

    // Where the symbol table has the size, it must agree.
    let runtime: u64 = r.at_most("runtime_state", "size", u64::MAX)?;
    if runtime != elf.runtime.size {
        let (group, name) = ("runtime_state", "size");
        return Err(implausible(Word { group, name }, runtime));
    }
    let interp = |name| r.at_most::<u32>("interpreter_state", name, u64::MAX);
    let tstate = |name| r.at_most::<u16>("thread_state", name, MAX_TSTATE_BYTES);
    let code = |name| r.at_most::<u16>("code_object", name, MAX_CODE_BYTES);
    let frame =
        |name, bytes| r.at_most::<u16>("interpreter_frame", name, FRAME_READ_BYTES as u64 - bytes);
    let object = |group, name| r.at_most::<u16>(group, name, MAX_OBJECT_BYTES);

    // `struct pyinterpreters`: `main` follows `head`.
    let head = r.at_most::<u32>("runtime_state", "interpreters_head", runtime - 16)?;
    let gil = unpublished.gil(GilPlace::BehindInterpreter(interp("ceval_gil")?));
    // The GIL's fields are published as offsets in the interpreter state that it is
    // part of.
    let gil_start = interp("gil_runtime_state")?;
    for (name, expected) in [
        ("gil_runtime_state_locked", gil.locked),
        ("gil_runtime_state_holder", gil.last_holder),
    ] {
        let value = interp(name)?;
        if gil_start.checked_add(u32::from(expected)) != Some(value) {
            let group = "interpreter_state";
            return Err(implausible(Word { group, name }, value.into()));
        }
    }
    let code_adaptive = code("co_code_adaptive")?;
    let ascii_data = object("unicode_object", "asciiobject_size")?;
    let object_layout = ObjectLayout {
        ob_type: object("pyobject", "ob_type")?,
        tp_members: unpublished.tp_members,
        code_flags: unpublished.code_flags,
        code_first_line: code("firstlineno")?,
        code_filename: code("filename")?,
        code_name: code("name")?,
        code_qualname: Some(code("qualname")?),
        code_line_table: code("linetable")?,
        code_first_traceable: code_adaptive.checked_sub(unpublished.code_after_first_traceable),
        code_bytecode_copies: unpublished
            .has_bytecode_copies
            .then(|| code("co_tlbc"))
            .transpose()?,
        line_table_kind: LineTableKind::Locations,
        instruction_pointer: InstructionPointer::Pointer(code_adaptive),
        unicode_length: object("unicode_object", "length")?,
        unicode_state: object("unicode_object", "state")?,
        unicode_kind_bit: unpublished.unicode_kind_bit,
        unicode_compact_bit: unpublished.unicode_compact_bit,
        unicode_ascii_bit: unpublished.unicode_compact_bit + 1,
        unicode_ascii_data: ascii_data,
        // `PyCompactUnicodeObject` adds `utf8_length` and `utf8`.
        unicode_compact_data: ascii_data + 16,
        bytes_size: object("bytes_object", "ob_size")?,
        bytes_data: object("bytes_object", "ob_sval")?,
    };
    if let Some(value) = r.get("unicode_object", "compactunicodeobject_size")
        && value != u64::from(object_layout.unicode_compact_data)
    {
        let (group, name) = ("unicode_object", "compactunicodeobject_size");
        return Err(implausible(Word { group, name }, value));
    }
    let walk = PyLayout {
        runtime_main_interpreter: head + 8,
        runtime_interpreters_head: head,
        interp_threads_head: interp("threads_head")?,
        interp_next: interp("next")?,
        tstate_next: tstate("next")?,
        tstate_thread_id: tstate("thread_id")?,
        tstate_frame: tstate("current_frame")?,
        tstate_native_thread_id: tstate("native_thread_id")?,
        tstate_datastack: tstate("datastack_chunk")?,
        chunk_data: unpublished::CHUNK_DATA,
        frame_indirect: 0,
        cframe_current_frame: 0,
        frame_base: 0,
        frame_code: frame("executable", 8)?,
        frame_previous: frame("previous", 8)?,
        frame_instr: frame("instr_ptr", 8)?,
        frame_instr_spare_bits: 0,
        frame_owner: frame("owner", 1)?,
        placeholder_owner: unpublished::PLACEHOLDER_OWNER,
        frame_entry: 0,
        frame_entry_mask: 0,
        root_is_entry: 1,
        frame_root: 0,
        code_tag_mask: unpublished.code_tag_mask,
        code_flags: object_layout.code_flags,
        code_first_line: object_layout.code_first_line,
        code_filename: object_layout.code_filename,
        code_name: object_layout.code_name,
        code_qualname: code("qualname")?,
        code_line_table: object_layout.code_line_table,
        text_data: ascii_data,
        text_compact_data: object_layout.unicode_compact_data,
        text_length: object_layout.unicode_length,
        text_state: object_layout.unicode_state,
        text_ascii_bit: object_layout.unicode_ascii_bit.into(),
        valid: 1,
        frame_root_mask: 0,
    };
    Ok(InterpreterLayout {
        walk,
        object: object_layout,
        gil,
        lock: LockLayout::of(version.minor, free_threaded),
        parts: PartsLayout::of(version.minor, free_threaded),
        tstate_interp: tstate("interp")?,
        free_threaded,
        published: true,
    })
}

#[cfg(test)]
mod tests;
