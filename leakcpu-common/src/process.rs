//! What the kernel side must know of one Python process.

use crate::python::PyLayout;

/// Map value per process, written by user space (or copied at fork).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct PyProcess {
    /// Offsets of this interpreter.
    pub layout: PyLayout,
    /// Run-time address of `_PyRuntime`.
    pub runtime: u64,
    /// First address of the futex words that mean the GIL.
    pub gil_start: u64,
    /// End (exclusive) of that range.
    pub gil_end: u64,
}
