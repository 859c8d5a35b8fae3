//! The bounded frame walk.

use super::{
    layout::{FRAME_WINDOW_WORDS, NO_DATASTACK, PyLayout, WIDE_WINDOW_WORDS},
    plan::FramePlan,
};
use crate::{
    config::{MAX_CHUNKS, MIN_FRAMES},
    stack::{CALLED_FROM_C, RawFrame, flags},
    store::{clear, keep},
};

/// Reads the target's memory. A failed read is `None`; nothing else may happen.
pub trait MemRead {
    /// Reads words that follow each other.
    fn read_words<const N: usize>(&self, addr: u64) -> Option<[u64; N]>;
    /// Reads [`super::FRAME_READ_BYTES`] into a buffer that the reader owns.
    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]>;
    /// Reads [`super::WIDE_READ_BYTES`] into another such buffer.
    fn read_wide(&mut self, addr: u64) -> Option<&[u64; WIDE_WINDOW_WORDS]>;

    /// Whether the time that a walk may take is over; asked every [`FRAMES_AT_A_TIME`].
    fn is_late(&self) -> bool;

    /// Reads 8 bytes.
    #[inline(always)]
    fn read_u64(&self, addr: u64) -> Option<u64> {
        self.read_words::<1>(addr).map(|[word]| word)
    }
}

/// Frames that a walk visits without a look at the clock: less than two microseconds of
/// them, if they are in the CPU's caches.
const FRAMES_AT_A_TIME: usize = 32;

/// Frames after which the first is no longer what those to come are compared with; the
/// shortest walk that may be asked for is twice as long.
const ANCHOR_FRAMES: usize = 8;

const _: () = assert!(FRAMES_AT_A_TIME.is_multiple_of(ANCHOR_FRAMES));
const _: () = assert!(2 * ANCHOR_FRAMES <= MIN_FRAMES);

/// Receives frames, leaf first.
pub trait FrameSink {
    /// Stores frame number `index` of the walk.
    fn put(&mut self, index: usize, frame: RawFrame);
}

/// The word that holds `offset`; the buffer's size is a power of two.
#[inline(always)]
pub(super) fn word<const N: usize>(buf: &[u64; N], offset: impl Into<u64>) -> u64 {
    const { assert!(N.is_power_of_two()) };
    // A wrong layout reads another word, never outside the buffer.
    let at = offset.into() as usize & (8 * N - 8);
    // SAFETY: the mask keeps `at` a multiple of 8 below the buffer's size. Indexing
    // would leave a panic that the verifier refuses.
    unsafe { buf.as_ptr().byte_add(at).read() }
}

/// The field at `offset`, moved down so that it begins at bit 0; little-endian, as the
/// target is. A field lies at its natural alignment, so within one word.
#[inline(always)]
pub(super) fn field<const N: usize>(buf: &[u64; N], offset: u16) -> u64 {
    word(buf, offset) >> ((offset & 7) << 3)
}

/// What a `PyThreadState` says of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TstateWords {
    /// `thread_id`.
    pub thread_id: u64,
    /// What is at `PyLayout::tstate_frame`.
    pub frame: u64,
}

/// Reads both in one go.
#[inline(always)]
pub fn read_tstate<M: MemRead>(mem: &mut M, layout: &PyLayout, tstate: u64) -> Option<TstateWords> {
    let buf = mem.read_wide(tstate.wrapping_add(u64::from(layout.tstate_frame)))?;
    Some(TstateWords {
        thread_id: word(
            buf,
            layout.tstate_thread_id.wrapping_sub(layout.tstate_frame),
        ),
        frame: word(buf, 0_u16),
    })
}

/// Where a thread's frame chain begins, and what must be true of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Leaf {
    /// Address of the leaf frame; 0 if the thread runs no Python.
    pub frame: u64,
    /// 1 if the frame that C called last must lead to `below`.
    pub linked: u64,
    /// The frame from which that C code was called.
    pub below: u64,
    /// [`flags`] that hold already.
    pub flags: u64,
}

/// Bytes of a `PyThreadState` in which its `root_cframe` lies.
const ROOT_CFRAME_WITHIN: u64 = 4096;

