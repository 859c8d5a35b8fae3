//! Code objects and line tables of the standard library equal what the interpreter says.

mod support;

use pyobserve::interpreter::{line_for, read_code};
use support::{Running, interpreter};

/// Files of the standard library to look at.
const FILES: &str = "120";

#[test]
fn every_field_and_every_line() {
    for python in interpreter::supported() {
        let mut running = Running::script(&python, "code_objects.py", &[FILES]);
        let (_, process) = support::attach(running.pid());
        let (mut codes, mut offsets) = (0, 0);
        loop {
            let truth = running.json();
            if truth.is_null() {
                break;
            }
            let code = read_code(&process, truth["address"].as_u64().unwrap()).unwrap();
            let what = format!(
                "{} {} of {}",
                truth["file"],
                truth["name"],
                python.path.display()
            );
            assert_eq!(code.name, truth["name"], "{what}");
            assert_eq!(
                code.qualname.as_deref(),
                truth["qualname"].as_str(),
                "{what}"
            );
            assert_eq!(code.filename, truth["file"], "{what}");
            assert_eq!(
                u64::from(code.lines.first_line),
                truth["first_line"],
                "{what}"
            );
            assert_eq!(
                from_hex(truth["table"].as_str().unwrap()),
                *code.lines.table,
                "{what}"
            );
            for range in truth["lines"].as_array().unwrap() {
                let (start, end) = (range[0].as_i64().unwrap(), range[1].as_i64().unwrap());
                for offset in (start..end).step_by(2) {
                    let line = line_for(
                        &code.lines.table,
                        code.lines.kind,
                        code.lines.first_line,
                        offset,
                    );
                    assert_eq!(line.map(u64::from), range[2].as_u64(), "{what} at {offset}");
                    offsets += 1;
                }
            }
            codes += 1;
        }
        assert!(codes > 1000, "{python:?}: only {codes} code objects");
        eprintln!(
            "{}: {codes} code objects, {offsets} instructions equal",
            python.path.display()
        );
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap())
        .collect();
    digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[high, low]| high << 4 | low)
        .collect()
}
