//! From an instruction to a line, over the three tables CPython has had.

/// How a line table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineTableKind {
    /// `co_lnotab` of 3.8 and 3.9: pairs of address and signed line increments.
    /// Source: `Objects/lnotab_notes.txt`.
    Lnotab,
    /// `co_linetable` of 3.10: pairs of range length and signed line increment, -128
    /// for "no line". Source: `Objects/lnotab_notes.txt` of 3.10, PEP 626.
    Ranges,
    /// `co_linetable` of 3.11 and later: location entries of several forms.
    /// Source: `Objects/locations.md` (`Objects/lnotab_notes.txt` of 3.11).
    Locations,
}

/// The line of the instruction at `offset` (bytes from the start of the code;
/// negative before the first instruction has run). `None` if the table says that the
/// instruction has no line, or does not reach it.
pub fn line_for(table: &[u8], kind: LineTableKind, first_line: u32, offset: i64) -> Option<u32> {
    if offset < 0 {
        return Some(first_line);
    }
    let line = match kind {
        LineTableKind::Lnotab => Some(lnotab_line(table, first_line, offset)),
        LineTableKind::Ranges => ranges_line(table, first_line, offset),
        LineTableKind::Locations => locations_line(table, first_line, offset),
    };
    line.and_then(|line| u32::try_from(line).ok())
}

/// [`line_for`] of a table of which only the beginning is known; `None` too if the
/// instruction lies behind that.
pub fn line_for_start(
    start: &[u8],
    kind: LineTableKind,
    first_line: u32,
    offset: i64,
) -> Option<u32> {
    let whole_entries = match kind {
        LineTableKind::Lnotab => {
            let reaches: i64 = start.chunks_exact(2).map(|pair| i64::from(pair[0])).sum();
            (offset < reaches).then_some(start)
        }
        LineTableKind::Ranges => Some(start),
        // The last entry may be cut off, and its end is where the next one begins.
        LineTableKind::Locations => start
            .iter()
            .rposition(|byte| byte & 0x80 != 0)
            .and_then(|last| start.get(..last)),
    };
    line_for(whole_entries?, kind, first_line, offset)
}

fn lnotab_line(table: &[u8], first_line: u32, offset: i64) -> i64 {
    let mut line = i64::from(first_line);
    let mut at = 0;
    for pair in table.chunks_exact(2) {
        at += i64::from(pair[0]);
        if at > offset {
            break;
        }
        line += i64::from(pair[1].cast_signed());
    }
    line
}

fn ranges_line(table: &[u8], first_line: u32, offset: i64) -> Option<i64> {
    let mut line = i64::from(first_line);
    let mut end = 0;
    for pair in table.chunks_exact(2) {
        end += i64::from(pair[0]);
        let step = pair[1].cast_signed();
        let has_line = step != i8::MIN;
        if has_line {
            line += i64::from(step);
        }
        if offset < end {
            return has_line.then_some(line);
        }
    }
    None
}

/// Bytes of one code unit.
const UNIT_BYTES: i64 = 2;

fn locations_line(table: &[u8], first_line: u32, offset: i64) -> Option<i64> {
    let mut line = i64::from(first_line);
    let mut end = 0;
    let mut rest = table;
    while let Some((head, tail)) = rest.split_first() {
        // Only the first byte of an entry has its highest bit set.
        let length = tail
            .iter()
            .position(|byte| byte & 0x80 != 0)
            .unwrap_or(tail.len());
        let (fields, next) = tail.split_at(length);
        rest = next;
        end += (i64::from(head & 7) + 1) * UNIT_BYTES;
        let code = (head >> 3) & 15;
        line += match code {
            // Long form and no-column form.
            13 | 14 => signed_varint(fields),
            // One-line forms: 10, 11 and 12 lines on by 0, 1 and 2.
            10..=12 => i64::from(code) - 10,
            // Short forms stay on the line, 15 has none.
            _ => 0,
        };
        if offset < end {
            return (code != 15).then_some(line);
        }
    }
    None
}

/// Six bits a byte, least significant first, 0x40 marks that more follow; the
/// lowest bit of the value is the sign.
fn signed_varint(bytes: &[u8]) -> i64 {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().take(6).enumerate() {
        value |= u64::from(byte & 0x3f) << (6 * i);
        if byte & 0x40 == 0 {
            break;
        }
    }
    let magnitude = i64::try_from(value >> 1).unwrap_or(0);
    if value & 1 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn signed_line_steps_of_lnotab() {
        // Line 10 at 0, 12 at 4, 9 at 6, 309 from 8 on (in steps of at most 127).
        let table = [4, 2, 2, 0xfd, 2, 127, 0, 127, 0, 46];
        let line = |offset| line_for(&table, LineTableKind::Lnotab, 10, offset);
        assert_eq!([line(-1), line(0), line(2)], [Some(10); 3]);
        assert_eq!(
            [line(4), line(6), line(8), line(100)],
            [Some(12), Some(9), Some(309), Some(309)]
        );
    }

    #[test]
    fn ranges_without_a_line() {
        let table = [2, 1, 2, 0x80, 4, 0xff];
        let line = |offset| line_for(&table, LineTableKind::Ranges, 5, offset);
        assert_eq!(
            [line(0), line(2), line(4), line(6), line(8)],
            [Some(6), None, Some(5), Some(5), None]
        );
    }

    proptest! {
        #[test]
        fn the_start_of_a_table_says_what_the_whole_says(
            mut table in proptest::collection::vec(any::<u8>(), 2..200),
            cut in any::<proptest::sample::Index>(),
            first_line in 1..100_000_u32,
            offset in 0..600_i64,
        ) {
            // Real tables begin with an entry.
            table[0] |= 0x80;
            let start = &table[..cut.index(table.len())];
            for kind in [LineTableKind::Lnotab, LineTableKind::Ranges, LineTableKind::Locations] {
                let whole = line_for(&table, kind, first_line, offset);
                let part = line_for_start(start, kind, first_line, offset);
                prop_assert!(part.is_none() || part == whole, "{:?}: {:?}, {:?}", kind, part, whole);
            }
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read(
            table in proptest::collection::vec(any::<u8>(), 0..200),
            first_line in any::<u32>(),
            offset in any::<i64>(),
        ) {
            for kind in [LineTableKind::Lnotab, LineTableKind::Ranges, LineTableKind::Locations] {
                line_for(&table, kind, first_line, offset);
            }
        }
    }
}
