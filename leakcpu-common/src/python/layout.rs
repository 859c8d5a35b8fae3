//! Offsets of one interpreter build.

/// Bytes read of a frame in one go: enough for the fields of every version.
pub const FRAME_READ_BYTES: usize = 8 * FRAME_READ_WORDS;

/// The same in words: every field of a frame lies at its natural alignment, and a
/// read that is not known to be aligned costs the BPF target eight loads.
pub const FRAME_READ_WORDS: usize = 11;

/// Words of the buffer that a frame is read into: a power of two, so that any offset
/// is brought into it by a mask. A comparison would double what the verifier visits
/// for every field of every frame.
pub const FRAME_WINDOW_WORDS: usize = 16;

/// `placeholder_owner` of versions whose frames have no owner field: greater than any
/// byte, so that no frame is a placeholder.
pub const NO_PLACEHOLDER: u16 = u16::MAX;

/// Offsets that the frame walk needs, in bytes. No version number: what differs
/// between versions is data.
///
/// Sources: CPython `Include/cpython/pystate.h`, `Include/internal/pycore_frame.h`
/// and `Include/internal/pycore_runtime.h` of each version; 3.13 and later from
/// `_Py_DebugOffsets` in the binary itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PyLayout {
    /// `_PyRuntimeState.interpreters.main`.
    pub runtime_main_interpreter: u32,
    /// `PyInterpreterState.threads.head` (`tstate_head` before 3.11).
    pub interp_threads_head: u32,
    /// `PyThreadState.next`.
    pub tstate_next: u16,
    /// `PyThreadState.thread_id`: `pthread_self()`, equal to the thread's `fsbase`
    /// on x86-64 Linux.
    pub tstate_thread_id: u16,
    /// `PyThreadState.frame`, `.cframe` or `.current_frame`.
    pub tstate_frame: u16,
    /// 1 if `tstate_frame` points to a `_PyCFrame` that points to the frame (3.11, 3.12).
    pub frame_indirect: u16,
    /// `_PyCFrame.current_frame`, if `frame_indirect`.
    pub cframe_current_frame: u16,
    /// Where in a frame the wide read begins; the next fields count from there.
    pub frame_base: u16,
    /// `f_code` or `f_executable`.
    pub frame_code: u16,
    /// `f_back` or `previous`.
    pub frame_previous: u16,
    /// `f_lasti`, `prev_instr` or `instr_ptr`.
    pub frame_instr: u16,
    /// Bits of a word that are not that field's: 0, or 32 if it is an `int`.
    pub frame_instr_spare_bits: u16,
    /// `owner`; any field where `placeholder_owner` is [`NO_PLACEHOLDER`].
    pub frame_owner: u16,
    /// Frames with this owner or a greater one are placeholders.
    pub placeholder_owner: u16,
    /// Low bits of the code pointer that are a tag (3.14 and later), as a mask.
    pub code_tag_mask: u16,
    /// 1 if the layout is filled in.
    pub valid: u16,
    /// `PyThreadState.native_thread_id`, 0 before 3.11.
    pub tstate_native_thread_id: u16,
    /// Zero.
    pub pad: [u16; 9],
}
