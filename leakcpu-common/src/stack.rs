//! Raw Python stacks as they leave the kernel. Frames are leaf first.

/// Bit of [`RawFrame::code`]: C called Python here, so that below this frame (towards
/// the root) there are C frames before the next Python frame. User addresses end at
/// bit 46 (56 with five-level page tables).
pub const CALLED_FROM_C: u64 = 1 << 63;

/// One interpreter frame, not yet symbolized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct RawFrame {
    /// Address of the `PyCodeObject` in the target, tag bits cleared, with
    /// [`CALLED_FROM_C`]; 0 marks a placeholder frame (a C -> Python border as well).
    pub code: u64,
    /// Where the frame stands: the address of the instruction (3.11 and later)
    /// or `f_lasti` sign-extended (3.8 to 3.10).
    pub instr: u64,
    /// [`witness`] of the code object when the stack was first seen; 0 if it was not
    /// (or could not be) read.
    pub witness: u64,
}

impl RawFrame {
    /// Address of the code object; 0 for a placeholder.
    #[inline(always)]
    pub const fn address(self) -> u64 {
        self.code & !CALLED_FROM_C
    }

    /// Whether C called Python here.
    #[inline(always)]
    pub const fn is_border(self) -> bool {
        self.code == 0 || self.code & CALLED_FROM_C != 0
    }
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
    /// The interpreter was changing its frame chain: what was read is no stack.
    pub const IN_TRANSITION: u32 = 32;
    /// The last record is the root, found at the bottom of the data stack; frames
    /// between it and the others are missing. Only with [`TRUNCATED`].
    pub const ROOT_FROM_DATA_STACK: u32 = 64;
    /// The frames are those of another interpreter than the main one.
    pub const SUBINTERPRETER: u32 = 128;
    /// The time was over before the witness of every code object that may be replaced took part
    /// in the hash: equal frames may be those of others.
    pub const WITNESSES_CUT: u32 = 256;
}

/// Hash that stands for "no Python frames".
pub const EMPTY_STACK: u64 = 0;

/// Stands for "not walked", to keep within the budget. Hashes of stacks are odd.
pub const NOT_WALKED: u64 = 2;

/// Folds one frame into a stack's hash. Multiply and rotate: a few cycles, and
/// equal on both sides of the contract. The witness takes part only where the kernel
/// side has reason to ask for it ([`mix_witness`]).
#[inline(always)]
pub const fn mix(hash: u64, frame: RawFrame) -> u64 {
    let h = (hash ^ frame.code).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (h.rotate_left(29) ^ frame.instr).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// Folds a frame's witness into a stack's hash, after the frame itself.
#[inline(always)]
pub const fn mix_witness(hash: u64, witness: u64) -> u64 {
    (hash ^ witness)
        .wrapping_mul(0x9fb2_1c65_1e98_df25)
        .rotate_left(31)
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

/// What a code object's [`witness`] is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Address of `co_name`.
    pub name: u64,
    /// Address of `co_filename`.
    pub filename: u64,
    /// Address of the line table.
    pub line_table: u64,
    /// [`tag_text`] of the name.
    pub name_tag: u64,
    /// [`tag_text`] of the file name.
    pub filename_tag: u64,
}

/// What tells whether memory at a code object's address still holds the same one: no
/// two code objects that are alive at once share all addresses, and where one is freed
/// and another put in its place, which takes the same parts' places as well, it has
/// another name, file or line. Never 0.
#[inline(always)]
pub const fn witness(of: Testimony) -> u64 {
    let h = of.name ^ of.filename.rotate_left(21) ^ (of.first_line as u64).rotate_left(50);
    let h = h.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of.line_table;
    let h = h.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ of.name_tag;
    let h = (h ^ (h >> 31)).wrapping_mul(0x9fb2_1c65_1e98_df25) ^ of.filename_tag;
    let h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (h ^ (h >> 29)) | 1
}

/// Words of the end of a text that are looked at in one go.
pub const TAG_WORDS: usize = 4;

/// Bytes of a name's end that its tag is made of.
pub const NAME_TAIL_BYTES: u64 = 8 * TAG_WORDS as u64;

/// Bytes of a file name's end that its tag is made of.
pub const FILENAME_TAIL_BYTES: u64 = 2 * NAME_TAIL_BYTES;

/// Begins the tag of a text that is `length` characters long.
#[inline(always)]
pub const fn tag_length(length: u64) -> u64 {
    length.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Folds bytes of a text into its tag; those that are not the text's are 0.
#[inline(always)]
pub fn tag_text(mut tag: u64, words: [u64; TAG_WORDS]) -> u64 {
    for word in words {
        tag = (tag ^ word)
            .wrapping_mul(0xff51_afd7_ed55_8ccd)
            .rotate_left(29);
    }
    tag
}
