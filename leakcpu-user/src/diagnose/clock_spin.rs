//! `busy-wait.clock-spin`: a loop that looks at the time until it has come.

use super::spinning::{Advice, spinning};
use super::{Case, Finding, Rule};
use crate::classify::{LoopOf, Spin};

/// The rule.
pub struct ClockSpin;

impl Rule for ClockSpin {
    fn name(&self) -> &'static str {
        "busy-wait.clock-spin"
    }

    fn about(&self) -> &'static str {
        "A loop looks at the time again and again, and does nothing else until it has come."
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
