//! Offsets of what a code object's instructions refer to, and where its frames keep it.
//!
//! Sources: `Include/cpython/code.h`, `Include/cpython/frameobject.h` and
//! `Include/internal/pycore_frame.h`, `Include/cpython/tupleobject.h`,
//! `Include/cpython/longintrepr.h`, `Include/cpython/floatobject.h`. Of these only
//! `co_localsplusnames` and the insides of tuples, integers and floats are published, from
//! 3.13 on; the rest has not moved since 3.11, and `cargo xtask offsets` compares all of it.

/// Offsets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartsLayout {
    /// `PyCodeObject.co_code` (up to 3.10): later the instructions are in the object.
    pub code: Option<u16>,
    /// `PyCodeObject.co_argcount`, which `co_posonlyargcount` and `co_kwonlyargcount` follow.
    pub arguments: u16,
    /// `PyCodeObject.co_consts`.
    pub constants: u16,
    /// `PyCodeObject.co_names`.
    pub names: u16,
    /// `PyCodeObject.co_exceptiontable` (3.11 and later).
    pub exception_table: Option<u16>,
    /// `PyCodeObject.co_localsplusnames`; up to 3.10 `co_varnames`.
    pub locals: u16,
    /// `PyCodeObject.co_cellvars` and `co_freevars` (up to 3.10).
    pub cells: Option<[u16; 2]>,
    /// `PyFrameObject.f_localsplus`, `_PyInterpreterFrame.localsplus` (3.11 and later).
    pub frame_locals: u16,
    /// `PyTypeObject.tp_flags`.
    pub tp_flags: u16,
    /// `PySetObject.used`.
    pub set_used: u16,
    /// `PyTupleObject.ob_item`.
    pub tuple_items: u16,
    /// `PyLongObject`'s digits, of 30 bits in 32.
    pub int_digits: u16,
    /// `PyFloatObject.ob_fval`.
    pub float_value: u16,
    /// The word before an integer's digits is `lv_tag` (3.12 and later): their count from
    /// bit 3 on, and in the lowest two 1 for zero and 2 for less. Else it is their count,
    /// negative for less.
    pub has_int_tag: bool,
}

impl PartsLayout {
    /// Of a version and kind of build.
    pub const fn of(minor: u8, free_threaded: bool) -> Self {
        let head = if free_threaded { 32 } else { 16 };
        let is_old = minor < 11;
        Self {
            code: if is_old { Some(48) } else { None },
            arguments: match minor {
                ..=10 => 16,
                // Behind the flags; in 3.11 two words of 16 bits are between them.
                11 => head + 40,
                _ => head + 36,
            },
            constants: if is_old { 56 } else { head + 8 },
            names: if is_old { 64 } else { head + 16 },
            exception_table: if is_old { None } else { Some(head + 24) },
            locals: if is_old { 72 } else { head + 80 },
            cells: if is_old { Some([88, 80]) } else { None },
            frame_locals: match minor {
                ..=9 => 360,
                10 => 352,
                11..=13 => 72,
                _ => 80,
            },
            // Neither has moved since 3.8, but for the head.
            tp_flags: head + 152,
            set_used: head + 8,
            // Behind `ob_size`, and from 3.14 on `ob_hash`.
            tuple_items: head + if minor >= 14 { 16 } else { 8 },
            int_digits: head + 8,
            float_value: head,
            has_int_tag: minor >= 12,
        }
    }
}
