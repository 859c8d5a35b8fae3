//! `cpu.exceptions`: exceptions are how a loop finds out what is common.

use super::spots::{Spots, spots};
use crate::{
    bytecode::Operation,
    classify::say,
    diagnose::{Case, Explanation, Finding, Rule, Severity, below::OnCpu, finding::figure},
    model::{Naming, in_proportion},
};

/// Fewer samples say nothing.
const MIN_SAMPLES: u64 = 5;

/// Functions of the interpreter that make exceptions and look for their handlers
/// (`Python/errors.c`, `Python/traceback.c`, `Objects/exceptions.c`). Not those that only ask
/// whether there is one.
const MAKING: [&str; 24] = [
    "BaseException_clear",
    "BaseException_dealloc",
    "BaseException_init",
    "BaseException_new",
    "PyErr_Format",
    "PyErr_FormatV",
    "PyErr_GivenExceptionMatches",
    "PyErr_NormalizeException",
    "PyErr_SetObject",
    "PyErr_SetString",
    "PyException_SetContext",
    "PyException_SetTraceback",
    "PyTraceBack_Here",
    "_PyErr_CreateException",
    "_PyErr_ExceptionMatches",
    "_PyErr_FormatV",
    "_PyErr_NormalizeException",
    "_PyErr_Restore",
    "_PyErr_SetKeyError",
    "_PyErr_SetObject",
    "_PyErr_SetRaisedException",
    "_PyErr_SetString",
    "_PyTraceBack_FromFrame",
    "tb_create_raw",
];

/// The rule.
pub struct Exceptions;

impl Rule for Exceptions {
    fn name(&self) -> &'static str {
        "cpu.exceptions"
    }

    fn about(&self) -> &'static str {
        "Exceptions are raised and caught in a loop, for what is no exception there."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Rows that lack something take several times as long as those that do not.",
            evidence: "Samples at the instructions that match and leave handlers of exceptions, and in the interpreter's functions that make them; the text of an exception and what is around it take several times as much.",
            needs: "Samples; the bytecode of the process, readable.",
            fix: "Ask first, or take a default: dict.get(key, default), getattr(x, name, default), str.isdigit(). Where misses are rare, try and except is the faster way.",
            slow: "try:\n    name = names[key]\nexcept KeyError:\n    name = \"unknown\"",
            fixed: "name = names.get(key, \"unknown\")",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spots(case, |_| true)
            .iter()
            .filter(|whole| {
                let share = case.thresholds.needless_cpu_share;
                whole.on_cpu.is_worth_it(case, share)
            })
            .filter_map(|whole| {
                let spent = spent(case, whole);
                let is_it = spent.share(case) >= case.thresholds.handlers_cpu_share
                    && spent.samples >= MIN_SAMPLES;
                is_it.then(|| finding(self.name(), case, &spent, whole))
            })
            .collect()
    }
}

/// What a function spends on exceptions, as far as it shows: at the instructions of handlers, and
/// in the interpreter's functions that make exceptions, which have names where the build keeps
/// them.
fn spent(case: Case<'_>, whole: &Spots<'_>) -> OnCpu {
    let process = case.process;
    let (_, natives) = process.native_under(whole.on_cpu.place.function_id);
    let making: u64 = natives
        .iter()
        .filter(|times| {
            let native = process.native(times.native);
            let symbol = native.filter(|native| native.naming == Naming::Exact);
            let symbol = symbol.and_then(|native| native.symbol.as_deref());
            symbol.is_some_and(|symbol| MAKING.contains(&symbol))
        })
        .map(|times| times.on_cpu_ns)
        .sum();
    let mut spent = OnCpu {
        place: whole.on_cpu.place.clone(),
        ns: making,
        samples: in_proportion(whole.on_cpu.samples, making, whole.on_cpu.ns),
    };
    for (spot, ns) in &whole.all {
        if spot.operation == Operation::Exception {
            spent.ns += ns;
            spent.samples += spot.samples;
        }
    }
    spent
}

fn finding(rule: &'static str, case: Case<'_>, spent: &OnCpu, whole: &Spots<'_>) -> Finding {
    let share = spent.share(case);
    let place = whole.on_cpu.place.short();
    let all = whole.on_cpu.finding(case, rule);
    Finding {
        // What the function does besides is not known.
        severity: all.severity.min(Severity::Medium),
        evidence: vec![
            whole.share_of_cpu(case, &format!("in {place}")),
            figure(
                format!(
                    "{} at least making exceptions and in their handlers, by {} samples",
                    say::percent(share),
                    say::grouped(spent.samples)
                ),
                "exceptions_cpu_share",
                share,
                "ratio",
            ),
        ],
        cause: "Each miss makes an exception with its text, and looks for its handler.".to_owned(),
        fix: format!(
            "ask first, or take a default, in {place}: dict.get(key, default), getattr(x, name, default), str.isdigit(); try is the faster way only where misses are rare"
        ),
        ..all
    }
}
