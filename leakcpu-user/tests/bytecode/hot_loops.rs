//! What loops fill and look up, compiled by every interpreter.

use pyobserve::bytecode::{Analysis, Op};

use crate::{codes, on_each, record::Record};

/// What is said of a function of `hot_loops.py`.
struct Expected {
    function: &'static str,
    /// What the innermost loop looks up.
    lookups: &'static [&'static str],
}

const LOOKUPS: [Expected; 8] = [
    Expected {
        function: "steady_chain",
        lookups: &["self.config.limits.maximum", "self.config.limits.minimum"],
    },
    Expected {
        function: "steady_global",
        lookups: &["LIMITS.maximum"],
    },
    Expected {
        function: "steady_function",
        lookups: &["math.sqrt"],
    },
    Expected {
        function: "steady_of_method",
        lookups: &["self.config.limits"],
    },
    Expected {
        function: "inner",
        lookups: &["config.limits.maximum"],
    },
    Expected {
        function: "steady_up_to_changed",
        lookups: &["self.config.limits"],
    },
    Expected {
        function: "steady_up_to_other_object",
        lookups: &["self.config.limits"],
    },
    Expected {
        function: "steady_in_while",
        lookups: &["self.config.deadline"],
    },
];

#[test]
fn loops_fill_and_look_up_what_their_names_say() {
    on_each(|python| {
        let mut wrong = Vec::new();
        let mut checked = 0;
        codes(python, &["hot_loops"], |line| {
            let record: Record = serde_json::from_str(line).expect("a line is a record");
            let name = record
                .name
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned();
            let analysis = Analysis::of(record.code()).expect("it was compiled");
            let found = match name.split('_').next() {
                Some("fills") => appends(&analysis, Some("out")),
                Some("more") => appends(&analysis, None),
                Some("steady" | "inner") => lookups(&analysis, &name),
                _ => return,
            };
            checked += 1;
            wrong.extend(found.err().map(|why| format!("{name}: {why}")));
        });
        if checked < 38 {
            wrong.push(format!("only {checked} were there"));
        }
        wrong
    });
}

fn appends(analysis: &Analysis<'_>, expected: Option<&str>) -> Result<(), String> {
    let mut loops = analysis.loops().iter();
    let found = loops.find_map(|one| analysis.only_appends(one));
    let name = found.as_ref().map(|found| found.name.as_str());
    if name != expected {
        return Err(format!("{found:?}"));
    }
    let Some(found) = found else { return Ok(()) };
    // The list and its method, the call, and what drops its result.
    let at = |offset: u32| analysis.instruction_at(offset).map(|one| one.op);
    let ops: Vec<_> = found
        .ranges
        .iter()
        .flat_map(|range| [at(range.start), at(range.end - 2)])
        .flatten()
        .collect();
    let is_right = matches!(
        ops.as_slice(),
        [
            Op::LoadFast | Op::LoadFastBorrow | Op::LoadMethod | Op::LoadAttr,
            Op::LoadMethod | Op::LoadAttr,
            Op::Precall | Op::CallMethod | Op::Call,
            Op::PopTop
        ]
    );
    is_right.then_some(()).ok_or_else(|| format!("{ops:?}"))
}

fn lookups(analysis: &Analysis<'_>, function: &str) -> Result<(), String> {
    if function == "steady_shared" {
        return Ok(()); // its inner function has the loop
    }
    let expected = LOOKUPS.iter().find(|one| one.function == function);
    let expected = expected.map_or(&[][..], |one| one.lookups);
    let innermost = analysis.loops().first().ok_or("it has no loop")?;
    let found = analysis.steady_lookups(innermost);
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let are_loads = found.iter().flat_map(|one| &one.ranges).all(|range| {
        let op = analysis.instruction_at(range.start).map(|one| one.op);
        matches!(op, Some(Op::LoadGlobal | Op::LoadAttr | Op::LoadMethod))
    });
    let is_right = names == expected && are_loads;
    is_right.then_some(()).ok_or_else(|| format!("{found:?}"))
}
