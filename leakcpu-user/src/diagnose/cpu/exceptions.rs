//! `cpu.exceptions`: exceptions are how a loop finds out what is common.

use super::spots::{Spots, spots};
use crate::{
    bytecode::Operation,
    classify::{Because, say},
    diagnose::{Case, Explanation, Finding, Rule, Severity},
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
        let handlers = spots(case, |spot| spot.operation == Operation::Exception);
        let all = spots(case, |_| true);
        all.iter()
            .filter(|whole| whole.are_worth_it(case, case.thresholds.needless_cpu_share))
            .filter_map(|whole| {
                let function = whole.place.function_id;
                let mut handlers = handlers.iter();
                let handlers = handlers.find(|spots| spots.place.function_id == function);
                let spent = Spent::of(case, whole, handlers);
                let is_it = spent.share(case) >= case.thresholds.handlers_cpu_share
                    && spent.samples >= MIN_SAMPLES;
                is_it.then(|| finding(self.name(), case, &spent, whole))
            })
            .collect()
    }
}

/// What a function spends on exceptions, as far as it shows.
struct Spent {
    on_cpu_ns: u64,
    samples: u64,
}

impl Spent {
    /// At the instructions of handlers, and in the interpreter's functions that make exceptions:
    /// those have names where the build keeps them.
    fn of(case: Case<'_>, whole: &Spots<'_>, handlers: Option<&Spots<'_>>) -> Self {
        let process = case.process;
        let (_, natives) = process.native_under(whole.place.function_id);
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
        let making_samples = in_proportion(whole.samples, making, whole.on_cpu_ns);
        Self {
            on_cpu_ns: making + handlers.map_or(0, |spots| spots.on_cpu_ns),
            samples: making_samples + handlers.map_or(0, |spots| spots.samples),
        }
    }

    fn share(&self, case: Case<'_>) -> f64 {
        self.on_cpu_ns as f64 / case.process.times().on_cpu_ns.max(1) as f64
    }
}

fn finding(rule: &'static str, case: Case<'_>, spent: &Spent, whole: &Spots<'_>) -> Finding {
    let share = spent.share(case);
    let evidence = vec![
        whole.share_of_cpu(case, &format!("in {}", whole.place.short())),
        Because {
            text: format!(
                "{} at least making exceptions and in their handlers, by {} samples",
                say::percent(share),
                say::grouped(spent.samples)
            ),
            name: "exceptions_cpu_share",
            value: share,
            unit: "ratio",
        },
    ];
    let mut finding = whole.finding(
        case,
        rule,
        evidence,
        "Each miss makes an exception with its text, and looks for its handler.".to_owned(),
        format!(
            "ask first, or take a default, in {}: dict.get(key, default), getattr(x, name, default), str.isdigit(); try is the faster way only where misses are rare",
            whole.place.short()
        ),
    );
    // What the function does besides is not known.
    finding.severity = finding.severity.min(Severity::Medium);
    finding
}
