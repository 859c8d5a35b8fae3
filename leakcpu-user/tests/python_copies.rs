//! Copies of code objects, as the kernel side makes them, against the objects.

mod support;

use leakcpu_common::event::SEGMENT_BYTES;
use proptest::{collection::vec, prelude::*, sample::Index};
use pyobserve::interpreter::{CopiedMemory, line_for_start, read_code};
use support::Running;

/// Files of the standard library to look at.
const FEW_FILES: &str = "20";

/// What a truncated text ends with.
const MORE: &str = "\u{2026}";

#[test]
fn copies_say_what_the_objects_say() {
    for python in support::interpreter::supported() {
        let mut running = Running::script(python, "named_code.py", &[FEW_FILES]);
        // It is Python by the time it says something.
        let mut truth = running.json();
        let (_, process) = support::attach(running.pid());
        let (mut whole, mut lines, mut unknown) = (0, 0, 0);
        while !truth.is_null() {
            let address = truth["address"].as_u64().unwrap();
            let copied = support::copy_code(&process, address);
            let memory = CopiedMemory::new(&copied.segments);
            let copy = read_code(&memory, &process, address).unwrap();
            let code = read_code(&process.memory(), &process, address).unwrap();
            assert_eq!(copy.witness, copied.witness);
            if copy.is_whole {
                assert_eq!(copy, code, "{python:?}");
                whole += 1;
                truth = running.json();
                continue;
            }
            for (copy, text) in [(&copy.name, &code.name), (&copy.filename, &code.filename)] {
                let start = copy.strip_suffix(MORE).unwrap_or(copy);
                assert!(
                    copy == text || text.starts_with(start),
                    "{copy}, not {text}"
                );
            }
            for range in truth["lines"].as_array().unwrap() {
                let (start, end) = (range[0].as_i64().unwrap(), range[1].as_i64().unwrap());
                for offset in (start..end).step_by(2) {
                    let lines_of = &copy.lines;
                    match line_for_start(
                        &lines_of.table,
                        lines_of.kind,
                        lines_of.first_line,
                        offset,
                    ) {
                        Some(line) => assert_eq!(Some(u64::from(line)), range[2].as_u64()),
                        None => unknown += 1,
                    }
                    lines += 1;
                }
            }
            truth = running.json();
        }
        eprintln!(
            "{}: {whole} copies are whole; of {lines} instructions in others {unknown} have no line",
            python.path.display()
        );
        assert!(whole > 100 && lines > unknown, "{python:?}");
    }
}

#[test]
fn hostile_copies_are_decoded_or_refused() {
    let Some(python) = support::interpreter::supported_here().pop() else {
        return;
    };
    let mut running = Running::script(python, "named_code.py", &["1"]);
    let (_, process) = support::attach(running.pid());
    let truth = running.json();
    let copied = support::copy_code(&process, truth["address"].as_u64().unwrap());
    let change = (0..5_usize, any::<Index>(), any::<u8>());
    let word = (0..5_usize, 0..40_usize, any::<u64>());
    let cut = (0..5_usize, any::<Index>());
    let strategy = (
        vec(change, 0..20),
        vec(word, 0..3),
        vec(cut, 0..3),
        vec((0..5_usize, any::<u64>()), 0..2),
    );
    proptest!(|((changes, words, cuts, moves) in strategy)| {
        let mut segments = copied.segments.clone();
        for (segment, at, byte) in changes {
            let bytes = &mut segments[segment].1;
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for (segment, at, word) in words {
            if let Some(bytes) = segments[segment].1.get_mut(8 * at..8 * at + 8) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
        }
        for (segment, at) in cuts {
            let bytes = &mut segments[segment].1;
            let length = at.index(bytes.len() + 1);
            *bytes = bytes[..length].into();
        }
        for (segment, address) in moves {
            segments[segment].0 = address;
        }
        if let Ok(code) = read_code(&CopiedMemory::new(&segments), &process, copied.code) {
            prop_assert!(code.name.len() + code.filename.len() < 8 * SEGMENT_BYTES);
            prop_assert!(code.lines.table.len() <= SEGMENT_BYTES);
            code.lines.line(0);
        }
    });
}
