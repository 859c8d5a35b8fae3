//! What single instructions do and work with, compiled by every interpreter.

use std::collections::BTreeSet;

use pyobserve::bytecode::{Analysis, Operation};

use crate::{codes, on_each, record::Record};

/// What is said of the first instruction of a kind in a function of `operations.py`.
struct Expected {
    function: &'static str,
    operation: Operation,
    /// What the program calls the two operands, where that is known.
    names: [Option<&'static str>; 2],
    accumulates: bool,
    /// Loops that go over items around it: each keeps an iterator on the stack.
    over_items: u32,
    /// Other values that are there.
    others: u32,
    /// Whether the innermost loop goes over items; `None` if there is no loop.
    repeats: Option<bool>,
}

const fn expect(
    function: &'static str,
    operation: Operation,
    names: [Option<&'static str>; 2],
) -> Expected {
    Expected {
        function,
        operation,
        names,
        accumulates: false,
        over_items: 1,
        others: 0,
        repeats: Some(true),
    }
}

const fn all() -> [Expected; 12] {
    use Operation::{Add, Compare, Contains};
    let in_known = [Some("item"), Some("known")];
    [
        expect("member", Contains, [Some("item"), Some("self.known")]),
        expect("member_in_try", Contains, in_known),
        Expected {
            // The way out of the `with`.
            others: 1,
            ..expect("member_in_with", Contains, in_known)
        },
        expect("member_in_generator", Contains, in_known),
        Expected {
            over_items: 2,
            ..expect("member_nested", Contains, [Some("other"), Some("known")])
        },
        Expected {
            accumulates: true,
            ..expect("add_in_place", Add, [Some("total"), Some("number")])
        },
        Expected {
            accumulates: true,
            ..expect("add_to_itself", Add, [Some("text"), Some("part")])
        },
        Expected {
            accumulates: true,
            // The object that the result becomes an attribute of.
            others: 1,
            ..expect("add_to_attribute", Add, [Some("text"), Some("part")])
        },
        Expected {
            accumulates: true,
            over_items: 0,
            repeats: Some(false),
            ..expect("add_to_global", Add, [Some("flag"), Some("parts")])
        },
        Expected {
            over_items: 0,
            repeats: None,
            ..expect("add_two", Add, [Some("one"), Some("other")])
        },
        Expected {
            over_items: 0,
            repeats: None,
            ..expect("add_to_another", Add, [Some("one"), Some("other")])
        },
        Expected {
            over_items: 0,
            repeats: Some(false),
            ..expect(
                "compare_in_main_loop",
                Compare,
                [Some("clock"), Some("deadline")],
            )
        },
    ]
}

#[test]
fn calls_say_which_method_they_are_of() {
    let all = [
        ("take", [Some("get")].as_slice()),
        ("take_of_attribute", &[Some("key"), Some("get")]),
        ("take_by_function", &[None]),
    ];
    on_each(|python| {
        let mut found = Vec::new();
        codes(python, &["operations"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let Some((name, expected)) = all.iter().find(|(name, _)| *name == record.name) else {
                return;
            };
            let analysis = Analysis::of(record.code()).expect("it is compiled code");
            let calls = analysis.instructions().iter().map(|one| one.offset);
            let calls = calls.filter(|at| analysis.operation(*at) == Some(Operation::Call));
            let methods: Vec<_> = calls.map(|at| analysis.method_called(at)).collect();
            found.push((*name, methods == *expected, format!("{name}: {methods:?}")));
        });
        let mut wrong: Vec<String> = found
            .iter()
            .filter(|(_, is_right, _)| !is_right)
            .map(|(.., said)| said.clone())
            .collect();
        if found.len() != all.len() {
            wrong.push(format!("only {found:?} were there"));
        }
        wrong
    });
}

#[test]
fn instructions_say_what_they_work_with() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut met = BTreeSet::new();
        codes(python, &["operations"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let all = all();
            let Some(expected) = all.iter().find(|one| one.function == record.name) else {
                return;
            };
            met.insert(expected.function);
            wrong.extend(
                check(expected, &record)
                    .err()
                    .map(|why| format!("{}: {why}", record.name)),
            );
        });
        if met.len() != all().len() {
            wrong.push(format!("only {met:?} were there"));
        }
        wrong
    });
}

fn check(expected: &Expected, record: &Record) -> Result<(), String> {
    let analysis = Analysis::of(record.code()).map_err(|why| why.to_string())?;
    let mut offsets = analysis.instructions().iter().map(|one| one.offset);
    let offset = offsets
        .find(|offset| analysis.operation(*offset) == Some(expected.operation))
        .ok_or("no such instruction")?;
    let operands = analysis.operands(offset).ok_or("no operands")?;
    let names = operands.names.each_ref().map(Option::as_deref);
    let each = if record.minor >= 15 { 2 } else { 1 };
    // From 3.15 on the way out of a `with` has its object beside it, from 3.14 in fact.
    let others = expected.others
        * if record.minor >= 14 && expected.function.ends_with("with") {
            2
        } else {
            1
        };
    let below = expected.over_items * each + others;
    let found = (
        names,
        operands.accumulates,
        operands.below,
        analysis.repeats(offset),
    );
    let wanted = (
        expected.names,
        expected.accumulates,
        below,
        expected.repeats,
    );
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?}, not {wanted:?}"))
    }
}
