//! What the walk reads of frames at once.

use super::layout::{FRAME_READ_BYTES, FRAME_WINDOW_WORDS};
use crate::store::clear;

/// Most that is read at once: some ten frames of a data stack.
const STRETCH_BYTES: usize = 2048;

/// How far below a frame a stretch may begin that ends with it.
const REACH: u64 = (STRETCH_BYTES - FRAME_READ_BYTES) as u64;
const PAGE_BYTES: u64 = 4096;
/// Offsets of words in a stretch, whose length is a power of two.
const OFFSETS: u64 = STRETCH_BYTES as u64 - 8;
/// What is read, and behind a frame at its end still all the words of a window.
const WORDS: usize = STRETCH_BYTES / 8 + FRAME_WINDOW_WORDS;

/// A stretch of a data stack, or a single frame.
///
/// Frames of a data stack lie side by side, callers below: once one was near the one
/// before it, or they were in the walk before, all of its page that is within reach below
/// is read at once. That page is there, for the frame is in it. Frames of generators, and
/// all before 3.11, are objects of their own.
#[derive(Debug)]
#[repr(C)]
pub struct FrameWindow {
    words: [u64; WORDS],
    /// Where it begins.
    lowest: u64,
    /// Frames are in it that begin less than so many bytes above that. (One that does not
    /// begin at a word is taken to begin at the word before: no frame does, so whoever was
    /// led there notices by the address.)
    starts: u64,
    /// The frame that was asked for first, and last.
    first: u64,
    last: u64,
    /// Reads of this walk.
    reads: u64,
    /// How far below its first frame it reads at once; once it has read again, how far the
    /// next walk should.
    reach: u64,
}

impl FrameWindow {
    /// One that holds nothing.
    pub const EMPTY: Self = Self {
        words: [0; WORDS],
        lowest: 0,
        starts: 0,
        first: 0,
        last: 0,
        reads: 0,
        reach: 0,
    };

    /// Begins a walk, of this thread's stack as it is now: what is held is forgotten. The
    /// first read is of all that is within `reach` below the first frame too, which is what
    /// [`FrameWindow::reach`] was after the thread's walk before.
    #[inline(always)]
    pub fn begin(&mut self, reach: u64) {
        self.forget();
        clear(&mut self.reads);
        self.reach = reach;
    }

    /// How far below the first frame the others lay, as far as one read can have them all:
    /// stacks of a thread are often like the one before. 0 if the next one lay elsewhere.
    #[inline(always)]
    pub const fn reach(&self) -> u64 {
        if self.reads == 1 {
            self.first.wrapping_sub(self.last)
        } else {
            self.reach
        }
    }

    #[inline(always)]
    fn forget(&mut self) {
        clear(&mut self.starts);
        clear(&mut self.first);
        clear(&mut self.last);
    }

    /// The frame at `addr`. If it is not here, `read(to, bytes, from)` reads so many
    /// bytes, at most 2 KiB, and says whether it could.
    ///
    /// Distances come from memory, where the verifier does not follow them: whether they
    /// were read before or now is one to it.
    #[inline(always)]
    pub fn frame(
        &mut self,
        addr: u64,
        read: impl FnOnce(*mut u8, usize, u64) -> bool,
    ) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
        let mut inside = addr.wrapping_sub(self.lowest);
        if inside >= self.starts {
            // What is not at a word's beginning is so far away that it is never near.
            let above = self.last.wrapping_sub(addr);
            let is_near = above.rotate_right(3) <= REACH / 8;
            let mut reach = if is_near { REACH } else { 0 };
            if self.reads == 0 {
                self.first = addr;
                reach = self.reach;
            } else if self.reads == 1 {
                self.reach = if is_near {
                    REACH
                } else {
                    self.first.wrapping_sub(self.last)
                };
            }
            self.reads += 1;
            let page = addr & !(PAGE_BYTES - 1);
            let within_reach = addr.wrapping_sub(reach);
            self.lowest = if within_reach > page {
                within_reach
            } else {
                page
            };
            inside = addr.wrapping_sub(self.lowest);
            self.starts = inside + 1;
            let bytes = (inside & OFFSETS) as usize + FRAME_READ_BYTES;
            if !read((&raw mut self.words).cast(), bytes, self.lowest) {
                self.forget();
                return None;
            }
        }
        self.last = addr;
        // SAFETY: the mask keeps it a multiple of 8 and so far from the end that a window
        // follows. Indexing would leave a panic that the verifier refuses.
        Some(unsafe {
            &*(&raw const self.words)
                .byte_add((inside & OFFSETS) as usize)
                .cast()
        })
    }
}

