//! What the instructions of live code objects refer to equals what the interpreter says,
//! and their loops are judged as those of the files.

#[path = "bytecode/record.rs"]
#[expect(dead_code, reason = "lines are for `loops`")]
mod record;
mod support;

use std::path::Path;

use pyobserve::{
    bytecode::{Analysis, Code},
    interpreter::{Signature, read_parts, read_signature},
};
use record::Record;
use serde::Deserialize;
use support::{Running, attach, interpreter};

/// What is said of a live code object besides.
#[derive(Deserialize)]
struct Live {
    address: u64,
    adaptive: String,
    arguments: u32,
    takes_more: bool,
    is_generator: bool,
}

#[test]
fn parts_of_live_code_are_those_of_the_interpreter() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bytecode/codes.py");
    for python in interpreter::all() {
        let mut command = python.script(&script);
        command.arg("live");
        let mut running = Running::start(command);
        let mut codes = Vec::new();
        loop {
            let said = running.line();
            if said.trim().is_empty() {
                break;
            }
            let record: Record = serde_json::from_str(&said).expect("a line is a record");
            let live: Live = serde_json::from_str(&said).expect("it lives");
            codes.push((record, live));
        }
        let (_, process) = attach(running.pid());
        let (mut loops, mut specialized) = (0, 0);
        for (record, live) in &codes {
            let parts = read_parts(&process.memory(), &process, live.address)
                .unwrap_or_else(|why| panic!("{python}: {}: {why}", record.name));
            let name = format!("{python}: {}", record.name);
            let adaptive = record::bytes(&live.adaptive).expect("it is hexadecimal");
            assert_eq!(parts.instructions, adaptive, "{name}");
            assert_eq!(parts.exception_table, record.exceptions, "{name}");
            assert_eq!(parts.names, record.names, "{name}");
            assert_eq!(parts.constants, record.constants, "{name}");
            assert_eq!(parts.locals, record.locals, "{name}");
            let signature = Signature {
                arguments: live.arguments,
                takes_more: live.takes_more,
                is_generator: live.is_generator,
            };
            assert_eq!(
                read_signature(&process, live.address),
                Ok(signature),
                "{name}"
            );
            if python.minor < 11 {
                assert_eq!(parts.cells, record.cells, "{name}");
            }
            specialized += u32::from(parts.instructions != record.code);
            let judged = |code: Code<'_>| {
                let analysis = Analysis::of(code).expect("it is bytecode");
                analysis.judge_all()
            };
            let of_file = judged(record.code());
            loops += of_file.len();
            assert_eq!(judged(parts.code()), of_file, "{name}");
        }
        eprintln!(
            "{python}: {} code objects, {specialized} of them specialized, {loops} loops",
            codes.len()
        );
        assert!(codes.len() > 70 && loops > 70, "{python}: too few");
        assert!(
            python.minor < 11 || specialized > 0,
            "{python}: none has run hot"
        );
    }
}
