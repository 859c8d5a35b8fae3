//! Offsets of one interpreter build.

use crate::stack::RawFrame;

/// Bytes read of a frame in one go: enough for the fields of every version.
pub const FRAME_READ_BYTES: usize = 8 * FRAME_READ_WORDS;

/// The same in words: every field of a frame lies at its natural alignment, and a
/// read that is not known to be aligned costs the BPF target eight loads.
const FRAME_READ_WORDS: usize = 11;

/// Words of the buffer that a frame is read into: a power of two, so that any offset
/// is brought into it by a mask. A comparison would double what the verifier visits
/// for every field of every frame.
pub const FRAME_WINDOW_WORDS: usize = 16;

/// Bytes read in one go of a thread state (from `tstate_frame` on) and of a code
/// object (from its start): enough for the fields of every
/// version.
pub const WIDE_READ_BYTES: usize = 8 * WIDE_READ_WORDS;

/// The same in words. The farthest field is `thread_id` of 3.8, at 176 from 24 on;
/// in code objects it is `co_linetable` of free-threaded builds, at 152.
pub const WIDE_READ_WORDS: usize = 20;

/// Words of the buffer for such a read; a power of two, as above.
pub const WIDE_WINDOW_WORDS: usize = 32;

/// `placeholder_owner` of versions whose frames have no owner field: greater than any
/// byte, so that no frame is a placeholder.
pub const NO_PLACEHOLDER: u16 = u16::MAX;

/// `PyLayout::tstate_datastack` of versions that have no data stack (up to 3.10).
pub const NO_DATASTACK: u16 = 0;

/// Offsets that the kernel side needs, in bytes. No version number: what differs
/// between versions is data.
///
/// Sources: CPython `Include/cpython/pystate.h`, `Include/cpython/code.h`,
/// `Include/internal/pycore_frame.h` and `Include/internal/pycore_runtime.h` of each
/// version; 3.13 and later from `_Py_DebugOffsets` in the binary itself as far as that
/// goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PyLayout {
    /// `_PyRuntimeState.interpreters.main`.
    pub runtime_main_interpreter: u32,
    /// `_PyRuntimeState.interpreters.head`: the newest interpreter.
    pub runtime_interpreters_head: u32,
    /// `PyInterpreterState.threads.head` (`tstate_head` before 3.11).
    pub interp_threads_head: u32,
    /// `PyInterpreterState.next`.
    pub interp_next: u32,
    /// `PyThreadState.next`.
    pub tstate_next: u16,
    /// `PyThreadState.thread_id`: `pthread_self()`, equal to the thread's `fsbase`
    /// on x86-64 Linux. Behind `tstate_frame`, by less than [`WIDE_READ_BYTES`].
    pub tstate_thread_id: u16,
    /// `PyThreadState.frame`, `.cframe` or `.current_frame`.
    pub tstate_frame: u16,
    /// `PyThreadState.native_thread_id`, 0 before 3.11.
    pub tstate_native_thread_id: u16,
    /// `PyThreadState.datastack_chunk`, which `datastack_top` and `datastack_limit`
    /// follow; [`NO_DATASTACK`] before 3.11.
    pub tstate_datastack: u16,
    /// `_PyStackChunk.data`; `previous` is its first field.
    pub chunk_data: u16,
    /// 1 if `tstate_frame` points to a `_PyCFrame` that points to the frame (3.11, 3.12).
    pub frame_indirect: u16,
    /// `_PyCFrame.current_frame`, which `previous` follows, if `frame_indirect`.
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
    /// Frames with this owner or a greater one are placeholders: C called Python there.
    pub placeholder_owner: u16,
    /// `is_entry` (3.11): the frame was called from C; any field where
    /// `frame_entry_mask` is 0.
    pub frame_entry: u16,
    /// 1 if there is such a field.
    pub frame_entry_mask: u16,
    /// 1 if the outermost frame of every complete chain was called from C by its own
    /// word (3.11 and later): a chain that ends otherwise was being changed.
    pub root_is_entry: u16,
    /// A word of the frame that must be 0, under `frame_root_mask`, in the outermost frame:
    /// `owner` in 3.11 (a generator's frame is never outermost), `f_gen` before (a
    /// generator that another one delegates to while an exception is thrown into it has
    /// no `f_back`).
    pub frame_root: u16,
    /// Low bits of the code pointer that are a tag (3.14 and later), as a mask.
    pub code_tag_mask: u16,
    /// `PyCodeObject.co_flags`.
    pub code_flags: u16,
    /// `PyCodeObject.co_firstlineno`.
    pub code_first_line: u16,
    /// `PyCodeObject.co_filename`.
    pub code_filename: u16,
    /// `PyCodeObject.co_name`.
    pub code_name: u16,
    /// `PyCodeObject.co_qualname`; that of `co_name` before 3.11.
    pub code_qualname: u16,
    /// `PyCodeObject.co_lnotab` or `co_linetable`.
    pub code_line_table: u16,
    /// Where the characters of an ASCII `str` are.
    pub text_data: u16,
    /// Where those of another compact `str` are.
    pub text_compact_data: u16,
    /// `PyASCIIObject.length`.
    pub text_length: u16,
    /// `PyASCIIObject.state`.
    pub text_state: u16,
    /// Bit of `state.ascii`.
    pub text_ascii_bit: u16,
    /// 1 if the layout is filled in.
    pub valid: u16,
    /// Which bits of `frame_root` count; 0 for none.
    pub frame_root_mask: u64,
}

impl PyLayout {
    /// Whether a walk over a whole frame chain can yield this record: one without a code
    /// object must be a placeholder.
    #[inline(always)]
    pub const fn can_be_frame(&self, frame: RawFrame) -> bool {
        frame.address() != 0
            || frame.instr == 0 && frame.code == 0 && self.placeholder_owner != NO_PLACEHOLDER
    }
}
