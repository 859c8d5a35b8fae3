//! Where the walk looks in a frame, worked out from the layout before it begins.

use super::layout::{FRAME_WINDOW_WORDS, NO_PLACEHOLDER, PyLayout};

/// Offsets of the words in a frame's buffer.
const WORDS: u64 = 8 * FRAME_WINDOW_WORDS as u64 - 8;

/// A frame's fields as whole words, shifts and masks: what is worked out here is not worked
/// out for every frame. Four words are read of each: the code object, the frame before, the
/// instruction, and the one that says what kind of frame it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FramePlan {
    /// [`PyLayout::frame_base`].
    pub base: u64,
    /// Offset of the word that holds [`PyLayout::frame_code`].
    pub code_at: u64,
    /// Its bits that are no tag.
    pub code_mask: u64,
    /// Offset of the word that holds [`PyLayout::frame_previous`].
    pub previous_at: u64,
    /// Offset of the word that holds [`PyLayout::frame_instr`].
    pub instr_at: u64,
    /// The field is what is left of it after a shift to the left, and then
    pub instr_left: u64,
    /// one to the right that keeps the sign.
    pub instr_right: u64,
    /// Offset of the word that says what kind of frame it is: whichever version of `CPython`
    /// it is, all that counts of that lies in one word.
    pub kind_at: u64,
    /// Shift to the left that makes [`PyLayout::frame_entry`] the topmost bit.
    pub entry_left: u64,
    /// That bit, or 0 if there is no such field.
    pub entry_mask: u64,
    /// Shift to the right that makes [`PyLayout::frame_owner`] the lowest byte.
    pub owner_right: u64,
    /// The greatest owner that is no placeholder's.
    pub last_owner: u64,
    /// Which bits must be 0 in the outermost frame ([`PyLayout::frame_root`]).
    pub root_mask: u64,
}

impl FramePlan {
    /// The plan for a layout. Fields that the version does not have are not looked for, and
    /// a wrong layout reads another word of the buffer, never outside.
    pub const fn of(layout: &PyLayout) -> Self {
        let has_owner = layout.placeholder_owner != NO_PLACEHOLDER;
        let has_entry = layout.frame_entry_mask != 0;
        let kind = if has_owner {
            layout.frame_owner
        } else if has_entry {
            layout.frame_entry
        } else {
            layout.frame_root
        };
        let kind_at = word_of(kind);
        let spare = layout.frame_instr_spare_bits as u64 & 63;
        let entry_bit = bit_of(layout.frame_entry) + layout.frame_entry_mask.trailing_zeros();
        Self {
            base: layout.frame_base as u64,
            code_at: word_of(layout.frame_code),
            code_mask: !(layout.code_tag_mask as u64),
            previous_at: word_of(layout.frame_previous),
            instr_at: word_of(layout.frame_instr),
            instr_left: spare.saturating_sub(bit_of(layout.frame_instr) as u64),
            instr_right: spare,
            kind_at,
            entry_left: (63_u32.saturating_sub(entry_bit)) as u64,
            entry_mask: if has_entry && word_of(layout.frame_entry) == kind_at {
                1 << 63
            } else {
                0
            },
            owner_right: bit_of(layout.frame_owner) as u64,
            last_owner: (layout.placeholder_owner as u64).saturating_sub(1),
            root_mask: if word_of(layout.frame_root) == kind_at {
                layout.frame_root_mask << bit_of(layout.frame_root)
            } else {
                0
            },
        }
    }
}

/// Offset of the word that a field lies in.
const fn word_of(offset: u16) -> u64 {
    offset as u64 & WORDS
}

