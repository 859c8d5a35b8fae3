//! `_Py_DebugOffsets`: the offsets that CPython publishes about itself, from 3.13 on.
//!
//! The structure leads `_PyRuntime` and is initialised at compile time, so the ELF
//! file has it. It carries a cookie and the version, but not its own size, and its
//! fields change between minor versions: each has its list here.
//! Source: `Include/internal/pycore_runtime.h` (3.13).

use leakcpu_common::python::{FRAME_READ_BYTES, PyLayout};

use super::{GilPlace, InstructionPointer, InterpreterLayout, ObjectLayout, table};
use crate::{
    elf::PythonElf,
    interpreter::{LineTableKind, PythonVersion},
};

const COOKIE: &[u8; 8] = b"xdebugpy";

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
    /// The structure was written by another version.
    #[error("_Py_DebugOffsets is of version {found:#x}, the interpreter of {version}")]
    Version {
        /// `version` of the structure.
        found: u64,
        /// Version of the interpreter.
        version: PythonVersion,
    },
    /// Built without the GIL.
    #[error("a free-threaded build, which is not read so far")]
    FreeThreaded,
    /// A figure contradicts what is known otherwise.
    #[error("_Py_DebugOffsets has an unknown form: {field} is {value}")]
    Implausible {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

/// Where in `_Py_DebugOffsets` each figure is, as the index of an 8-byte word.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// Words of the whole structure.
    words: usize,
    runtime_size: usize,
    runtime_interpreters_head: usize,
    interp_next: usize,
    interp_threads_head: usize,
    interp_ceval_gil: usize,
    interp_gil: usize,
    interp_gil_locked: usize,
    interp_gil_holder: usize,
    tstate_size: usize,
    tstate_next: usize,
    tstate_interp: usize,
    tstate_current_frame: usize,
    tstate_thread_id: usize,
    tstate_native_thread_id: usize,
    frame_previous: usize,
    frame_executable: usize,
    frame_instr: usize,
    frame_owner: usize,
    code_size: usize,
    code_filename: usize,
    code_name: usize,
    code_qualname: usize,
    code_line_table: usize,
    code_first_line: usize,
    code_adaptive: usize,
    object_type: usize,
    bytes_size: usize,
    bytes_data: usize,
    unicode_state: usize,
    unicode_length: usize,
    unicode_ascii_size: usize,
    /// Not in the structure: low bits of the code pointer that are a tag.
    code_tag_mask: u16,
    /// Not in the structure: first `owner` that marks a placeholder.
    placeholder_owner: u16,
    /// Not in the structure: `PyThreadState.datastack_chunk`.
    tstate_datastack: u16,
    /// Not in the structure: `_PyStackChunk.data`.
    chunk_data: u16,
    /// Not in the structure: `PyCodeObject.co_flags`.
    code_flags: u16,
}

/// The field list of a minor version; `None` if there is none.
pub fn fields(minor: u8) -> Option<Fields> {
    (minor == 13).then_some(FIELDS_3_13)
}

/// 584 bytes.
const FIELDS_3_13: Fields = Fields {
    words: 73,
    runtime_size: 3,
    runtime_interpreters_head: 5,
    interp_next: 8,
    interp_threads_head: 9,
    interp_ceval_gil: 14,
    interp_gil: 15,
    interp_gil_locked: 17,
    interp_gil_holder: 18,
    tstate_size: 19,
    tstate_next: 21,
    tstate_interp: 22,
    tstate_current_frame: 23,
    tstate_thread_id: 24,
    tstate_native_thread_id: 25,
    frame_previous: 29,
    frame_executable: 30,
    frame_instr: 31,
    frame_owner: 33,
    code_size: 34,
    code_filename: 35,
    code_name: 36,
    code_qualname: 37,
    code_line_table: 38,
    code_first_line: 39,
    code_adaptive: 43,
    object_type: 45,
    bytes_size: 65,
    bytes_data: 66,
    unicode_state: 68,
    unicode_length: 69,
    unicode_ascii_size: 70,
    code_tag_mask: 0,
    placeholder_owner: 3,
    tstate_datastack: 232,
    chunk_data: 24,
    code_flags: 48,
};

