//! `str` objects.

use leakcpu_common::stack::{NAME_TAIL_BYTES, TAG_WORDS, tag_length, tag_text};

use super::{ObjectMemory, RemoteError, layout::ObjectLayout};

/// Longest text that is read, in characters: paths end at `PATH_MAX`, and a name
/// that long is no name.
pub const MAX_TEXT_CHARS: u64 = 4096;

/// Bytes read in one go: most names and many paths, with their object's head.
const AHEAD_BYTES: usize = 256;

/// Why a `str` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Its memory could not be read, or it is too long.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The object is not a string in compact form, the only one that names have.
    #[error("no compact string at {address:#x}")]
    NotCompact {
        /// Its address.
        address: u64,
    },
}

/// A `str` as far as it could be read.
#[derive(Debug)]
pub(super) struct Text {
    /// Ends with `…` if more followed.
    pub(super) value: String,
    /// All of it was read.
    pub(super) is_whole: bool,
    /// Its length in characters, and the first so many bytes of it.
    length: u64,
    start: Box<[u8]>,
}

impl Text {
    fn decode(data: &[u8], width: u64, length: u64) -> Self {
        let is_whole = data.len() as u64 == length * width;
        let mut text = decode_text(data, width);
        if !is_whole {
            text.push('\u{2026}');
        }
        let start = usize::try_from(length).map_or(data, |n| &data[..n.min(data.len())]);
        Self {
            value: text,
            is_whole,
            length,
            start: start.into(),
        }
    }

    /// The kernel side's tag of a text, made of its last `tail_bytes` bytes.
    pub(super) fn tag(&self, tail_bytes: u64) -> u64 {
        let window = NAME_TAIL_BYTES;
        let mut tag = tag_length(self.length);
        let mut from_end = tail_bytes;
        while from_end != 0 {
            let at = |back: u64| usize::try_from(self.length.saturating_sub(back)).unwrap_or(0);
            let part = self.start.get(at(from_end)..at(from_end - window));
            let mut words = [[0; 8]; TAG_WORDS];
            let part = part.unwrap_or_default();
            words.as_flattened_mut()[..part.len()].copy_from_slice(part);
            tag = tag_text(tag, words.map(u64::from_le_bytes));
            from_end -= window;
        }
        tag
    }
}

/// Reads the `str` at `address`.
pub(super) fn read_text(
    memory: &impl ObjectMemory,
    layout: &ObjectLayout,
    address: u64,
) -> Result<Text, TextError> {
    let mut ahead = [0; AHEAD_BYTES];
    let head_bytes = usize::from(layout.unicode_ascii_data).min(AHEAD_BYTES);
    let read = memory.read_some(address, head_bytes, &mut ahead)?;
    let ahead = &ahead[..read];
    let word = |offset: u16| {
        ahead
            .get(usize::from(offset)..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |b| u64::from_le_bytes(*b))
    };
    // Bit fields of a 32-bit word.
    let state = word(layout.unicode_state);
    let bit = |bit: u8| state >> bit & 1 == 1;
    let width = state >> layout.unicode_kind_bit & 7;
    if !bit(layout.unicode_compact_bit) || !matches!(width, 1 | 2 | 4) {
        return Err(TextError::NotCompact { address });
    }
    let length = word(layout.unicode_length);
    let data_offset = if bit(layout.unicode_ascii_bit) {
        layout.unicode_ascii_data
    } else {
        layout.unicode_compact_data
    };
    let data = address.wrapping_add(u64::from(data_offset));
    if length > MAX_TEXT_CHARS {
        return Err(RemoteError::TooLong {
            address: data,
            bytes: length.saturating_mul(width),
        }
        .into());
    }
    let bytes = length * width;
    let start = usize::from(data_offset);
    let end = start.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
    if let Some(data) = ahead.get(start..end) {
        return Ok(Text::decode(data, width, length));
    }
    let data = memory.read_start(data, bytes, usize::MAX)?;
    Ok(Text::decode(&data, width, length))
}

/// Decodes a compact string's characters of `width` bytes (1: ASCII or Latin-1,
/// 2: UCS-2, 4: UCS-4). What is no Unicode character (a lone surrogate, as CPython
/// makes of undecodable file names) becomes U+FFFD.
pub fn decode_text(bytes: &[u8], width: u64) -> String {
    let character = |code: u32| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    match width {
        2 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|c| character(u16::from_le_bytes(*c).into()))
            .collect(),
        4 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|c| character(u32::from_le_bytes(*c)))
            .collect(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width() {
        assert_eq!(decode_text(b"abc", 1), "abc");
        assert_eq!(decode_text(b"caf\xe9", 1), "café");
        assert_eq!(decode_text(&[0x2d, 0x4e, 0x87, 0x65], 2), "中文");
        assert_eq!(
            decode_text(&[0x0d, 0xf4, 0x01, 0x00, 0x61, 0, 0, 0], 4),
            "\u{1f40d}a"
        );
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        assert_eq!(decode_text(&[0x80, 0xdc, 0x61, 0], 2), "\u{fffd}a");
        assert_eq!(decode_text(&[0xff, 0xff, 0xff, 0xff], 4), "\u{fffd}");
    }
}