/// Finds the leaf frame of the thread state at `tstate`, of which [`read_tstate`]
/// yielded `words`.
///
/// 3.11 and 3.12 publish a new `_PyCFrame` before they fill it in
/// (`_PyEval_EvalFrameDefault` of `Python/ceval.c`): both its words are then what an
/// earlier call left on the C stack. Only `root_cframe`, which is part of the thread
/// state, has no previous one, and only there is a thread outside any evaluation.
#[inline(always)]
pub fn leaf_frame<M: MemRead>(
    mem: &M,
    layout: &PyLayout,
    tstate: u64,
    words: TstateWords,
) -> Option<Leaf> {
    let mut leaf = Leaf {
        frame: words.frame,
        ..Leaf::default()
    };
    if layout.frame_indirect == 0 || words.frame == 0 {
        return Some(leaf);
    }
    let offset = u64::from(layout.cframe_current_frame);
    let [current, previous] = mem.read_words(words.frame.wrapping_add(offset))?;
    leaf.frame = current;
    if words.frame.wrapping_sub(tstate) < ROOT_CFRAME_WITHIN {
        return Some(leaf);
    }
    leaf.linked = 1;
    leaf.flags = u64::from(flags::IN_TRANSITION);
    // Read last: were it before the comparisons, the compiler would join their outcomes,
    // and the verifiers before 6.8 would follow a way on which nothing was read.
    if current != 0
        && previous != 0
        && let Some(below) = mem.read_u64(previous.wrapping_add(offset))
    {
        leaf.below = below;
        leaf.flags = 0;
    }
    Some(leaf)
}

/// Walks the main interpreter's thread list for the thread whose `thread_id` is
/// `thread_id`, `limit` nodes at most. New threads are at the head of the list.
#[inline(always)]
pub fn find_tstate<M: MemRead>(
    mem: &M,
    layout: &PyLayout,
    main_interpreter: u64,
    thread_id: u64,
    limit: usize,
) -> Option<u64> {
    let mut tstate =
        mem.read_u64(main_interpreter.wrapping_add(u64::from(layout.interp_threads_head)))?;
    for _ in 0..limit {
        if tstate == 0 {
            return None;
        }
        let id = mem.read_u64(tstate.wrapping_add(u64::from(layout.tstate_thread_id)))?;
        if id == thread_id {
            return Some(tstate);
        }
        tstate = mem.read_u64(tstate.wrapping_add(u64::from(layout.tstate_next)))?;
    }
    None
}

/// What a walk yielded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Records put.
    pub frames: usize,
    /// [`flags`].
    pub flags: u32,
    /// Whether the time was over before the frames or their limit were.
    pub was_late: bool,
}

/// Where a walk ended, not yet judged.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct WalkEnd {
    /// Records put.
    frames: u64,
    /// Of [`flags`]: `TRUNCATED` unless a frame could not be read.
    ended: u64,
    /// 1 if the time was over.
    was_late: u64,
    /// 1 if a frame led to one before it, as stale pointers may.
    cycles: u64,
    /// Address of the frame that would have come next.
    at: u64,
    /// All addresses that frames led to, one over the other: none is odd.
    led_to: u64,
    /// Of the last frame, the word that says what kind it is; then whether it was at a border
    /// between C and Python.
    last: u64,
    /// Not 0 if the last frame cannot be outermost.
    not_root: u64,
    /// 1 once a border was passed.
    seen_border: u64,
    /// Where the frame at the first border leads.
    below_first: u64,
}

impl WalkEnd {
    /// A border was passed, of which the frame leads to `below`. Few frames are at one.
    ///
    /// In memory, where the verifier does not follow it: that of one frame there is a border
    /// and of another none is the same to it from here on.
    #[inline(always)]
    fn pass_border(&mut self, below: u64) {
        // SAFETY: a reference is readable.
        if unsafe { (&raw const self.seen_border).read_volatile() } == 0 {
            keep(&mut self.below_first, below);
        }
        keep(&mut self.seen_border, 1);
    }
}

/// Walks the frame chain from `leaf`, at most `limit` frames and never more than
/// `MAX`, and no further once the time is over.
///
/// A chain that leads into itself is found as by Brent: each frame is compared with an
/// earlier one, the first or the last whose number was a power of two from
/// [`ANCHOR_FRAMES`] on.
///
/// Placeholder frames are put as records with `code == 0`, so that the record
/// index is the loop's own variable: a separate counter multiplies the states
/// that the verifier must visit.
#[inline(always)]
pub fn walk_frames<M: MemRead, S: FrameSink, const MAX: usize>(
    mem: &mut M,
    plan: &FramePlan,
    leaf: u64,
    limit: usize,
    sink: &mut S,
    end: &mut WalkEnd,
) {
    let mut at = leaf;
    let mut anchor = leaf;
    let mut frames = MAX;
    let mut ended = flags::TRUNCATED;
    let mut led_to = leaf;
    // What is rare is noted in memory: a variable would be set anew for each frame.
    clear(&mut end.was_late);
    clear(&mut end.cycles);
    clear(&mut end.last);
    clear(&mut end.seen_border);
    for i in 0..MAX {
        if at == 0 || i >= limit {
            frames = i;
            break;
        }
        if i % ANCHOR_FRAMES == 0 && i != 0 {
            if i.is_power_of_two() {
                anchor = at;
            }
            if i % FRAMES_AT_A_TIME == 0 && mem.is_late() {
                frames = i;
                keep(&mut end.was_late, 1);
                break;
            }
        }
        let Some(buf) = mem.read_frame(at.wrapping_add(plan.base)) else {
            frames = i;
            ended = flags::READ_FAILED;
            break;
        };
        let kind = word(buf, plan.kind_at);
        keep(&mut end.last, kind);
        let entry = entry_bit(plan, kind);
        let placeholder = placeholder_bits(plan, kind);
        let code = word(buf, plan.code_at) & plan.code_mask | entry;
        let instr = word(buf, plan.instr_at).wrapping_shl(plan.instr_left as u32);
        let instr = instr.cast_signed().wrapping_shr(plan.instr_right as u32);
        at = word(buf, plan.previous_at);
        led_to |= at;
        if entry | placeholder != 0 {
            end.pass_border(at);
        }
        sink.put(
            i,
            RawFrame {
                code: code & !placeholder,
                instr: instr.cast_unsigned() & !placeholder,
                witness: 0,
            },
        );
        if at == anchor {
            frames = i + 1;
            keep(&mut end.cycles, 1);
            break;
        }
    }
    // SAFETY: a reference is readable.
    let kind = unsafe { (&raw const end.last).read_volatile() };
    end.last = entry_bit(plan, kind) | placeholder_bits(plan, kind);
    end.not_root = kind & plan.root_mask;
    end.frames = frames as u64;
    end.ended = u64::from(ended);
    end.at = at;
    end.led_to = led_to;
}