/// The bit of its word that a field begins at; little-endian, as the target is.
const fn bit_of(offset: u16) -> u32 {
    (offset as u32 & 7) * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        python::{FrameSink, FrameWindow, Leaf, MemRead, WIDE_WINDOW_WORDS, WalkEnd, walk_frames},
        stack::{CALLED_FROM_C, RawFrame, flags::IN_TRANSITION},
    };

    /// Frames as 3.8 has them: an `int` in the upper half of its word, and no owner.
    fn objects() -> PyLayout {
        PyLayout {
            frame_base: 24,
            frame_code: 8,
            frame_instr: 84,
            frame_instr_spare_bits: 32,
            placeholder_owner: NO_PLACEHOLDER,
            frame_root: 72,
            frame_root_mask: u64::MAX,
            ..PyLayout::default()
        }
    }

    /// As 3.11 has them: entries are marked, and generators' frames.
    fn entries() -> PyLayout {
        PyLayout {
            frame_code: 32,
            frame_previous: 48,
            frame_instr: 56,
            frame_owner: 69,
            placeholder_owner: NO_PLACEHOLDER,
            frame_entry: 68,
            frame_entry_mask: 1,
            frame_root: 69,
            frame_root_mask: 0xff,
            ..PyLayout::default()
        }
    }

    /// As 3.14 has them: placeholders, and tagged code objects.
    fn owners() -> PyLayout {
        PyLayout {
            frame_previous: 8,
            frame_instr: 56,
            frame_owner: 74,
            placeholder_owner: 3,
            code_tag_mask: 3,
            ..PyLayout::default()
        }
    }

    const BASE: u64 = 0x7f00_0000_0000;

    /// Memory from [`BASE`] on.
    struct Memory {
        bytes: [u8; 4096],
        window: FrameWindow,
    }

    impl Memory {
        fn put<const N: usize>(&mut self, at: u64, bytes: [u8; N]) {
            let at = (at - BASE) as usize;
            self.bytes[at..at + N].copy_from_slice(&bytes);
        }
    }

    impl MemRead for Memory {
        fn read_words<const N: usize>(&self, _: u64) -> Option<[u64; N]> {
            None
        }

        fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
            let bytes = &self.bytes;
            self.window.frame(addr, |to, length, from| {
                let Some(at) = from.checked_sub(BASE) else {
                    return false;
                };
                let Some(from) = bytes.get(at as usize..at as usize + length) else {
                    return false;
                };
                // SAFETY: the window has room for so much.
                unsafe { to.copy_from(from.as_ptr(), length) };
                true
            })
        }

        fn read_wide(&mut self, _: u64) -> Option<&[u64; WIDE_WINDOW_WORDS]> {
            None
        }

        fn is_late(&self) -> bool {
            false
        }
    }

    struct Frames([RawFrame; 64], usize);

    impl FrameSink for Frames {
        fn put(&mut self, index: usize, frame: RawFrame) {
            self.0[index] = frame;
            self.1 = index + 1;
        }
    }

    fn walk(memory: &mut Memory, layout: &PyLayout, leaf: u64) -> (Frames, WalkEnd) {
        let mut frames = Frames([RawFrame::default(); 64], 0);
        let mut end = WalkEnd::default();
        memory.window.begin(0);
        walk_frames::<_, _, 64>(
            memory,
            &FramePlan::of(layout),
            leaf,
            64,
            &mut frames,
            &mut end,
        );
        (frames, end)
    }

    fn memory() -> Memory {
        let mut memory = Memory {
            bytes: [0; 4096],
            window: FrameWindow::EMPTY,
        };
        // What is no field of a frame is not to matter.
        for (i, byte) in memory.bytes.iter_mut().enumerate() {
            *byte = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7];
        }
        memory
    }

    /// A frame for each of `frames`: its code, its instruction, whether it is an entry, its owner.
    fn chain(memory: &mut Memory, layout: &PyLayout, frames: &[(u64, i64, bool, u8)]) -> u64 {
        let mut at = 0;
        for (n, (code, instr, is_entry, owner)) in frames.iter().rev().enumerate() {
            let previous = at;
            at = BASE + 128 * (n as u64 + 1);
            let fields = at + u64::from(layout.frame_base);
            memory.put(fields + u64::from(layout.frame_root), [0; 8]);
            memory.put(fields + u64::from(layout.frame_owner), [*owner]);
            memory.put(
                fields + u64::from(layout.frame_entry),
                [u8::from(*is_entry)],
            );
            memory.put(
                fields + u64::from(layout.frame_previous),
                previous.to_le_bytes(),
            );
            memory.put(fields + u64::from(layout.frame_code), code.to_le_bytes());
            let instr_at = fields + u64::from(layout.frame_instr);
            if layout.frame_instr_spare_bits == 32 {
                memory.put(instr_at, (*instr as i32).to_le_bytes());
            } else {
                memory.put(instr_at, instr.to_le_bytes());
            }
        }
        at
    }

    const A: u64 = BASE + 0x1_0000;
    const B: u64 = BASE + 0x1_0100;

    const fn frame(code: u64, instr: i64) -> RawFrame {
        RawFrame {
            code,
            instr: instr.cast_unsigned(),
            witness: 0,
        }
    }

    /// What the walk of a chain of two finds, and bits of `stack::flags`.
    fn found(layout: &PyLayout, frames: &[(u64, i64, bool, u8); 2]) -> ([RawFrame; 2], u32) {
        let mut memory = memory();
        let frame = chain(&mut memory, layout, frames);
        let (frames, end) = walk(&mut memory, layout, frame);
        assert_eq!(frames.1, 2);
        let leaf = Leaf {
            frame,
            ..Leaf::default()
        };
        let judged = end.judge(layout.root_is_entry, leaf);
        assert_eq!(judged.frames, 2);
        ([frames.0[0], frames.0[1]], judged.flags)
    }

    #[test]
    fn frames_of_every_kind_are_found() {
        assert_eq!(
            found(&objects(), &[(A, -1, false, 0), (B, 70_000, false, 0)]),
            ([frame(A, -1), frame(B, 70_000)], 0)
        );
        let entry = CALLED_FROM_C;
        assert_eq!(
            found(&entries(), &[(A, 16, true, 1), (B, 24, false, 0)]),
            ([frame(A | entry, 16), frame(B, 24)], 0)
        );
        assert_eq!(
            found(&owners(), &[(A | 1, 16, false, 2), (B, 24, false, 3)]),
            ([frame(A, 16), frame(0, 0)], 0)
        );
    }

    #[test]
    fn what_cannot_be_outermost_is_no_end() {
        let complete = |layout| PyLayout {
            root_is_entry: 1,
            ..layout
        };
        for (layout, root, is_end) in [
            (complete(entries()), (B, 24, true, 0), true),
            (complete(entries()), (B, 24, false, 0), false),
            // A generator's.
            (complete(entries()), (B, 24, true, 1), false),
            (complete(owners()), (B, 24, false, 3), true),
            (complete(owners()), (B, 24, false, 0), false),
        ] {
            let (_, flags) = found(&layout, &[(A, 16, false, 0), root]);
            assert_eq!(flags, if is_end { 0 } else { IN_TRANSITION }, "{root:?}");
        }
    }

    #[test]
    fn chains_that_lead_astray_are_none() {
        let layout = owners();
        let frames = [(A, 16, false, 0); 20];
        for (from, to) in [(0, 0), (3, 3), (19, 0), (19, 12), (10, 3)] {
            let mut memory = memory();
            let leaf = chain(&mut memory, &layout, &frames);
            let at = |n: u64| leaf - 128 * n;
            memory.put(at(from) + 8, at(to).to_le_bytes());
            let (walked, end) = walk(&mut memory, &layout, leaf);
            let flags = end.judge(0, Leaf::default()).flags;
            assert_eq!(flags & IN_TRANSITION, IN_TRANSITION, "{from} to {to}");
            assert!(walked.1 < 64, "it is found before the walk is at its limit");
        }
        let mut memory = memory();
        let leaf = chain(&mut memory, &layout, &frames);
        memory.put(leaf - 128 + 8, (leaf - 255).to_le_bytes());
        let (_, end) = walk(&mut memory, &layout, leaf);
        let flags = end.judge(0, Leaf::default()).flags;
        assert_eq!(flags & IN_TRANSITION, IN_TRANSITION, "no frame is there");
    }
}
