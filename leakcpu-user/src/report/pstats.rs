//! The file that `pstats.Stats` reads: what `cProfile` dumps, in Python's own format for it
//! (`Python/marshal.c`), which has not changed for what is used here.

use std::{collections::BTreeMap, io::Write};

use super::ReportError;
use crate::model::{FunctionRow, Process};

const DICT: u8 = b'{';
const NULL: u8 = b'0';
const TUPLE: u8 = b'(';
const UNICODE: u8 = b'u';
const INT: u8 = b'i';
const LONG: u8 = b'l';
const FLOAT: u8 = b'g';

/// Bits of a digit of a long number.
const DIGIT_BITS: u32 = 15;

/// What `pstats` knows of a function.
#[derive(Default)]
struct Row {
    calls: u64,
    own_ns: u64,
    all_ns: u64,
}

/// Writes the functions of a process. Calls that nobody counted are 0; who called whom is not
/// told.
pub fn write_pstats(
    process: &Process,
    rows: &[FunctionRow],
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    // One that was defined twice at one place is one function here.
    let mut by_label: BTreeMap<(&str, u32, &str), Row> = BTreeMap::new();
    for row in rows {
        let Some(function) = process.function(row.function) else {
            continue;
        };
        let label = (
            function.file.as_str(),
            function.first_line,
            function.plain_name(),
        );
        let sums = by_label.entry(label).or_default();
        sums.calls += row.ncalls.unwrap_or(0);
        sums.own_ns += row.tottime_ns;
        sums.all_ns += row.cumtime_ns;
    }
    let mut bytes = vec![DICT];
    for ((file, line, name), row) in by_label {
        tuple(3, &mut bytes);
        text(file, &mut bytes);
        number(u64::from(line), &mut bytes);
        text(name, &mut bytes);
        tuple(5, &mut bytes);
        // Calls that were not recursive, and all: they are not told apart.
        number(row.calls, &mut bytes);
        number(row.calls, &mut bytes);
        seconds(row.own_ns, &mut bytes);
        seconds(row.all_ns, &mut bytes);
        bytes.extend([DICT, NULL]);
    }
    bytes.push(NULL);
    Ok(out.write_all(&bytes)?)
}

fn tuple(items: u32, bytes: &mut Vec<u8>) {
    bytes.push(TUPLE);
    bytes.extend(items.to_le_bytes());
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    bytes.push(UNICODE);
    bytes.extend(u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
    // Names are far shorter than 4 GiB: they were read with a limit.
    bytes.extend(text.as_bytes());
}

fn number(value: u64, bytes: &mut Vec<u8>) {
    if let Ok(small) = i32::try_from(value) {
        bytes.push(INT);
        bytes.extend(small.to_le_bytes());
        return;
    }
    let mut digits = Vec::new();
    let mut rest = value;
    while rest > 0 {
        digits.push((rest & ((1 << DIGIT_BITS) - 1)) as u16);
        rest >>= DIGIT_BITS;
    }
    bytes.push(LONG);
    bytes.extend(u32::try_from(digits.len()).unwrap_or(0).to_le_bytes());
    bytes.extend(digits.iter().flat_map(|digit| digit.to_le_bytes()));
}

fn seconds(ns: u64, bytes: &mut Vec<u8>) {
    bytes.push(FLOAT);
    bytes.extend((ns as f64 / 1e9).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_marshal_has_them() {
        let of = |value| {
            let mut bytes = Vec::new();
            number(value, &mut bytes);
            bytes
        };
        // marshal.dumps(5, 2), marshal.dumps(2**31, 2) and marshal.dumps(2**40 + 7, 2).
        assert_eq!(of(5), b"i\x05\0\0\0");
        assert_eq!(of(1 << 31), b"l\x03\0\0\0\0\0\0\0\x02\0");
        assert_eq!(of((1 << 40) + 7), b"l\x03\0\0\0\x07\0\0\0\0\x04");
    }
}
