//! `busy-wait.micro-sleep`: sleeps far shorter than what is waited for.

use crate::classify::say::{duration, number};
use crate::classify::{Blame, Spin, frequent_sleep};
use crate::diagnose::finding::{figure, stable_id};
use crate::diagnose::{Case, Explanation, Finding, Gain, Rule, Severity, per_second};

/// The rule.
pub struct MicroSleep;

impl Rule for MicroSleep {
    fn name(&self) -> &'static str {
        "busy-wait.micro-sleep"
    }

    fn about(&self) -> &'static str {
        "A loop sleeps for less than 10 ms, hundreds of times a second, to see whether something has happened."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Little CPU, but thousands of wake-ups a second: a warm machine that does nothing.",
            evidence: "Sleeps, or waits that time out, far shorter than 10 ms and hundreds a second from one line, with next to nothing done between them.",
            needs: "Context switches; for waits with a timeout the tracepoint of system calls for a moment.",
            fix: "Wait for the event itself. Where that cannot be, 10 ms between two looks are mostly enough.",
            slow: "while job not in results:\n    time.sleep(0.0001)",
            fixed: "with changed:    # a threading.Condition that whoever adds a result notifies\n    changed.wait_for(lambda: job in results)",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for (i, thread) in case.process.threads.iter().enumerate() {
            let proved = match case.verdicts.spins.get(i) {
                Some(Some(spin @ Spin::MicroSleep { .. })) => Some(spin.clone()),
                Some(Some(_)) => continue,
                _ => None,
            };
            let is_proved = proved.is_some();
            let Some(Spin::MicroSleep {
                rate,
                mean_ns,
                frame,
                ..
            }) = proved.or_else(|| frequent_sleep(case.process, thread))
            else {
                continue;
            };
            let place =
                frame.and_then(|frame| Blame::at(case.process, frame.function?, frame.line));
            let recoverable = per_second(thread.times.on_cpu_ns, thread.times.wall_ns);
            let id = stable_id(case.process, self.name(), place.as_ref());
            if let Some(same) = findings.iter_mut().find(|f| f.id == id) {
                same.threads.push(thread.tid);
                continue;
            }
            findings.push(Finding {
                id,
                rule: self.name(),
                severity: if is_proved {
                    case.thresholds.severity(recoverable).max(Severity::Medium)
                } else {
                    Severity::Low
                },
                confidence: if is_proved {
                    case.verdicts.threads[i].confidence
                } else {
                    0.6 // it may pace real work
                },
                threads: vec![thread.tid],
                place,
                evidence: vec![figure(format!(
                        "{} sleeps/s from one line, {} each",
                        number(rate),
                        duration(mean_ns)
                    ), "micro_sleeps_per_s", rate, "1/s")],
                cause: "Each sleep ends before anything has happened; the wake-ups cost CPU and power."
                    .to_owned(),
                fix: "threading.Event.wait(timeout), queue.get(timeout=...) or asyncio.Event wakes at once; else sleep 10 ms or more"
                    .to_owned(),
                recoverable_ns_per_s: is_proved.then_some(recoverable),
                gain: Gain::Cpu,
            });
        }
        findings
    }
}
