//! What is looked at in a code object while a stack is walked.

use super::{
    layout::PyLayout,
    walk::{MemRead, field, word},
};
use crate::stack::{
    FILENAME_TAIL_BYTES, NAME_TAIL_BYTES, TAG_WORDS, Testimony, tag_length, tag_text, witness,
};

/// `CO_OPTIMIZED` of `Include/cpython/code.h`: the code of a function. Bodies of
/// modules and classes and what `exec` and `eval` compile are without it; they run once
/// and are freed.
const CO_OPTIMIZED: u64 = 1;

/// A code object's fields that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeWords {
    /// [`witness`].
    pub witness: u64,
    /// Address of `co_filename`.
    pub filename: u64,
    /// Address of `co_name`.
    pub name: u64,
    /// Address of `co_qualname`.
    pub qualname: u64,
    /// Address of the line table.
    pub line_table: u64,
    /// It is the body of a function.
    pub is_function: bool,
}

/// Reads them.
#[inline(always)]
pub fn read_code<M: MemRead>(mem: &mut M, layout: &PyLayout, code: u64) -> Option<CodeWords> {
    let buf = mem.read_wide(code)?;
    let first_line = field(buf, layout.code_first_line) as u32;
    let name = word(buf, layout.code_name);
    let filename = word(buf, layout.code_filename);
    let line_table = word(buf, layout.code_line_table);
    let qualname = word(buf, layout.code_qualname);
    let is_function = field(buf, layout.code_flags) & CO_OPTIMIZED != 0;
    Some(CodeWords {
        witness: witness(Testimony {
            first_line,
            name,
            filename,
            line_table,
            name_tag: tag::<_, NAME_TAIL_BYTES>(mem, layout, name)?,
            filename_tag: tag::<_, FILENAME_TAIL_BYTES>(mem, layout, filename)?,
        }),
        filename,
        name,
        qualname,
        line_table,
        is_function,
    })
}

/// Bytes read in one go.
const WINDOW_BYTES: u64 = 8 * TAG_WORDS as u64;

/// The tag of the `str` at `text`: its length and its last `TAIL_BYTES` bytes, counted
/// as if a character had one.
#[inline(always)]
fn tag<M: MemRead, const TAIL_BYTES: u64>(mem: &M, layout: &PyLayout, text: u64) -> Option<u64> {
    let length = mem.read_u64(text.wrapping_add(u64::from(layout.text_length)))?;
    let state = mem.read_u64(text.wrapping_add(u64::from(layout.text_state)))?;
    let is_other = (state >> (layout.text_ascii_bit & 31) & 1) ^ 1;
    let more = layout.text_compact_data.wrapping_sub(layout.text_data);
    let data = u64::from(layout.text_data).wrapping_add(u64::from(more) * is_other);
    let start = text.wrapping_add(data);
    let mut tag = tag_length(length);
    let mut from_end = TAIL_BYTES;
    while from_end != 0 {
        // All of a short text is in its last window.
        let skipped = length.saturating_sub(from_end);
        let reaches = (length.saturating_sub(from_end - WINDOW_BYTES)).saturating_sub(skipped);
        let words = mem.read_words::<TAG_WORDS>(start.wrapping_add(skipped))?;
        tag = tag_text(tag, first_bytes(words, reaches));
        from_end -= WINDOW_BYTES;
    }
    Some(tag)
}

/// The first `bytes` bytes of `words`, and zeros.
#[inline(always)]
fn first_bytes(mut words: [u64; TAG_WORDS], bytes: u64) -> [u64; TAG_WORDS] {
    let mut rest = bytes;
    for word in &mut words {
        let keep = if rest < 8 { rest } else { 8 };
        // In two steps, for a shift by 64 is none.
        let half = 32 - 4 * keep;
        *word &= (u64::MAX >> (half & 63)) >> (half & 63);
        rest -= keep;
    }
    words
}

/// Whether a code object with this file name was generated: `<string>`, `<attrs ...>`.
/// `<frozen ...>` is no such name.
#[inline(always)]
pub fn is_generated<M: MemRead>(mem: &M, layout: &PyLayout, filename: u64) -> bool {
    let Some(text) = mem.read_u64(filename.wrapping_add(u64::from(layout.text_data))) else {
        return false;
    };
    let [first, second, ..] = text.to_le_bytes();
    first == b'<' && second != b'f'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_words() {
        let words = [u64::MAX; TAG_WORDS];
        assert_eq!(first_bytes(words, 0), [0; TAG_WORDS]);
        assert_eq!(first_bytes(words, 3), [0xff_ffff, 0, 0, 0]);
        assert_eq!(first_bytes(words, 17), [u64::MAX, u64::MAX, 0xff, 0]);
        assert_eq!(first_bytes(words, 32), words);
        assert_eq!(first_bytes(words, 99), words);
    }
}