/// The topmost bit ([`CALLED_FROM_C`]) if that kind of frame was called from C.
#[inline(always)]
const fn entry_bit(plan: &FramePlan, kind: u64) -> u64 {
    kind.wrapping_shl(plan.entry_left as u32) & plan.entry_mask
}

/// All ones for a placeholder, else 0: a branch would double what the verifier follows.
#[inline(always)]
const fn placeholder_bits(plan: &FramePlan, kind: u64) -> u64 {
    let owner = kind.wrapping_shr(plan.owner_right as u32) & 0xff;
    (plan.last_owner.wrapping_sub(owner).cast_signed() >> 63).cast_unsigned()
}

impl WalkEnd {
    /// What the walk from `leaf` is worth; `root_is_entry` as in [`PyLayout`].
    #[inline(always)]
    pub fn judge(self, root_is_entry: u16, leaf: Leaf) -> Walked {
        let Self {
            frames,
            ended,
            was_late,
            cycles,
            at,
            led_to,
            last,
            not_root,
            seen_border,
            below_first,
        } = self;
        let is_unreadable = ended & u64::from(flags::READ_FAILED) != 0;
        let is_complete = at == 0 && !is_unreadable;
        let mut flags = if is_complete { 0 } else { ended } as u32 | leaf.flags as u32;
        if cycles != 0 || led_to & 7 != 0 {
            flags |= flags::IN_TRANSITION;
        }
        if leaf.frame != 0 {
            // A frame chain ends with the frame that C called first.
            let is_root = last != 0 && not_root == 0;
            if is_complete && root_is_entry == 1 && !is_root {
                flags |= flags::IN_TRANSITION;
            }
            // Before 3.11 the interpreter itself may not know the root.
            if is_complete && root_is_entry == 0 && not_root != 0 {
                flags |= flags::TRUNCATED;
            }
            let is_astray = seen_border != 0 && below_first != leaf.below;
            if leaf.linked == 1 && (is_unreadable || is_astray) {
                flags |= flags::IN_TRANSITION;
            }
        }
        Walked {
            frames: frames as usize,
            flags,
            was_late: was_late != 0,
        }
    }
}

/// The outermost frame of a thread, which lies at the bottom of its data stack (3.11
/// and later): the first slot of the first chunk is left empty, so that the chunk is
/// never freed (`push_chunk` of `Python/pystate.c`), and frames are pushed and popped
/// in order.
#[inline(always)]
pub fn root_frame<M: MemRead>(mem: &mut M, layout: &PyLayout, tstate: u64) -> Option<RawFrame> {
    if layout.tstate_datastack == NO_DATASTACK {
        return None;
    }
    let mut chunk = mem.read_u64(tstate.wrapping_add(u64::from(layout.tstate_datastack)))?;
    let mut below = chunk;
    for _ in 0..MAX_CHUNKS {
        if below == 0 {
            break;
        }
        chunk = below;
        below = mem.read_u64(chunk)?;
    }
    if below != 0 || chunk == 0 {
        return None;
    }
    let frame = chunk.wrapping_add(u64::from(layout.chunk_data) + 8);
    let buf = mem.read_frame(frame)?;
    let code = word(buf, layout.frame_code) & !u64::from(layout.code_tag_mask);
    (code != 0).then(|| RawFrame {
        code: code | CALLED_FROM_C,
        instr: field(buf, layout.frame_instr),
        witness: 0,
    })
}
