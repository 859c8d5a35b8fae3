//! Offsets of the versions that do not publish them: 3.8 to 3.12, x86-64 and
//! release builds, measured with the compiler from each version's own headers.
//!
//! Sources: `Include/cpython/pystate.h`, `Include/cpython/code.h`,
//! `Include/cpython/frameobject.h` (up to 3.10), `Include/internal/pycore_frame.h`
//! (from 3.11), `Include/internal/pycore_runtime.h`, `pycore_interp.h`, `pycore_gil.h`.

use leakcpu_common::python::{NO_DATASTACK, NO_PLACEHOLDER, PyLayout};

use super::{
    GilLayout, GilPlace, InstructionPointer, InterpreterLayout, LockLayout, ObjectLayout,
    PartsLayout,
};
use crate::interpreter::LineTableKind;

/// Oldest minor version in the table.
pub(super) const OLDEST_MINOR: u8 = 8;

/// The table's entry for a minor version.
pub(super) fn layout(minor: u8) -> Option<InterpreterLayout> {
    TABLE
        .get(usize::from(minor.checked_sub(OLDEST_MINOR)?))
        .copied()
}

/// `struct _gil_runtime_state`: `interval` at 0, `last_holder`, `locked`,
/// `switch_number`, then condition variable (48 bytes), mutex (40), and a second
/// pair for `FORCE_SWITCHING`. Unchanged from 3.8 to 3.15 with the GIL.
pub(super) const fn gil(place: GilPlace) -> GilLayout {
    gil_behind(place, 0)
}

/// The same in free-threaded builds, where `enabled` leads it.
pub(super) const fn gil_with_switch(place: GilPlace) -> GilLayout {
    GilLayout {
        enabled: Some(0),
        ..gil_behind(place, 8)
    }
}

const fn gil_behind(place: GilPlace, bytes: u16) -> GilLayout {
    GilLayout {
        place,
        enabled: None,
        interval: bytes,
        last_holder: bytes + 8,
        locked: bytes + 16,
        cond: bytes + 32,
        end: bytes + 208,
    }
}

/// `PyFrameObject`, 3.8 to 3.10; `lasti` and `generator` are the offsets of `f_lasti`
/// and `f_gen`. The wide read begins at `f_back`, so that it reaches `f_lasti`.
const fn walk_with_frame_objects(lasti: u16, generator: u16) -> PyLayout {
    PyLayout {
        runtime_main_interpreter: 40,
        runtime_interpreters_head: 32,
        interp_threads_head: 8,
        interp_next: 0,
        tstate_next: 8,
        tstate_thread_id: 176,
        tstate_frame: 24,
        tstate_native_thread_id: 0,
        tstate_datastack: NO_DATASTACK,
        chunk_data: 0,
        frame_indirect: 0,
        cframe_current_frame: 0,
        frame_base: 24,
        frame_code: 32 - 24,
        frame_previous: 0,
        frame_instr: lasti - 24,
        frame_instr_spare_bits: 32,
        frame_owner: 0,
        placeholder_owner: NO_PLACEHOLDER,
        frame_entry: 0,
        frame_entry_mask: 0,
        root_is_entry: 0,
        frame_root: generator - 24,
        code_tag_mask: 0,
        code_flags: 36,
        code_first_line: 40,
        code_filename: 104,
        code_name: 112,
        code_qualname: 112,
        code_line_table: 120,
        text_data: 48,
        text_compact_data: 72,
        text_length: 16,
        text_state: 32,
        text_ascii_bit: 6,
        valid: 1,
        frame_root_mask: u64::MAX,
    }
}

/// `_PyInterpreterFrame` behind a `_PyCFrame`, 3.11.
const WALK_3_11: PyLayout = PyLayout {
    runtime_main_interpreter: 48,
    runtime_interpreters_head: 40,
    interp_threads_head: 16,
    interp_next: 0,
    tstate_next: 8,
    tstate_thread_id: 152,
    tstate_frame: 56,
    tstate_native_thread_id: 160,
    tstate_datastack: 296,
    chunk_data: 24,
    frame_indirect: 1,
    cframe_current_frame: 8,
    frame_base: 0,
    frame_code: 32,
    frame_previous: 48,
    frame_instr: 56,
    frame_instr_spare_bits: 0,
    // No value of `owner` marks a placeholder in 3.11.
    frame_owner: 69,
    placeholder_owner: NO_PLACEHOLDER,
    frame_entry: 68,
    frame_entry_mask: 1,
    root_is_entry: 1,
    frame_root: 69,
    code_tag_mask: 0,
    code_flags: 48,
    code_first_line: 72,
    code_filename: 112,
    code_name: 120,
    code_qualname: 128,
    code_line_table: 136,
    text_data: 48,
    text_compact_data: 72,
    text_length: 16,
    text_state: 32,
    text_ascii_bit: 6,
    valid: 1,
    frame_root_mask: 0xff,
};

