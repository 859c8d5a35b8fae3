//! What is needed of 3.13 and later and not in `_Py_DebugOffsets`.
//!
//! Measured from the headers by `cargo xtask offsets`, which fails where they differ.

use crate::interpreter::layout::{GilLayout, GilPlace, table};

/// `_PyStackChunk.data` (`Include/cpython/pystate.h`).
pub(super) const CHUNK_DATA: u16 = 24;

/// `FRAME_OWNED_BY_CSTACK` of 3.13, `FRAME_OWNED_BY_INTERPRETER` of later versions
/// (`pycore_frame.h`, `pycore_interpframe_structs.h`); 3.14 has a greater one besides.
pub(super) const PLACEHOLDER_OWNER: u16 = 3;

/// First minor version whose `f_executable` is a tagged `_PyStackRef`
/// (`pycore_stackref.h`) and whose free-threaded build has a copy of the bytecode for
/// each thread.
const STACK_REFERENCES: u8 = 14;

/// `Py_TAG_REFCNT`: the only tag that a reference to an object carries.
const TAG_REFCNT: u16 = 1;

/// What `ob_tid`, `ob_flags`, `ob_mutex`, `ob_gc_bits`, `ob_ref_local` and
/// `ob_ref_shared` take more than `ob_refcnt` alone (`Include/object.h`).
const LARGER_HEAD_BYTES: u16 = 16;

/// Of one kind of build.
pub(super) struct Unpublished {
    /// Low bits of the code pointer that are a tag.
    pub(super) code_tag_mask: u16,
    /// `PyTypeObject.tp_members`.
    pub(super) tp_members: u16,
    /// `PyCodeObject.co_flags`.
    pub(super) code_flags: u16,
    /// From `_co_firsttraceable` to `co_code_adaptive`: itself, `co_extra` and, where
    /// there is one, `co_tlbc`.
    pub(super) code_after_first_traceable: u16,
    /// There is a `co_tlbc`.
    pub(super) has_bytecode_copies: bool,
    /// First bit of `state.kind`.
    pub(super) unicode_kind_bit: u8,
    /// Bit of `state.compact`, which `state.ascii` follows.
    pub(super) unicode_compact_bit: u8,
    is_free_threaded: bool,
}

impl Unpublished {
    pub(super) const fn of(minor: u8, is_free_threaded: bool) -> Self {
        let head = if is_free_threaded {
            LARGER_HEAD_BYTES
        } else {
            0
        };
        let has_stack_references = minor >= STACK_REFERENCES;
        let has_bytecode_copies = has_stack_references && is_free_threaded;
        // There `interned` is a byte of its own, to be changed atomically.
        let unicode_kind_bit = if has_bytecode_copies { 8 } else { 2 };
        Self {
            code_tag_mask: if has_stack_references { TAG_REFCNT } else { 0 },
            tp_members: 240 + head,
            code_flags: 48 + head,
            code_after_first_traceable: if has_bytecode_copies { 24 } else { 16 },
            has_bytecode_copies,
            unicode_kind_bit,
            unicode_compact_bit: unicode_kind_bit + 3,
            is_free_threaded,
        }
    }

    pub(super) const fn gil(&self, place: GilPlace) -> GilLayout {
        if self.is_free_threaded {
            table::gil_with_switch(place)
        } else {
            table::gil(place)
        }
    }
}
