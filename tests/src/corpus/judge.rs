//! A report beside a label and a truth.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize as _;
use serde_json::Value;

use super::{
    row::{Class, Comparison, Detail, Found, Judgement, Others, Said},
    truth::{Kind, TimeVector},
};
use crate::report::{is_called, ns};

/// Where blame may rightly fall.
#[derive(Debug)]
pub struct Place<'a> {
    /// The program's file, as it knows it.
    pub file: &'a Path,
    /// Its marked lines.
    pub lines: &'a [u32],
}

/// What a report says of a process.
pub fn said(process: &Value) -> Result<Said, String> {
    let verdict = &process["verdict"];
    let class = |value: &Value| Class::deserialize(value).map_err(|e| format!("{value}: {e}"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Said {
        verdict: Judgement {
            class: class(&verdict["class"])?,
            detail: Option::<Detail>::deserialize(&verdict["detail"])
                .map_err(|e| format!("{}: {e}", verdict["detail"]))?,
            otherwise: match &verdict["otherwise"] {
                Value::Null => None,
                otherwise => Some(class(otherwise)?),
            },
            function: text(&verdict["blame"]["function"]),
        },
        confidence: verdict["confidence"]
            .as_f64()
            .ok_or_else(|| format!("no confidence: {verdict}"))?,
        line: verdict["blame"]["line"]
            .as_u64()
            .and_then(|line| u32::try_from(line).ok()),
        because: text(&verdict["because"][0]["text"]).unwrap_or_default(),
        shares: verdict["shares"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(class, share)| Some((class.clone(), share.as_f64()?)))
            .collect(),
        findings: process["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(found)
            .collect(),
    })
}

fn found(finding: &Value) -> Found {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Found {
        rule: text(&finding["rule"]).unwrap_or_default(),
        severity: text(&finding["severity"]).unwrap_or_default(),
        function: text(&finding["function"]),
        line: finding["line"]
            .as_u64()
            .and_then(|line| u32::try_from(line).ok()),
    }
}

/// Compares what a report says of a process with what is right.
pub fn compare(
    process: &Value,
    right: Judgement,
    place: &Place<'_>,
    true_times: &TimeVector,
    others: Others,
) -> Result<Comparison, String> {
    let said = said(process)?;
    let class_holds = said.verdict.class == right.class
        && (right.otherwise.is_none() || said.verdict.otherwise == right.otherwise);
    let detail_holds = right
        .detail
        .filter(|_| class_holds)
        .map(|detail| said.verdict.detail == Some(detail));
    let is_marked = said.line.is_some_and(|line| place.lines.contains(&line));
    let is_in_file =
        process["verdict"]["blame"]["file"].as_str().map(Path::new) == Some(place.file);
    let function_holds =
        right.function.as_ref().map(|function| {
            is_in_file
                && said.verdict.function.as_deref().is_some_and(|name| {
                    is_called(name, function) || (is_anonymous(name) && is_marked)
                })
        });
    let line_holds = function_holds.map(|holds| holds && is_marked);
    let kinds: Vec<Kind> = true_times.waits.keys().copied().collect();
    Ok(Comparison {
        time_error: reported_times(process, &kinds).distance(true_times),
        right,
        said,
        class_holds,
        detail_holds,
        function_holds,
        line_holds,
        others,
    })
}

/// Whether this is a generator expression, a comprehension or a lambda. It belongs to the
/// function around it, whose name is not known before 3.11: its line tells.
fn is_anonymous(name: &str) -> bool {
    name.ends_with('>')
}

/// Where the time went by a report, in the parts that a program's own clocks have too.
fn reported_times(process: &Value, kinds: &[Kind]) -> TimeVector {
    let time = &process["time"];
    let part = |name| ns(time, name) as f64;
    let wall_ns = part("wall_ns").max(1.0);
    let mut vector = TimeVector {
        on_cpu: part("on_cpu_ns") / wall_ns,
        for_cpu: (part("runnable_ns") + part("throttled_ns")) / wall_ns,
        waits: kinds.iter().map(|kind| (*kind, 0.0)).collect(),
        other: part("unaccounted_ns") / wall_ns,
    };
    let by_reason: BTreeMap<&str, f64> = time["blocked_by_reason"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(reason, ns)| Some((reason.as_str(), ns.as_f64()?)))
        .collect();
    let mut named = 0.0;
    for (reason, ns) in by_reason {
        let share = ns / wall_ns;
        named += share;
        match kind_of(reason).and_then(|kind| vector.waits.get_mut(&kind)) {
            Some(sum) => *sum += share,
            None => vector.other += share,
        }
    }
    vector.other += (part("blocked_ns") / wall_ns - named).max(0.0);
    vector
}

/// Who is waited for by a reason. A thread that has got its lock waits for the GIL next.
fn kind_of(reason: &str) -> Option<Kind> {
    Some(match reason {
        "net-recv" | "net-send" | "net-connect" | "net-accept" | "dns" => Kind::Network,
        "disk-read" | "disk-write" | "fsync" | "page-fault" | "swap" => Kind::Disk,
        "child-wait" => Kind::Child,
        "pipe" => Kind::Pipe,
        "lock" | "futex" | "gil" => Kind::Lock,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use serde_json::{Value, json};

    use super::{Place, compare};
    use crate::corpus::{
        row::{Class, Comparison, Detail, Judgement, Others},
        truth::{Kind, TimeVector},
    };

    fn process(class: &str, otherwise: &Value, line: u32) -> Value {
        json!({
            "verdict": {
                "class": class, "detail": "network", "confidence": 0.9, "otherwise": otherwise,
                "shares": {"io-bound": 0.9, "cpu-bound": 0.1},
                "blame": {"function": "Shop.fetch", "file": "/x/shop.py", "line": line},
                "because": [{"text": "it waits"}]
            },
            "time": {
                "wall_ns": 1000, "on_cpu_ns": 100, "runnable_ns": 0, "throttled_ns": 0,
                "blocked_ns": 900, "unaccounted_ns": 0,
                "blocked_by_reason": {"net-recv": 700, "sleep": 200}
            }
        })
    }

    fn compared(process: &Value, class: Class, otherwise: Option<Class>) -> Comparison {
        let right = Judgement {
            class,
            detail: Some(Detail::Network),
            otherwise,
            function: Some("fetch".to_owned()),
        };
        let times = TimeVector {
            on_cpu: 0.1,
            for_cpu: 0.0,
            waits: BTreeMap::from([(Kind::Network, 0.9)]),
            other: 0.0,
        };
        let place = Place {
            file: Path::new("/x/shop.py"),
            lines: &[7, 8],
        };
        let others = Others {
            top_pct: None,
            cpu_over_wall: 0.1,
            py_spy_active: None,
        };
        compare(process, right, &place, &times, others).expect("the report is whole")
    }

    #[test]
    fn a_right_verdict_is_right_in_each_part() {
        let it = compared(&process("io-bound", &Value::Null, 8), Class::IoBound, None);
        assert!(it.class_holds);
        assert_eq!(it.detail_holds, Some(true));
        assert_eq!((it.function_holds, it.line_holds), (Some(true), Some(true)));
        // 200 of 1000 are called a sleep, and were the network.
        assert!((it.time_error - 0.2).abs() < 1e-9, "{}", it.time_error);
    }

    #[test]
    fn a_nameless_function_is_known_by_its_line() {
        let nameless = |line| {
            let mut process = process("io-bound", &Value::Null, line);
            process["verdict"]["blame"]["function"] = json!("<genexpr>");
            compared(&process, Class::IoBound, None).function_holds
        };
        assert_eq!(nameless(7), Some(true));
        assert_eq!(nameless(9), Some(false));
    }

    #[test]
    fn a_wrong_class_has_no_detail_and_another_line_is_wrong() {
        let it = compared(&process("io-bound", &Value::Null, 9), Class::Idle, None);
        assert!(!it.class_holds);
        assert_eq!(it.detail_holds, None);
        assert_eq!(
            (it.function_holds, it.line_holds),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn under_starvation_both_classes_are_judged() {
        let (starved, inner) = (Class::CpuStarved, Some(Class::IoBound));
        let right = process("cpu-starved", &json!("io-bound"), 8);
        assert!(compared(&right, starved, inner).class_holds);
        let wrong = process("cpu-starved", &json!("cpu-bound"), 8);
        assert!(!compared(&wrong, starved, inner).class_holds);
    }
}