const WALK_3_12: PyLayout = PyLayout {
    interp_threads_head: 72,
    tstate_thread_id: 136,
    tstate_native_thread_id: 144,
    tstate_datastack: 232,
    cframe_current_frame: 0,
    frame_code: 0,
    frame_previous: 8,
    frame_owner: 70,
    // FRAME_OWNED_BY_CSTACK of pycore_frame.h.
    placeholder_owner: 3,
    frame_entry: 0,
    frame_entry_mask: 0,
    frame_root_mask: 0,
    code_first_line: 68,
    text_data: 40,
    text_compact_data: 56,
    ..WALK_3_11
};

/// `PyCodeObject`, `PyUnicodeObject` and `PyBytesObject`, 3.8 to 3.10.
const OBJECT_3_8: ObjectLayout = ObjectLayout {
    ob_type: 8,
    tp_members: 240,
    code_flags: 36,
    code_first_line: 40,
    code_filename: 104,
    code_name: 112,
    code_qualname: None,
    code_line_table: 120,
    code_first_traceable: None,
    code_bytecode_copies: None,
    line_table_kind: LineTableKind::Lnotab,
    instruction_pointer: InstructionPointer::Bytes,
    unicode_length: 16,
    unicode_state: 32,
    unicode_kind_bit: 2,
    unicode_compact_bit: 5,
    unicode_ascii_bit: 6,
    unicode_ascii_data: 48,
    unicode_compact_data: 72,
    bytes_size: 16,
    bytes_data: 32,
};

const OBJECT_3_11: ObjectLayout = ObjectLayout {
    code_flags: 48,
    code_first_line: 72,
    code_filename: 112,
    code_name: 120,
    code_qualname: Some(128),
    code_line_table: 136,
    code_first_traceable: Some(168),
    line_table_kind: LineTableKind::Locations,
    instruction_pointer: InstructionPointer::Pointer(184),
    ..OBJECT_3_8
};

/// 3.12 dropped `wstr` and its length from strings (PEP 623).
const OBJECT_3_12: ObjectLayout = ObjectLayout {
    code_first_line: 68,
    code_first_traceable: Some(176),
    instruction_pointer: InstructionPointer::Pointer(192),
    unicode_ascii_data: 40,
    unicode_compact_data: 56,
    ..OBJECT_3_11
};

const TABLE: [InterpreterLayout; 5] = [
    // 3.8
    InterpreterLayout {
        walk: walk_with_frame_objects(104, 96),
        object: OBJECT_3_8,
        gil: gil(GilPlace::InRuntime(1152)),
        lock: LockLayout::of(8, false),
        parts: PartsLayout::of(8, false),
        tstate_interp: 16,
        free_threaded: false,
        published: false,
    },
    // 3.9
    InterpreterLayout {
        walk: walk_with_frame_objects(104, 96),
        object: OBJECT_3_8,
        gil: gil(GilPlace::InRuntime(352)),
        lock: LockLayout::of(9, false),
        parts: PartsLayout::of(9, false),
        tstate_interp: 16,
        free_threaded: false,
        published: false,
    },
    // 3.10
    InterpreterLayout {
        walk: walk_with_frame_objects(96, 88),
        object: ObjectLayout {
            line_table_kind: LineTableKind::Ranges,
            instruction_pointer: InstructionPointer::Units,
            ..OBJECT_3_8
        },
        gil: gil(GilPlace::InRuntime(352)),
        lock: LockLayout::of(10, false),
        parts: PartsLayout::of(10, false),
        tstate_interp: 16,
        free_threaded: false,
        published: false,
    },
    // 3.11
    InterpreterLayout {
        walk: WALK_3_11,
        object: OBJECT_3_11,
        gil: gil(GilPlace::InRuntime(360)),
        lock: LockLayout::of(11, false),
        parts: PartsLayout::of(11, false),
        tstate_interp: 16,
        free_threaded: false,
        published: false,
    },
    // 3.12
    InterpreterLayout {
        walk: WALK_3_12,
        object: OBJECT_3_12,
        gil: gil(GilPlace::BehindInterpreter(384)),
        lock: LockLayout::of(12, false),
        parts: PartsLayout::of(12, false),
        tstate_interp: 16,
        free_threaded: false,
        published: false,
    },
];