/// The structure's words with bounds on what they may be.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn word(&self, index: usize) -> u64 {
        // `layout` has checked that the structure is all there.
        self.bytes[index * 8..]
            .first_chunk()
            .map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    }

    /// An offset of a field of `field_bytes` in a structure of `size` bytes.
    fn offset(
        &self,
        field: &'static str,
        index: usize,
        field_bytes: u64,
        size: u64,
    ) -> Result<u64, DebugOffsetsError> {
        let value = self.word(index);
        let fits = value
            .checked_add(field_bytes)
            .is_some_and(|end| end <= size);
        if fits {
            Ok(value)
        } else {
            Err(DebugOffsetsError::Implausible { field, value })
        }
    }

    fn short(
        &self,
        field: &'static str,
        index: usize,
        size: u64,
    ) -> Result<u16, DebugOffsetsError> {
        let value = self.offset(field, index, 1, size)?;
        u16::try_from(value).map_err(|_| DebugOffsetsError::Implausible { field, value })
    }

    fn long(&self, field: &'static str, index: usize, size: u64) -> Result<u32, DebugOffsetsError> {
        let value = self.offset(field, index, 8, size)?;
        u32::try_from(value).map_err(|_| DebugOffsetsError::Implausible { field, value })
    }
}

/// Reads the structure out of the file's `_PyRuntime`.
pub fn layout(
    elf: &PythonElf,
    version: PythonVersion,
    fields: Fields,
) -> Result<InterpreterLayout, DebugOffsetsError> {
    let bytes = elf.runtime_head.as_slice();
    if !bytes.starts_with(COOKIE) {
        return Err(DebugOffsetsError::Cookie);
    }
    if bytes.len() < fields.words * 8 {
        return Err(DebugOffsetsError::Short {
            found: bytes.len(),
            needed: fields.words * 8,
        });
    }
    let r = Reader { bytes };
    if elf.version_hex.map(u64::from) != Some(r.word(1)) {
        return Err(DebugOffsetsError::Version {
            found: r.word(1),
            version,
        });
    }
    if r.word(2) != 0 {
        return Err(DebugOffsetsError::FreeThreaded);
    }
    // The structure's own figures must agree with the symbol table and each other.
    let runtime = r.word(fields.runtime_size);
    if runtime != elf.runtime.size {
        return Err(DebugOffsetsError::Implausible {
            field: "runtime_state.size",
            value: runtime,
        });
    }
    let interp = 64 << 20;
    let tstate = r.offset("thread_state.size", fields.tstate_size, 0, 64 << 10)?;
    let code = r.offset("code_object.size", fields.code_size, 0, 4096)?;
    let window = FRAME_READ_BYTES as u64;
    let ascii_size = r.short(
        "unicode_object.asciiobject_size",
        fields.unicode_ascii_size,
        256,
    )?;
    let code_adaptive = r.short("code_object.co_code_adaptive", fields.code_adaptive, code)?;
    let head = r.long(
        "runtime_state.interpreters_head",
        fields.runtime_interpreters_head,
        runtime - 8,
    )?;
    let gil = r.offset(
        "interpreter_state.gil_runtime_state",
        fields.interp_gil,
        8,
        interp,
    )?;
    // The GIL's fields are published as offsets in the interpreter state that it is
    // part of; the struct itself has not changed.
    let gil_layout = table::gil(GilPlace::BehindInterpreter(r.long(
        "interpreter_state.ceval_gil",
        fields.interp_ceval_gil,
        interp,
    )?));
    for (field, index, expected) in [
        (
            "interpreter_state.gil_runtime_state_locked",
            fields.interp_gil_locked,
            gil_layout.locked,
        ),
        (
            "interpreter_state.gil_runtime_state_holder",
            fields.interp_gil_holder,
            gil_layout.last_holder,
        ),
    ] {
        let value = r.word(index);
        if value != gil + u64::from(expected) {
            return Err(DebugOffsetsError::Implausible { field, value });
        }
    }
    let first_line = r.short("code_object.firstlineno", fields.code_first_line, code)?;
    let filename = r.short("code_object.filename", fields.code_filename, code)?;
    let name = r.short("code_object.name", fields.code_name, code)?;
    let qualname = r.short("code_object.qualname", fields.code_qualname, code)?;
    let line_table = r.short("code_object.linetable", fields.code_line_table, code)?;
    Ok(InterpreterLayout {
        walk: PyLayout {
            // `struct pyinterpreters`: `main` follows `head`.
            runtime_main_interpreter: head + 8,
            runtime_interpreters_head: head,
            interp_threads_head: r.long(
                "interpreter_state.threads_head",
                fields.interp_threads_head,
                interp,
            )?,
            interp_next: r.long("interpreter_state.next", fields.interp_next, interp)?,
            tstate_next: r.short("thread_state.next", fields.tstate_next, tstate)?,
            tstate_thread_id: r.short("thread_state.thread_id", fields.tstate_thread_id, tstate)?,
            tstate_frame: r.short(
                "thread_state.current_frame",
                fields.tstate_current_frame,
                tstate,
            )?,
            tstate_native_thread_id: r.short(
                "thread_state.native_thread_id",
                fields.tstate_native_thread_id,
                tstate,
            )?,
            tstate_datastack: fields.tstate_datastack,
            chunk_data: fields.chunk_data,
            frame_indirect: 0,
            cframe_current_frame: 0,
            frame_base: 0,
            frame_code: r.short(
                "interpreter_frame.executable",
                fields.frame_executable,
                window - 7,
            )?,
            frame_previous: r.short(
                "interpreter_frame.previous",
                fields.frame_previous,
                window - 7,
            )?,
            frame_instr: r.short(
                "interpreter_frame.instr_ptr",
                fields.frame_instr,
                window - 7,
            )?,
            frame_instr_spare_bits: 0,
            frame_owner: r.short("interpreter_frame.owner", fields.frame_owner, window)?,
            placeholder_owner: fields.placeholder_owner,
            frame_entry: 0,
            frame_entry_mask: 0,
            root_is_entry: 1,
            frame_root: 0,
            code_tag_mask: fields.code_tag_mask,
            code_flags: fields.code_flags,
            code_first_line: first_line,
            code_filename: filename,
            code_name: name,
            code_qualname: qualname,
            code_line_table: line_table,
            text_data: ascii_size,
            valid: 1,
            frame_root_mask: 0,
        },
        object: ObjectLayout {
            ob_type: r.short("pyobject.ob_type", fields.object_type, 64)?,
            code_first_line: first_line,
            code_filename: filename,
            code_name: name,
            code_qualname: Some(qualname),
            code_line_table: line_table,
            // `_co_firsttraceable` and `co_extra` precede `co_code_adaptive`.
            code_first_traceable: code_adaptive.checked_sub(16),
            line_table_kind: LineTableKind::Locations,
            instruction_pointer: InstructionPointer::Pointer(code_adaptive),
            unicode_length: r.short("unicode_object.length", fields.unicode_length, 64)?,
            unicode_state: r.short("unicode_object.state", fields.unicode_state, 64)?,
            unicode_ascii_data: ascii_size,
            // `PyCompactUnicodeObject` adds `utf8_length` and `utf8`.
            unicode_compact_data: ascii_size + 16,
            bytes_size: r.short("bytes_object.ob_size", fields.bytes_size, 64)?,
            bytes_data: r.short("bytes_object.ob_sval", fields.bytes_data, 64)?,
            ..table::OBJECT_3_12
        },
        gil: gil_layout,
        tstate_interp: r.short("thread_state.interp", fields.tstate_interp, tstate)?,
        published: true,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::elf::{LoadSegment, Symbol};

    /// `_Py_DebugOffsets` of 3.13.0, release build with the GIL, word by word.
    #[rustfmt::skip]
    const WORDS_3_13_0: [u64; 73] = [
        u64::from_le_bytes(*COOKIE), 0x030d_00f0, 0,
        // runtime_state, interpreter_state, thread_state, interpreter_frame, code_object
        283_320, 608, 632,
        194_968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16, 7752, 0, 7768, 7760,
        304, 0, 8, 16, 72, 152, 160, 232, 32,
        80, 8, 0, 56, 72, 70,
        208, 112, 120, 128, 136, 68, 52, 96, 104, 200,
        // pyobject, type_object, tuple_object, list_object, dict_object, float_object
        16, 8,
        416, 24, 88, 168,
        32, 24, 16,
        40, 24, 16,
        48, 32, 40,
        24, 16,
        // long_object, bytes_object, unicode_object, gc
        32, 16, 24,
        40, 16, 32,
        64, 32, 16, 40,
        240, 200,
    ];

    fn elf(words: &[u64]) -> PythonElf {
        PythonElf {
            machine: 62,
            runtime: Symbol {
                address: 0x1000,
                size: 283_320,
            },
            runtime_head: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
            version_hex: Some(0x030d_00f0),
            version_strings: BTreeSet::new(),
            has_api_3_8: true,
            has_api_3_9: true,
            has_api_3_10: true,
            code_type: None,
            frame_type: None,
            segments: vec![LoadSegment {
                file_offset: 0,
                file_bytes: 0,
                address: 0,
                memory_bytes: 0,
            }],
            build_id: None,
        }
    }

    fn read(words: &[u64]) -> Result<InterpreterLayout, DebugOffsetsError> {
        let version = PythonVersion::from_hex(0x030d_00f0).unwrap();
        layout(&elf(words), version, FIELDS_3_13)
    }

    #[test]
    fn of_3_13() {
        let layout = read(&WORDS_3_13_0).unwrap();
        assert_eq!(layout.walk.runtime_main_interpreter, 640);
        assert_eq!(layout.walk.interp_threads_head, 7344);
        assert_eq!(layout.walk.tstate_frame, 72);
        assert_eq!(layout.walk.tstate_native_thread_id, 160);
        assert_eq!((layout.walk.frame_owner, layout.walk.frame_instr), (70, 56));
        assert_eq!(layout.gil.place, GilPlace::BehindInterpreter(16));
        assert_eq!(
            layout.object.instruction_pointer,
            InstructionPointer::Pointer(200)
        );
        assert_eq!(
            (
                layout.object.unicode_ascii_data,
                layout.object.unicode_compact_data
            ),
            (40, 56)
        );
    }

    #[test]
    fn what_is_unlike_it_is_refused() {
        let with = |at: usize, value: u64| {
            let mut words = WORDS_3_13_0;
            words[at] = value;
            read(&words).unwrap_err()
        };
        assert_eq!(with(0, 0), DebugOffsetsError::Cookie);
        assert!(matches!(
            with(1, 0x030d_01f0),
            DebugOffsetsError::Version {
                found: 0x030d_01f0,
                ..
            }
        ));
        assert_eq!(with(2, 1), DebugOffsetsError::FreeThreaded);
        assert!(matches!(
            with(3, 1),
            DebugOffsetsError::Implausible {
                field: "runtime_state.size",
                value: 1
            }
        ));
        assert!(matches!(
            read(&WORDS_3_13_0[..72]),
            Err(DebugOffsetsError::Short { needed: 584, .. })
        ));
        assert!(matches!(read(&[]), Err(DebugOffsetsError::Cookie)));
    }

    #[test]
    fn no_offset_reaches_out_of_its_structure() {
        // Every word that is used, one at a time.
        for at in 3..WORDS_3_13_0.len() {
            for value in [u64::MAX, 1 << 40, 100_000_000] {
                let mut words = WORDS_3_13_0;
                words[at] = value;
                if let Ok(layout) = read(&words) {
                    assert_eq!(
                        layout,
                        read(&WORDS_3_13_0).unwrap(),
                        "word {at} is used unchecked"
                    );
                }
            }
        }
    }
}