const _: () = assert!(STRETCH_BYTES.is_power_of_two());
const _: () = assert!(OFFSETS as usize + 8 * FRAME_WINDOW_WORDS <= 8 * WORDS);
const _: () = assert!(OFFSETS as usize + FRAME_READ_BYTES <= 8 * WORDS);

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x7f00_0000_0000;
    const SIZE: u64 = 4 * PAGE_BYTES;

    /// A word tells where it lies.
    fn word_at(addr: u64) -> u64 {
        addr.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Reads what lies in `BASE..BASE + SIZE` and nothing else.
    fn read(to: *mut u8, bytes: usize, from: u64) -> bool {
        let end = from.checked_add(bytes as u64);
        if from < BASE || end.is_none_or(|end| end > BASE + SIZE) {
            return false;
        }
        for at in (0..bytes as u64).step_by(8) {
            let word = word_at(from + at).to_ne_bytes();
            // SAFETY: `frame` has room for so many bytes.
            unsafe { to.byte_add(at as usize).cast::<[u8; 8]>().write(word) };
        }
        true
    }

    fn is_right(frame: Option<&[u64; FRAME_WINDOW_WORDS]>, addr: u64) -> bool {
        frame.is_some_and(|words| {
            words[..FRAME_READ_BYTES / 8]
                .iter()
                .zip((addr..).step_by(8))
                .all(|(word, at)| *word == word_at(at))
        })
    }

    /// Frames in any order and at any distance are what lies there; those side by side take
    /// a read for each stretch only.
    #[test]
    fn frames_are_what_lies_there() {
        let mut window = FrameWindow::EMPTY;
        let mut state = 1_u64;
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = ((state >> 33) % (SIZE - FRAME_READ_BYTES as u64)) & !7;
            let mut addr = BASE + at;
            window.begin(window.reach());
            assert!(window.reach() <= REACH);
            for _ in 0..(state >> 60) {
                assert!(is_right(window.frame(addr, read), addr));
                let below = (80 + (state >> 50) % 128) & !7;
                if addr - BASE < below {
                    break;
                }
                addr -= below;
            }
        }
    }

    #[test]
    fn frames_side_by_side_are_read_together() {
        let mut window = FrameWindow::EMPTY;
        let mut reads = 0;
        // The uppermost frame that ends with the page.
        let top = BASE + PAGE_BYTES - FRAME_READ_BYTES as u64;
        for n in 0..30 {
            let addr = top - n * 128;
            let frame = window.frame(addr, |to, bytes, from| {
                reads += 1;
                read(to, bytes, from)
            });
            assert!(is_right(frame, addr));
        }
        // One by itself, and 4 KiB in stretches of 2.
        assert_eq!(reads, 3);
    }

    /// Walks from `frames`, with the reach that the walk before left; how many reads it took.
    fn reads_of_a_walk(window: &mut FrameWindow, frames: &[u64]) -> usize {
        let mut reads = 0;
        window.begin(window.reach());
        for addr in frames {
            let frame = window.frame(*addr, |to, bytes, from| {
                reads += 1;
                read(to, bytes, from)
            });
            assert!(is_right(frame, *addr));
        }
        reads
    }

    #[test]
    fn a_stack_like_the_one_before_takes_a_read_less() {
        let top = BASE + PAGE_BYTES - FRAME_READ_BYTES as u64;
        let many: [u64; 20] = core::array::from_fn(|n| top - n as u64 * 128);
        let few = &many[..8];
        // A generator's frame, and what called it.
        let mut apart = many;
        apart[0] = BASE + 2 * PAGE_BYTES;
        let mut window = FrameWindow::EMPTY;
        assert_eq!(reads_of_a_walk(&mut window, few), 2);
        assert_eq!(reads_of_a_walk(&mut window, few), 1);
        assert_eq!(window.reach(), 7 * 128, "no more than they need");
        assert_eq!(reads_of_a_walk(&mut window, &few[..2]), 1);
        assert_eq!(window.reach(), 128);
        assert_eq!(reads_of_a_walk(&mut window, &many), 3);
        assert_eq!(window.reach(), REACH);
        assert_eq!(reads_of_a_walk(&mut window, &many), 2);
        assert_eq!(reads_of_a_walk(&mut window, &apart[..5]), 3);
        assert_eq!(window.reach(), 0, "what called it lies elsewhere");
        assert_eq!(reads_of_a_walk(&mut window, &few[..1]), 1);
        assert_eq!(reads_of_a_walk(&mut window, &[]), 0);
    }

    #[test]
    fn what_cannot_be_read_is_forgotten() {
        let mut window = FrameWindow::EMPTY;
        assert!(window.frame(BASE + SIZE, read).is_none());
        assert!(window.frame(u64::MAX, read).is_none());
        assert!(window.frame(BASE - 8, read).is_none());
        assert_eq!(window.reach(), 0);
        assert!(is_right(window.frame(BASE, read), BASE));
        // The stretch ends with its page, below which nothing is there.
        assert!(window.frame(BASE - 128, read).is_none());
    }
}
