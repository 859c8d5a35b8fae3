//! The bounded frame walk.

use super::layout::{FRAME_WINDOW_WORDS, PyLayout};
use crate::stack::{RawFrame, flags};

/// Reads the target's memory. A failed read is `None`; nothing else may happen.
pub trait MemRead {
    /// Reads 8 bytes.
    fn read_u64(&self, addr: u64) -> Option<u64>;
    /// Reads a frame's window into a buffer that the reader owns.
    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]>;
}

/// Receives frames, leaf first.
pub trait FrameSink {
    /// Stores frame number `index` of the walk.
    fn put(&mut self, index: usize, frame: RawFrame);
}

/// The word that holds `offset`.
#[inline(always)]
fn word(buf: &[u64; FRAME_WINDOW_WORDS], offset: u16) -> u64 {
    // A wrong layout reads another word, never outside the buffer.
    let at = offset as usize & (8 * FRAME_WINDOW_WORDS - 8);
    // SAFETY: the mask keeps `at` a multiple of 8 below the buffer's size. Indexing
    // would leave a panic that the verifier refuses.
    unsafe { buf.as_ptr().byte_add(at).read() }
}

/// The field at `offset`, moved down so that it begins at bit 0; little-endian, as the
/// target is. A field lies at its natural alignment, so within one word.
#[inline(always)]
fn field(buf: &[u64; FRAME_WINDOW_WORDS], offset: u16) -> u64 {
    word(buf, offset) >> ((offset & 7) << 3)
}

/// Sign-extends a value whose upper `spare_bits` do not count.
#[inline(always)]
const fn sign_extend(value: u64, spare_bits: u16) -> u64 {
    let spare = spare_bits & 63;
    ((value << spare).cast_signed() >> spare).cast_unsigned()
}

/// Address of the leaf frame of `tstate`; 0 if the thread runs no Python.
#[inline(always)]
pub fn first_frame<M: MemRead>(mem: &M, layout: &PyLayout, tstate: u64) -> Option<u64> {
    let at = mem.read_u64(tstate.wrapping_add(u64::from(layout.tstate_frame)))?;
    if layout.frame_indirect == 0 || at == 0 {
        return Some(at);
    }
    mem.read_u64(at.wrapping_add(u64::from(layout.cframe_current_frame)))
}

/// Walks the main interpreter's thread list for the thread whose `thread_id` is
/// `thread_id`, `limit` nodes at most. New threads are at the head of the list.
#[inline(always)]
pub fn find_tstate<M: MemRead>(
    mem: &M,
    layout: &PyLayout,
    runtime: u64,
    thread_id: u64,
    limit: usize,
) -> Option<u64> {
    let interp = mem.read_u64(runtime.wrapping_add(u64::from(layout.runtime_main_interpreter)))?;
    if interp == 0 {
        return None;
    }
    let mut tstate = mem.read_u64(interp.wrapping_add(u64::from(layout.interp_threads_head)))?;
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

/// Walks the frame chain from `frame`, at most `limit` frames and never more than
/// `MAX`. Returns the number of records put and [`flags`].
///
/// Placeholder frames are put as records with `code == 0`, so that the record
/// index is the loop's own variable: a separate counter multiplies the states
/// that the verifier must visit.
#[inline(always)]
pub fn walk_frames<M: MemRead, S: FrameSink, const MAX: usize>(
    mem: &mut M,
    layout: &PyLayout,
    frame: u64,
    limit: usize,
    sink: &mut S,
) -> (usize, u32) {
    let mut at = frame;
    for i in 0..MAX {
        if at == 0 {
            return (i, 0);
        }
        if i >= limit {
            return (i, flags::TRUNCATED);
        }
        let Some(buf) = mem.read_frame(at.wrapping_add(u64::from(layout.frame_base))) else {
            return (i, flags::READ_FAILED);
        };
        let mut code = word(buf, layout.frame_code) & !u64::from(layout.code_tag_mask);
        // `f_lasti` is an int, -1 before the first instruction.
        let mut instr = sign_extend(
            field(buf, layout.frame_instr),
            layout.frame_instr_spare_bits,
        );
        if field(buf, layout.frame_owner) & 0xff >= u64::from(layout.placeholder_owner) {
            code = 0;
            instr = 0;
        }
        sink.put(i, RawFrame { code, instr });
        at = word(buf, layout.frame_previous);
    }
    (MAX, if at == 0 { 0 } else { flags::TRUNCATED })
}
