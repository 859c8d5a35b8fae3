//! Calls whose result is dropped, compiled by every interpreter.

use std::collections::BTreeSet;

use pyobserve::bytecode::Analysis;

use crate::{codes, on_each, record::Record};

/// Functions of `dropped.py`, and what they call.
const EXPECTED: [(&str, Option<&str>); 6] = [
    ("drops_method", Some("mailer.confirm")),
    ("drops_attribute", Some("self.mailer.confirm")),
    ("drops_global", Some("confirm")),
    ("drops_in_coroutine", Some("mailer.confirm")),
    ("drops_none_result", None),
    ("drops_none_kept", None),
];

#[test]
fn calls_are_named_whose_result_is_dropped() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut met = BTreeSet::new();
        codes(python, &["dropped"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let mut expected = EXPECTED.into_iter();
            let Some((function, expected)) = expected.find(|(name, _)| *name == record.name) else {
                return;
            };
            met.insert(function);
            let analysis = Analysis::of(record.code()).expect("it was compiled");
            let instructions = analysis.instructions().iter();
            let found: Vec<String> = instructions
                .filter_map(|one| analysis.dropped_call(one.offset))
                .collect();
            if found != expected.into_iter().collect::<Vec<_>>() {
                wrong.push(format!("{function}: {found:?}"));
            }
        });
        if met.len() != EXPECTED.len() {
            wrong.push(format!("only {met:?} were there"));
        }
        wrong
    });
}
