//! The current task's user memory, read without faulting.

use aya_ebpf::helpers::{bpf_ktime_get_ns, generated::bpf_probe_read_user};
use leakcpu_common::python::{
    FRAME_WINDOW_WORDS, FrameWindow, MemRead, WIDE_READ_BYTES, WIDE_WINDOW_WORDS,
};

use crate::maps::{SMALL_WORDS, Scratch};

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
    pub fn new(scratch: &Scratch) -> Self {
        Self {
            frames: scratch.frame_window.get(),
            wide: scratch.wide.get(),
            small: scratch.small.get(),
            until_ns: scratch.until_ns.as_ptr(),
        }
    }

    /// Begins a walk, see [`FrameWindow::begin`].
    #[inline(always)]
    pub fn begin(&mut self, reach: u64) {
        // SAFETY: this CPU's scratch.
        unsafe { (*self.frames).begin(reach) };
    }

    /// Ends it, see [`FrameWindow::reach`].
    #[inline(always)]
    pub fn reach(&self) -> u64 {
        // SAFETY: this CPU's scratch.
        unsafe { (*self.frames).reach() }
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
    fn is_late(&self) -> bool {
        // SAFETY: this CPU's scratch; the helper has no preconditions.
        unsafe { bpf_ktime_get_ns() > self.until_ns.read() }
    }

    #[inline(always)]
    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
        // SAFETY: this CPU's scratch, which nothing else uses now.
        let frames = unsafe { &mut *self.frames };
        frames.frame(addr, |to, bytes, from| {
            // SAFETY: there is room for so much; the helper faults safely.
            unsafe { bpf_probe_read_user(to.cast(), bytes as u32, from as *const _) == 0 }
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
