//! `cpu.repeated-call`: a function that only computes is given the same again and again.

use super::spots::share_of_cpu;
use crate::diagnose::{
    Case, Explanation, Finding, Rule, Severity,
    below::{OnCpu, on_cpu},
    finding::figure,
};
use crate::{
    classify::{Because, say},
    model::{CallsSeen, FunctionId, RepeatedCall as Repeated, in_proportion},
};

/// That it has no effect is read from its code; that a cache fits its users is not known.
const CONFIDENCE: f64 = 0.7;

/// The rule.
pub struct RepeatedCall;

impl Rule for RepeatedCall {
    fn name(&self) -> &'static str {
        "cpu.repeated-call"
    }

    fn about(&self) -> &'static str {
        "A function that only computes is called with the same arguments over and over."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A function that is quick by itself takes most of the CPU time, and finds out what it has found out before.",
            evidence: "Samples in the function; its bytecode, which has no effect and reads nothing but its arguments; different calls of it in the running thread, with their arguments compared by value. The values themselves are not kept.",
            needs: "Samples; the bytecode and values of the process, readable; arguments that are numbers, texts or tuples of them.",
            fix: "functools.lru_cache, or functools.cache: it keeps every result for its arguments, up to maxsize of them, for as long as the process lives. Arguments have to be hashable, and each thread may compute a result once more.",
            slow: "def ways(rows, columns):\n    if rows == 0 or columns == 0:\n        return 1\n    return ways(rows - 1, columns) + ways(rows, columns - 1)",
            fixed: "@functools.lru_cache(maxsize=None)\ndef ways(rows, columns): ...    # as before",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let mut found: Vec<(&Repeated, &CallsSeen)> = case
            .process
            .repeated_calls
            .iter()
            .filter_map(|repeated| Some((repeated, same_again(case, repeated)?)))
            .collect();
        // Of several threads the one in which most were seen.
        found
            .sort_by_key(|(repeated, calls)| (repeated.function, std::cmp::Reverse(calls.again())));
        found.dedup_by_key(|(repeated, _)| repeated.function);
        found
            .into_iter()
            .filter_map(|(repeated, calls)| finding(self.name(), case, repeated, calls))
            .collect()
    }
}

/// The calls that were mostly given what others had been given: those from outside, else those by
/// itself as well.
fn same_again<'a>(case: Case<'_>, repeated: &'a Repeated) -> Option<&'a CallsSeen> {
    let limits = case.thresholds;
    let function = case.process.function(repeated.function)?;
    if case.process.is_library_file(&function.file) {
        return None;
    }
    [&repeated.by_others, &repeated.all]
        .into_iter()
        .find(|calls| {
            calls.calls >= limits.repeated_calls
                && calls.again_share() >= limits.repeated_call_share
        })
}

/// Its time, that of its own calls included, at the line that takes most of it.
fn time_of(case: Case<'_>, function: FunctionId) -> Option<OnCpu> {
    let is_it = |frame: &&crate::model::Frame| frame.function == Some(function);
    on_cpu(case, |stack| stack.frames.iter().find(is_it).copied())
        .into_iter()
        .next()
}

fn finding(
    rule: &'static str,
    case: Case<'_>,
    repeated: &Repeated,
    calls: &CallsSeen,
) -> Option<Finding> {
    let on_cpu = time_of(case, repeated.function)?;
    if !on_cpu.is_worth_it(case, case.thresholds.repeated_call_cpu_share) {
        return None;
    }
    let name = case.process.function(repeated.function)?.plain_name();
    let time = share_of_cpu(&on_cpu, case, &format!("in {name} and below it"));
    let depth = if repeated.all.calls > repeated.by_others.calls {
        "; calls in calls may get only half as deep"
    } else {
        ""
    };
    let again_ns = in_proportion(
        on_cpu.ns_per_s(case),
        calls.again().into(),
        calls.calls.into(),
    );
    let found = case.finding(rule, Some(on_cpu.place.clone()), again_ns);
    Some(Finding {
        severity: Severity::Low,
        confidence: found.confidence.min(CONFIDENCE),
        evidence: vec![what_was_seen(repeated, calls), time],
        cause: format!(
            "{name} computes the same result from the same arguments each time; it has no other effect."
        ),
        fix: format!(
            "put @functools.lru_cache(maxsize=...) on {name}: it keeps a result for each of the arguments, which takes memory and wants them hashable{depth}"
        ),
        ..found
    })
}

