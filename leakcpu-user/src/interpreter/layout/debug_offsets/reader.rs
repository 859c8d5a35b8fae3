//! The figures of `_Py_DebugOffsets` by name, with bounds on what they may be.

use super::{
    DebugOffsetsError,
    words::{HEAD_WORDS, Word, words},
};
use crate::interpreter::PythonVersion;

/// First bytes of the structure (`_Py_Debug_Cookie`).
const COOKIE: &[u8; 8] = b"xdebugpy";

/// No structure of CPython that is described here is larger: `PyInterpreterState` has
/// 250 kB, `_PyRuntimeState`, of which the first interpreter is a part, 409 kB.
const MAX_STRUCTURE_BYTES: u64 = 64 << 20;

/// A figure that is no offset in its group's structure.
const NO_OFFSET: Word = Word {
    group: "gc",
    name: "generation_stats_size",
};

/// The structure of one file.
pub(super) struct Reader<'a> {
    words: Vec<(Word, u64)>,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of the first bytes of `_PyRuntime`.
    pub(super) fn new(
        runtime_head: &'a [u8],
        version: PythonVersion,
    ) -> Result<Self, DebugOffsetsError> {
        if !runtime_head.starts_with(COOKIE) {
            return Err(DebugOffsetsError::Cookie);
        }
        let words = words(version.minor).ok_or(DebugOffsetsError::Unknown { version })?;
        let needed = 8 * (HEAD_WORDS + words.len());
        if runtime_head.len() < needed {
            return Err(DebugOffsetsError::Short {
                found: runtime_head.len(),
                needed,
            });
        }
        let bytes = runtime_head;
        let word = |at: usize| word(bytes, at);
        let words = words
            .into_iter()
            .zip((HEAD_WORDS..).map(word))
            .collect::<Vec<_>>();
        let reader = Self { words, bytes };
        reader.check()?;
        Ok(reader)
    }

    /// Built without the GIL.
    pub(super) fn is_free_threaded(&self) -> Result<bool, DebugOffsetsError> {
        match word(self.bytes, 2) {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DebugOffsetsError::Implausible {
                field: "free_threaded".to_owned(),
                value,
            }),
        }
    }

    /// Sees that no word can be another's: offsets lie inside the structure whose size
    /// leads their group. A word more or less, and the sizes fall on offsets.
    fn check(&self) -> Result<(), DebugOffsetsError> {
        for group in self.words.chunk_by(|(a, _), (b, _)| a.group == b.group) {
            let [(Word { name: "size", .. }, size), offsets @ ..] = group else {
                continue;
            };
            if !(1..=MAX_STRUCTURE_BYTES).contains(size) {
                return Err(implausible(group[0].0, *size));
            }
            for (word, value) in offsets.iter().filter(|(word, _)| *word != NO_OFFSET) {
                if value >= size {
                    return Err(implausible(*word, *value));
                }
            }
        }
        // Near the end, and can be nothing else: two pointers.
        for (name, expected) in [("next", 0), ("prev", 8)] {
            match self.get("llist_node", name) {
                Some(value) if value != expected => {
                    let group = "llist_node";
                    return Err(implausible(Word { group, name }, value));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A figure; `None` if this version has none of that name.
    pub(super) fn get(&self, group: &'static str, name: &'static str) -> Option<u64> {
        let wanted = Word { group, name };
        self.words
            .iter()
            .find_map(|(word, value)| (*word == wanted).then_some(*value))
    }

    /// A figure that every version has, if it is at most `max`.
    pub(super) fn at_most<T: TryFrom<u64>>(
        &self,
        group: &'static str,
        name: &'static str,
        max: u64,
    ) -> Result<T, DebugOffsetsError> {
        let value = self.get(group, name).unwrap_or(u64::MAX);
        T::try_from(value)
            .ok()
            .filter(|_| value <= max)
            .ok_or_else(|| implausible(Word { group, name }, value))
    }
}

/// `PY_VERSION_HEX` of the build; `None` without the cookie.
pub(super) fn version_hex(runtime_head: &[u8]) -> Option<u64> {
    runtime_head
        .starts_with(COOKIE)
        .then(|| word(runtime_head, 1))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(8 * at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
}

/// The error for one figure.
pub(super) fn implausible(word: Word, value: u64) -> DebugOffsetsError {
    DebugOffsetsError::Implausible {
        field: format!("{}.{}", word.group, word.name),
        value,
    }
}
