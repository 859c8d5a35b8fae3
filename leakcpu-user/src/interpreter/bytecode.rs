//! Where the instructions of a code object are.
//!
//! In the code object itself; in free-threaded builds from 3.14 on each thread but the
//! first runs a copy of its own, which specializes by itself. The copies are listed in
//! `co_tlbc`, are made when a thread first calls the function, and are freed with the
//! code object or when the thread is long gone.
//!
//! Sources: `_PyCodeArray` in `Include/cpython/code.h`, `create_tlbc_lock_held` in
//! `Objects/codeobject.c` (3.14, 3.15).

use super::{ObjectMemory, RemoteError};

/// Bytes of one instruction or cache entry (`_Py_CODEUNIT`).
const UNIT_BYTES: u64 = 2;

/// Most threads whose copies are looked at: more code than that is none.
const MAX_COPIES: usize = 1 << 16;

/// The places of one code object's instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytecode {
    /// Bytes of the instructions.
    pub bytes: u64,
    /// Addresses of the copies.
    pub copies: Box<[u64]>,
}

impl Bytecode {
    /// Reads how many units a code object with the instructions at `start` has
    /// (`ob_size`), and its list of copies at `array`.
    pub(super) fn read(
        memory: &impl ObjectMemory,
        units: u64,
        array: u64,
        start: u64,
    ) -> Result<Self, RemoteError> {
        let bytes = units.saturating_mul(UNIT_BYTES);
        if array == 0 {
            return Ok(Self {
                bytes,
                copies: Box::default(),
            });
        }
        let count = memory.read_start(array, 8, 8)?;
        let count = count.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let entries = array.wrapping_add(8);
        let list = memory.read_start(entries, count.saturating_mul(8), 8 * MAX_COPIES)?;
        let copies = list
            .as_chunks::<8>()
            .0
            .iter()
            .map(|entry| u64::from_le_bytes(*entry))
            // The first entry is the code object's own.
            .filter(|copy| *copy != 0 && *copy != start)
            .collect();
        Ok(Self { bytes, copies })
    }

    /// Bytes from the first instruction to `instr`, which may be just before it;
    /// `start` is where the code object's own are. `None` if it is in no known place.
    pub fn offset(&self, start: u64, instr: u64) -> Option<i64> {
        let into = |from: u64| instr.wrapping_sub(from).cast_signed();
        let holds = |from: u64| {
            (-UNIT_BYTES.cast_signed()..=self.bytes.cast_signed()).contains(&into(from))
        };
        std::iter::once(start)
            .chain(self.copies.iter().copied())
            .find(|from| holds(*from))
            .map(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_a_copy_count_from_its_start() {
        let code = Bytecode {
            bytes: 20,
            copies: [0x9000, 0x5000].into(),
        };
        let offset = |instr| code.offset(0x1000, instr);
        assert_eq!([offset(0x1000), offset(0x1012)], [Some(0), Some(18)]);
        assert_eq!([offset(0x9004), offset(0x5006)], [Some(4), Some(6)]);
        // A frame that has not begun stands before the first instruction.
        assert_eq!([offset(0xffe), offset(0x8ffe)], [Some(-2), Some(-2)]);
        assert_eq!([offset(0x101e), offset(0), offset(u64::MAX)], [None; 3]);
        let huge = Bytecode {
            bytes: u64::MAX,
            ..code
        };
        assert_eq!(huge.offset(0x1000, 0x2000), None);
    }
}