/// `22 calls seen by 30 looks, with 3 different arguments (zone: str): 9, 7, 6 calls`.
fn what_was_seen(repeated: &Repeated, calls: &CallsSeen) -> Because {
    let parameters: Vec<String> = repeated
        .parameters
        .iter()
        .map(|of| match &of.type_name {
            Some(type_name) => format!("{}: {type_name}", of.name),
            None => of.name.clone(),
        })
        .collect();
    let parameters = parameters.join(", ");
    let most: Vec<String> = calls.most.iter().map(u32::to_string).collect();
    let arguments = match calls.distinct {
        1 => format!("all with the same arguments ({parameters})"),
        distinct => {
            let more = if calls.most.len() < distinct as usize {
                ", ..."
            } else {
                ""
            };
            format!(
                "with {distinct} different arguments ({parameters}): {}{more} calls",
                most.join(", ")
            )
        }
    };
    figure(
        format!(
            "{} seen by {}, {arguments}",
            say::count(calls.calls.into(), "call", "calls"),
            say::count(repeated.looks.into(), "look", "looks"),
        ),
        "repeated_calls",
        calls.again().into(),
        "count",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnose::testing::{MS, Model, on_cpu},
        model::{Parameter, StackId, Thread, ThreadTimes, Tid},
    };

    fn calls(calls: u32, distinct: u32) -> CallsSeen {
        CallsSeen {
            calls,
            distinct,
            most: vec![calls - distinct + 1, 1],
        }
    }

    /// A thread that spent so much of two seconds in a function that was seen to be called so.
    fn found(file: &str, ms: u64, by_others: CallsSeen, all: CallsSeen) -> Vec<Finding> {
        let mut model = Model::default();
        let ways = model.frame("Plan.ways", file);
        let main = model.frame("main", "/app/plan.py");
        let process = &mut model.process;
        process
            .stacks
            .extend([Model::stack(&[ways, ways, main]), Model::stack(&[main])]);
        let time = |stack, ms: u64| on_cpu(StackId(stack), ms / 10);
        let times = ThreadTimes {
            wall_ns: 2_000 * MS,
            on_cpu_ns: 2_000 * MS,
            ..ThreadTimes::default()
        };
        process.threads.push(Thread {
            stack_times: vec![time(1, ms), time(2, 2_000 - ms)],
            ..Thread::new(Tid(7), times)
        });
        process.repeated_calls.push(Repeated {
            tid: Tid(7),
            function: ways.function.expect("it has one"),
            parameters: vec![Parameter {
                name: "rows".to_owned(),
                type_name: Some("int".to_owned()),
            }],
            looks: 30,
            by_others,
            all,
        });
        model.check(&RepeatedCall)
    }

    #[test]
    fn the_same_again_is_said_with_its_figures() {
        let found = found("/app/plan.py", 1_600, calls(20, 2), calls(90, 50));
        let [finding] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(finding.severity, Severity::Low);
        assert_eq!(finding.place.as_ref().unwrap().function, "Plan.ways");
        // Nine tenths of four fifths.
        assert_eq!(finding.recoverable_ns_per_s, Some(720 * MS));
        let said: Vec<&str> = finding.evidence.iter().map(|of| &*of.text).collect();
        assert_eq!(
            said,
            [
                "20 calls seen by 30 looks, with 2 different arguments (rows: int): 19, 1 calls",
                "80 % of its CPU time (1.6 s) in ways and below it, by 160 samples",
            ]
        );
        assert!(
            finding.fix.contains("lru_cache(maxsize=...) on ways"),
            "{}",
            finding.fix
        );
    }

    #[test]
    fn calls_by_itself_count_where_those_by_others_are_few() {
        let found = found("/app/plan.py", 1_600, calls(1, 1), calls(90, 9));
        assert_eq!(found[0].recoverable_ns_per_s, Some(720 * MS));
    }

    #[test]
    fn silent_where_it_is_not_sure() {
        // Few calls; arguments that differ; little time; a library's function.
        let is_silent = |found: Vec<Finding>| assert_eq!(found, []);
        is_silent(found("/app/plan.py", 1_600, calls(7, 1), calls(7, 1)));
        is_silent(found("/app/plan.py", 1_600, calls(20, 10), calls(20, 10)));
        is_silent(found("/app/plan.py", 400, calls(20, 2), calls(20, 2)));
        let library = "/usr/lib/python3.12/site-packages/plan.py";
        is_silent(found(library, 1_600, calls(20, 2), calls(20, 2)));
    }
}
