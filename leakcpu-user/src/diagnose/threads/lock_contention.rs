//! `lock.contention`: threads that wait for one another at a lock of the program.

use crate::diagnose::{Case, Explanation, Finding, Rule, per_second, step};
use crate::{
    classify::{Class, Detail},
    model::Reason,
};

/// The rule.
pub struct LockContention;

impl Rule for LockContention {
    fn name(&self) -> &'static str {
        "lock.contention"
    }

    fn about(&self) -> &'static str {
        "Threads spend their time waiting for a lock that another thread of the program has."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "More threads make it no faster; they wait for each other.",
            evidence: "Time blocked at locks of the program, who ended those waits, and who owns the lock where it keeps an owner.",
            needs: "Context switches.",
            fix: "Do less while the lock is held, or give each thread its own data and join the results at the end.",
            slow: "with lock:\n    report = render(rows)    # for all the others to wait for\n    reports.append(report)",
            fixed: "report = render(rows)\nwith lock:\n    reports.append(report)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let verdict = &case.verdicts.verdict;
        let is_it = verdict.class == Class::LockBound
            && verdict.detail == Some(Detail::Mutex)
            && case.process.deadlocks().is_empty();
        if !is_it || !step::is_worth_it(case) {
            return Vec::new();
        }
        let by_reason = case.process.blocked_by_reason();
        let waited: u64 = [Reason::Lock, Reason::Futex]
            .iter()
            .filter_map(|reason| by_reason.get(reason))
            .sum();
        let waited = per_second(waited, case.verdicts.span_ns);
        vec![Finding {
            evidence: verdict.because.clone(),
            cause: "What is done while the lock is held is done by one thread at a time."
                .to_owned(),
            fix: step::at_lock(case, verdict),
            ..case.finding(self.name(), verdict.blame.clone(), waited)
        }]
    }
}
