//! Raw Python stacks as they leave the kernel. Frames are leaf first.

/// One interpreter frame, not yet symbolized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct RawFrame {
    /// Address of the `PyCodeObject` in the target, tag bits cleared;
    /// 0 marks a placeholder frame (a C -> Python border).
    pub code: u64,
    /// Where the frame stands: the address of the instruction (3.11 and later)
    /// or `f_lasti` sign-extended (3.8 to 3.10).
    pub instr: u64,
}

/// How a walk ended; several may hold.
pub mod flags {
    /// The frame limit was reached before the root.
    pub const TRUNCATED: u32 = 1;
    /// A frame could not be read: what is there is the leaf side.
    pub const READ_FAILED: u32 = 2;
    /// The thread has no `PyThreadState` that could be found.
    pub const NO_TSTATE: u32 = 4;
    /// The `PyThreadState` could not be read.
    pub const TSTATE_UNREADABLE: u32 = 8;
    /// The process is not (yet) known to the walker.
    pub const NOT_PYTHON: u32 = 16;
}

/// Hash that stands for "no Python frames".
pub const EMPTY_STACK: u64 = 0;

/// Folds one frame into a stack's hash. Multiply and rotate: a few cycles, and
/// equal on both sides of the contract.
#[inline(always)]
pub const fn mix(hash: u64, frame: RawFrame) -> u64 {
    let h = (hash ^ frame.code).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (h.rotate_left(29) ^ frame.instr).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// Start value for a stack of process `pid`; `flags` keep a truncated stack
/// apart from a complete one with the same frames.
#[inline(always)]
pub const fn seed(pid: u32) -> u64 {
    (pid as u64).wrapping_mul(0xc4ce_b9fe_1a85_ec53) | 1
}

/// Final mixing; never returns [`EMPTY_STACK`].
#[inline(always)]
pub const fn finish(hash: u64, flags: u32) -> u64 {
    let h = hash ^ (flags as u64);
    (h ^ (h >> 32)) | 1
}
