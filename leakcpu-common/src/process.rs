//! What the kernel side must know of one Python process.

use crate::python::{FramePlan, PyLayout};

/// Slots of [`PyProcess::changeable`].
pub const CHANGEABLE_SLOTS: usize = 1024;

/// Bits of [`PyProcess::flags`].
pub mod process_flags {
    /// The process may be gone before user space has read its memory: code objects are
    /// copied at first sight.
    pub const COPY_CODE: u32 = 1;
}

/// Map value per process, written by user space (or copied at fork).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PyProcess {
    /// Offsets of this interpreter.
    pub layout: PyLayout,
    /// What follows from them for the walk.
    pub plan: FramePlan,
    /// Run-time address of `_PyRuntime`.
    pub runtime: u64,
    /// Address of the main `PyInterpreterState`.
    pub main_interpreter: u64,
    /// First address of the futex words that mean the GIL.
    pub gil_start: u64,
    /// End (exclusive) of that range.
    pub gil_end: u64,
    /// Bits of [`process_flags`].
    pub flags: u32,
    /// Zero.
    pub pad: u32,
    /// Not 0 in the slot ([`changeable_slot`]) of a code object that is likely to be
    /// freed and replaced at its address while it is watched (module bodies, `exec`,
    /// generated methods): its witness is read every time. Bytes, not bits: both sides
    /// set them, and a byte is set in one store.
    pub changeable: [u8; CHANGEABLE_SLOTS],
}

impl Default for PyProcess {
    fn default() -> Self {
        Self {
            layout: PyLayout::default(),
            plan: FramePlan::default(),
            runtime: 0,
            main_interpreter: 0,
            gil_start: 0,
            gil_end: 0,
            flags: 0,
            pad: 0,
            changeable: [0; CHANGEABLE_SLOTS],
        }
    }
}

/// The slot of a code object's address.
#[inline(always)]
pub const fn changeable_slot(code: u64) -> usize {
    // The top bits of a product are its best mixed ones: as many as there are slots.
    (code.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - CHANGEABLE_SLOTS.trailing_zeros())) as usize
}
