//! `busy-wait.async-spin`: tasks or greenlets that give way and look again, at every turn.

use crate::classify::{LoopOf, Spin};
use crate::diagnose::spinning::{Advice, spinning};
use crate::diagnose::{Case, Explanation, Finding, Rule};

/// The rule.
pub struct AsyncSpin;

impl Rule for AsyncSpin {
    fn name(&self) -> &'static str {
        "busy-wait.async-spin"
    }

    fn about(&self) -> &'static str {
        "A coroutine or greenlet gives way and looks again at every turn, so that its event loop never waits."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "An asyncio or gevent program at 100 % of a CPU while nothing happens.",
            evidence: "An event loop that never waits: each turn asks with a timeout of 0, because a task is ready again at once.",
            needs: "The tracepoint of system calls for a moment, or frames of gevent's hub.",
            fix: "Await the thing itself: an Event, a future, a queue.",
            slow: "while not ready:\n    await asyncio.sleep(0)",
            fixed: "await ready.wait()    # an asyncio.Event",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spinning(case, self.name(), |spin| {
            match spin {
            Spin::Poll {
                under_loop: true, ..
            } => Some(Advice {
                cause: "A task is ready again at every turn of the event loop, so that the loop polls without waiting.".to_owned(),
                fix: "await what it waits for: an asyncio.Event, a future or a queue, instead of sleep(0) in a loop".to_owned(),
            }),
            Spin::Loop {
                of: LoopOf::Turns, ..
            } => Some(Advice {
                cause: "Each greenlet gives way and looks again, so that the hub never waits.".to_owned(),
                fix: "wait for it: gevent.event.Event.wait() or AsyncResult.get(), instead of sleep(0) in a loop".to_owned(),
            }),
            _ => None,
        }
        })
    }
}
