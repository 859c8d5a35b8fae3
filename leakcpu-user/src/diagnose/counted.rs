//! What the interpreter's own probes counted in the function that a finding names, where they were
//! listened to (`--usdt calls`, `--usdt audit`): evidence beside that of its rule. It decides
//! nothing.

use std::collections::BTreeMap;

use super::{Finding, finding::figure};
use crate::{
    classify::{Because, say},
    model::{CallTable, FunctionId, Process},
};

/// Audited events that a finding tells at most.
const MAX_EVENTS: usize = 2;
/// Names of events are the program's own, and may be long.
const MAX_NAME_CHARS: usize = 40;

/// What was counted in one process.
pub(super) struct Counted<'a> {
    calls: Option<CallTable>,
    /// Calls were counted all the time, and none is missing.
    is_exact: bool,
    audited: BTreeMap<FunctionId, Vec<(&'a str, u64)>>,
}

impl<'a> Counted<'a> {
    pub(super) fn of(process: &'a Process) -> Self {
        let mut audited: BTreeMap<FunctionId, BTreeMap<&str, u64>> = BTreeMap::new();
        for one in process.audited().unwrap_or_default() {
            let function = one.frame.and_then(|frame| frame.function);
            if let Some(function) = function.filter(|_| !one.event.is_empty()) {
                let of_function = audited.entry(function).or_default();
                *of_function.entry(one.event).or_default() += one.count;
            }
        }
        let most_first = |events: BTreeMap<&'a str, u64>| {
            let mut events: Vec<_> = events.into_iter().collect();
            events.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            events.truncate(MAX_EVENTS);
            events
        };
        let calls = process.calls.as_ref();
        Self {
            calls: process.call_table(),
            is_exact: calls.is_some_and(|calls| calls.is_exact) && !process.misses_calls(),
            audited: audited
                .into_iter()
                .map(|(function, events)| (function, most_first(events)))
                .collect(),
        }
    }

    /// Adds to a finding what was counted in its function.
    pub(super) fn add_to(&self, finding: &mut Finding) {
        let Some(place) = &finding.place else { return };
        let calls = self.calls.as_ref();
        let calls = calls.and_then(|calls| calls.functions.get(&place.function_id));
        let calls = calls.filter(|calls| **calls > 0).map(|calls| {
            let times = say::count(*calls, "time", "times");
            let about = if self.is_exact { "" } else { "some " };
            figure(
                format!("{} was called {about}{times}", place.short()),
                "calls",
                *calls as f64,
                "count",
            )
        });
        let events = self.audited.get(&place.function_id).into_iter().flatten();
        let events = events.map(|(event, count)| audited(event, *count));
        let counted: Vec<Because> = calls.into_iter().chain(events).collect();
        finding.evidence.extend(counted);
    }
}

fn audited(event: &str, count: u64) -> Because {
    let name: String = event.chars().take(MAX_NAME_CHARS).collect();
    figure(
        format!(
            "it led to {} `{name}`",
            say::count(count, "audited event", "audited events")
        ),
        "audited_events",
        count as f64,
        "count",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        classify::Blame,
        diagnose::{Gain, testing::Model},
        model::{AuditedAt, Called, CalledAt, Calls, StackId, Tid},
    };

    #[test]
    fn what_was_counted_in_its_function_is_told() {
        let mut model = Model::default();
        let load = model.frame("load", "/srv/app.py");
        let stack = StackId(1);
        model.process.stacks.push(Model::stack(&[load]));
        let event = |event: &str, count| AuditedAt {
            event: event.to_owned(),
            tid: Tid(7),
            stack,
            count,
        };
        let events = [("open", 12), ("import", 3), ("sqlite3.connect", 20)];
        model.process.audits = Some(events.map(|(name, count)| event(name, count)).into());
        model.process.calls = Some(Calls {
            places: vec![CalledAt {
                what: Called::Function,
                tid: Tid(7),
                stack,
                line: None,
                count: 1_500,
            }],
            is_exact: true,
            has_functions: true,
            ..Calls::default()
        });
        let function = load.function.expect("it is one of the model's");
        let mut finding = Finding {
            place: Blame::at(&model.process, function, None),
            ..finding()
        };
        Counted::of(&model.process).add_to(&mut finding);
        let said: Vec<&str> = finding
            .evidence
            .iter()
            .map(|one| one.text.as_str())
            .collect();
        assert_eq!(
            said,
            [
                "load (app.py) was called 1,500 times",
                "it led to 20 audited events `sqlite3.connect`",
                "it led to 12 audited events `open`",
            ]
        );
    }

    #[test]
    fn without_probes_nothing_is_added() {
        let mut model = Model::default();
        let load = model.frame("load", "/srv/app.py").function;
        let load = load.expect("it is one of the model's");
        let mut finding = Finding {
            place: Blame::at(&model.process, load, None),
            ..finding()
        };
        Counted::of(&model.process).add_to(&mut finding);
        assert!(finding.evidence.is_empty());
    }

    fn finding() -> Finding {
        Finding {
            id: String::new(),
            rule: "cpu.json",
            severity: crate::diagnose::Severity::Low,
            confidence: 1.0,
            threads: Vec::new(),
            place: None,
            evidence: Vec::new(),
            cause: String::new(),
            fix: String::new(),
            recoverable_ns_per_s: None,
            gain: Gain::Cpu,
        }
    }
}
