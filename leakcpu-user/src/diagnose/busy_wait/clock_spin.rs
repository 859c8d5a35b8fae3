//! `busy-wait.clock-spin`: a loop that looks at the time until it has come.

use crate::classify::{LoopOf, Spin};
use crate::diagnose::spinning::{Advice, spinning};
use crate::diagnose::{Case, Explanation, Finding, Rule};

/// The rule.
pub struct ClockSpin;

impl Rule for ClockSpin {
    fn name(&self) -> &'static str {
        "busy-wait.clock-spin"
    }

    fn about(&self) -> &'static str {
        "A loop looks at the time again and again, and does nothing else until it has come."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A CPU at 100 % until some moment has come.",
            evidence: "A loop, by its bytecode in the live process, that only reads the clock and compares.",
            needs: "Frames of CPython 3.8 to 3.15 that can be read; no source text.",
            fix: "Sleep for what is left. A sleep may last some tenths of a millisecond longer than it is asked for.",
            slow: "while time.monotonic() < due:\n    pass",
            fixed: "time.sleep(max(0, due - time.monotonic()))",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spinning(case, self.name(), |spin| {
            match spin {
            Spin::Loop {
                of: LoopOf::Clock, ..
            } => Some(Advice {
                cause: "The loop reads the clock until a moment has come, which takes a CPU."
                    .to_owned(),
                fix: "sleep until then: time.sleep(moment - now), or Event.wait(timeout) where it may have to end earlier"
                    .to_owned(),
            }),
            _ => None,
        }
        })
    }
}
