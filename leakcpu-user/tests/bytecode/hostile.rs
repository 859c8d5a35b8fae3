//! Bytes that are no bytecode, or were changed: an answer or an error, in bounded time.

use proptest::prelude::*;
use pyobserve::bytecode::{Analysis, Code, Constant, SeenCallees, known_minors};

use crate::{codes, interpreter, record::Record};

/// Whatever is asked of a code object.
fn ask_all(code: Code<'_>) {
    let Ok(analysis) = Analysis::of(code) else {
        return;
    };
    let length = u32::try_from(code.bytes.len()).expect("it is short");
    let judged = analysis.judge_all();
    assert_eq!(judged.len(), analysis.loops().len());
    for (one, all_at_once) in analysis.loops().iter().zip(judged) {
        assert_eq!(analysis.judge(one, &SeenCallees::default()), all_at_once);
        assert!(one.contains(one.header));
        let quiet = all_at_once.quiet.into_iter().flatten();
        for range in one.ranges.iter().cloned().chain(quiet) {
            assert!(range.start < range.end && range.end <= length);
            assert!(one.contains(range.start) && one.contains(range.end - 1));
        }
        let innermost = analysis.innermost(&[one.header]).expect("it is in one");
        assert!(one.contains(innermost.header));
        let append = analysis.only_appends(one);
        let append = append.iter().flat_map(|append| &*append.ranges);
        let lookups = analysis.steady_lookups(one);
        for range in append.chain(lookups.iter().flat_map(|one| &one.ranges)) {
            assert!(range.start < range.end && one.contains(range.start));
        }
    }
    let pops = analysis.instructions().iter().take(20);
    for name in pops.filter_map(|one| analysis.dropped_call(one.offset)) {
        assert!(!name.is_empty());
    }
    assert!(analysis.innermost(&[u32::MAX]).is_none());
    let whole = analysis.judge_function(&SeenCallees::default());
    for range in whole.returning.iter().chain(&whole.raising) {
        assert!(range.start < range.end && range.end <= length);
    }
}

fn texts() -> Vec<String> {
    ["time", "done", "is_set", "lock", "sleep"]
        .map(str::to_owned)
        .into()
}

fn constants() -> Vec<Constant> {
    vec![
        Constant::None,
        Constant::Bool(false),
        Constant::Int(1),
        Constant::Text("job".to_owned()),
        Constant::Names(vec!["block".to_owned()]),
    ]
}

fn minor() -> impl Strategy<Value = u8> {
    prop::sample::select(known_minors().chain([7, 16]).collect::<Vec<_>>())
}

/// Code objects with loops, of one interpreter of each minor version that is here.
fn real() -> Vec<Record> {
    let mut pythons = interpreter::supported();
    pythons.dedup_by_key(|python| python.minor);
    let mut records = Vec::new();
    for python in pythons {
        codes(python, &["snippets"], |line| {
            records.push(serde_json::from_str(line).expect("a line is a record"));
        });
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        // A failure is printed; there is no library source file to keep seeds beside.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes_are_met(
        minor in minor(),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        exception_table in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let names = texts();
        let constants = constants();
        ask_all(Code {
            minor,
            bytes: &bytes,
            exception_table: &exception_table,
            names: &names,
            constants: &constants,
            locals: &names,
            cells: &names,
        });
    }

    /// Small arguments, so that jumps lead somewhere.
    #[test]
    fn random_instructions_are_met(
        minor in minor(),
        units in prop::collection::vec((any::<u8>(), 0..24_u8), 1..120),
        table in prop::collection::vec((0..20_u8, 1..20_u8, 0..60_u8), 0..4),
    ) {
        let bytes: Vec<u8> = units.into_iter().flat_map(|(op, arg)| [op, arg]).collect();
        let table: Vec<u8> = table
            .into_iter()
            .flat_map(|(start, length, target)| [0x80 | start, length, target, 0])
            .collect();
        let names = texts();
        let constants = constants();
        ask_all(Code {
            minor,
            bytes: &bytes,
            exception_table: &table,
            names: &names,
            constants: &constants,
            locals: &names,
            cells: &names,
        });
    }
}

#[test]
fn changed_code_is_met() {
    let records = real();
    assert!(!records.is_empty(), "no interpreter is here");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop::collection::vec(change, 1..6);
    let strategy = (any::<prop::sample::Index>(), changes, any::<bool>());
    runner
        .run(&strategy, |(record, changes, of_table)| {
            let record = record.get(&records);
            let (mut bytes, mut table) = (record.code.clone(), record.exceptions.clone());
            for (at, byte) in changes {
                let of = if of_table && !table.is_empty() {
                    &mut table
                } else {
                    &mut bytes
                };
                let at = at.index(of.len());
                of[at] = byte;
            }
            ask_all(Code {
                bytes: &bytes,
                exception_table: &table,
                ..record.code()
            });
            Ok(())
        })
        .unwrap();
}

/// As large as is looked at, and as tangled: every instruction jumps.
#[test]
fn the_largest_code_takes_no_time_to_speak_of() {
    let begin = std::time::Instant::now();
    for (minor, jump) in [(8_u8, 115_u8), (10, 115), (8, 114), (10, 113)] {
        for (step, count) in [
            (0_u32, 60_u32 << 10),
            (2, 8000),
            (7, 8000),
            (1001, 8000),
            (4000, 8000),
        ] {
            let units = (0..count).flat_map(|at| {
                let unit = if minor < 10 { 4 } else { 2 };
                let [low, high, ..] = (at * step % count * unit).to_le_bytes();
                [144, high, jump, low]
            });
            let bytes: Vec<u8> = units.collect();
            let code = Code {
                minor,
                bytes: &bytes,
                exception_table: &[],
                names: &[],
                constants: &[],
                locals: &[],
                cells: &[],
            };
            if let Ok(analysis) = Analysis::of(code) {
                assert_eq!(analysis.judge_all().len(), analysis.loops().len());
            }
        }
    }
    let took = begin.elapsed();
    assert!(took.as_secs() < 20, "it took {took:?}");
}
