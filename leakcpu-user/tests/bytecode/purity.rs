//! Which functions only compute, compiled by every interpreter.

use std::collections::BTreeMap;

use pyobserve::bytecode::Analysis;

use crate::{codes, on_each, record::Record};

/// Arguments of those that have not one.
const ARGUMENTS: [(&str, &[&str]); 6] = [
    ("pure_recursion", &["rows", "columns"]),
    ("pure_names", &["x", "y", "scale"]),
    ("pure_text", &["text", "width"]),
    ("pure_condition", &["a", "b", "c"]),
    ("unsure_loop_argument", &["n", "values"]),
    ("unsure_cell", &["x"]),
];

#[test]
fn only_functions_that_only_compute_are_pure() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut judged: BTreeMap<bool, u32> = BTreeMap::new();
        codes(python, &["purity"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let name = record.name.rsplit('.').next().unwrap_or_default();
            let expected = match name.split('_').next() {
                Some("pure") => true,
                Some("effect" | "unsure") => false,
                _ => return,
            };
            let arguments = ARGUMENTS.iter().find(|(of, _)| *of == name);
            let count = arguments.map_or(1, |(_, arguments)| arguments.len());
            let count = u32::try_from(count).expect("there are few");
            let found = match Analysis::of(record.code()) {
                Ok(analysis) => analysis.pure_arguments(name, count),
                Err(why) => {
                    wrong.push(format!("{name}: {why}"));
                    return;
                }
            };
            *judged.entry(expected).or_default() += 1;
            let is_right = match (&found, arguments) {
                (Some(found), Some((_, arguments))) => expected && found == arguments,
                (found, _) => found.is_some() == expected,
            };
            if !is_right {
                wrong.push(format!("{name}: {found:?}"));
            }
        });
        if judged.len() < 2 || judged.values().any(|count| *count < 7) {
            wrong.push(format!("only {judged:?} were judged"));
        }
        wrong
    });
}
