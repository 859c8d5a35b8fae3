//! The current task's user memory, read without faulting.

use aya_ebpf::helpers::{bpf_ktime_get_ns, generated::bpf_probe_read_user};
use leakcpu_common::python::{
    FRAME_READ_BYTES, FRAME_WINDOW_WORDS, MemRead, WIDE_READ_BYTES, WIDE_WINDOW_WORDS,
};

use crate::maps::{FrameWindow, SMALL_WORDS, STRETCH_BYTES, Scratch};

/// How far below a frame a stretch may begin that ends with it.
const REACH: u64 = (STRETCH_BYTES - FRAME_READ_BYTES) as u64;
const PAGE_BYTES: u64 = 4096;
/// Offsets of words in a stretch, whose length is a power of two.
const STRETCH_MASK: u64 = STRETCH_BYTES as u64 - 8;

/// Reads into the windows of this CPU's scratch.
#[derive(Clone, Copy)]
pub struct UserMemory {
    frames: *mut FrameWindow,
    wide: *mut [u64; WIDE_WINDOW_WORDS],
    small: *mut [u64; SMALL_WORDS],
    until_ns: *const u64,
}

impl UserMemory {
    /// A reader that works in `scratch`.
    #[inline(always)]
    pub fn new(scratch: *mut Scratch) -> Self {
        // SAFETY: field addresses of this CPU's scratch.
        unsafe {
            Self {
                frames: &raw mut (*scratch).frame_window,
                wide: &raw mut (*scratch).wide,
                small: &raw mut (*scratch).small,
                until_ns: &raw const (*scratch).until_ns,
            }
        }
    }

    /// Forgets what was read of frames: another thread's turn, or another moment.
    #[inline(always)]
    pub fn begin(&mut self) {
        // SAFETY: this CPU's scratch.
        let frames = unsafe { &mut *self.frames };
        frames.lowest = u64::MAX;
        frames.span_words = 0;
        frames.last = 0;
    }
}

impl MemRead for UserMemory {
    #[inline(always)]
    fn read_words<const N: usize>(&self, addr: u64) -> Option<[u64; N]> {
        const { assert!(N <= SMALL_WORDS) };
        // Not on the stack, of which there are 512 bytes for all functions together.
        let words = self.small.cast::<[u64; N]>();
        // SAFETY: the helper writes 8 * N bytes or fails.
        let ret = unsafe { bpf_probe_read_user(words.cast(), 8 * N as u32, addr as *const _) };
        // SAFETY: just filled; nothing else on this CPU uses the scratch now.
        (ret == 0).then(|| unsafe { words.read_volatile() })
    }

    #[inline(always)]
    fn forget<const N: usize>(&mut self, words: [u64; N]) -> [u64; N] {
        const { assert!(N <= SMALL_WORDS) };
        let slot = self.small.cast::<[u64; N]>();
        // SAFETY: N words of this CPU's scratch.
        unsafe {
            slot.write_volatile(words);
            slot.read_volatile()
        }
    }

    #[inline(always)]
    fn is_late(&self) -> bool {
        // SAFETY: this CPU's scratch; the helper has no preconditions.
        unsafe { bpf_ktime_get_ns() > self.until_ns.read() }
    }

    /// Frames of a data stack lie side by side, callers below: once one was near the one
    /// before it, all of the page that is within reach below is read at once. That page
    /// is there, for the frame is in it. Frames of generators, and all before 3.11, are
    /// objects of their own.
    ///
    /// Addresses and distances come from the scratch, where the verifier does not follow
    /// them: what was read before and what is read now is one to it.
    #[inline(always)]
    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
        // SAFETY: this CPU's scratch, which nothing else uses now.
        let frames = unsafe { &mut *self.frames };
        let mut inside = addr.wrapping_sub(frames.lowest);
        // What is not at a word's beginning is so far away that it is never near.
        if inside.rotate_right(3) > frames.span_words {
            let above = frames.last.wrapping_sub(addr);
            let within_reach = addr.wrapping_sub(REACH);
            let page = addr & !(PAGE_BYTES - 1);
            frames.lowest = if above.rotate_right(3) > REACH / 8 {
                addr
            } else if within_reach > page {
                within_reach
            } else {
                page
            };
            inside = addr.wrapping_sub(frames.lowest);
            frames.span_words = inside / 8;
            let bytes = (inside & STRETCH_MASK) + FRAME_READ_BYTES as u64;
            // SAFETY: the words are more than the mask and a frame can make; the helper
            // faults safely.
            let ret = unsafe {
                bpf_probe_read_user(
                    (&raw mut frames.words).cast(),
                    bytes as u32,
                    frames.lowest as *const _,
                )
            };
            if ret != 0 {
                return None;
            }
        }
        frames.last = addr;
        // SAFETY: the mask keeps it a multiple of 8, and a window's length away from the end.
        Some(unsafe {
            &*(&raw const frames.words)
                .byte_add((inside & STRETCH_MASK) as usize)
                .cast()
        })
    }

    #[inline(always)]
    fn read_wide(&mut self, addr: u64) -> Option<&[u64; WIDE_WINDOW_WORDS]> {
        // SAFETY: the window is larger than what is read; the helper faults safely.
        let ret = unsafe {
            bpf_probe_read_user(self.wide.cast(), WIDE_READ_BYTES as u32, addr as *const _)
        };
        // SAFETY: just filled; nothing else on this CPU uses the scratch now.
        (ret == 0).then(|| unsafe { &*self.wide })
    }
}

/// Reads a word of the current task's user memory.
#[inline(always)]
pub fn read_user_u64(addr: u64) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the helper writes 8 bytes or fails.
    let ret = unsafe { bpf_probe_read_user((&raw mut value).cast(), 8, addr as *const _) };
    (ret == 0).then_some(value)
}
