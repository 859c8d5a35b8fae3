//! The machine, not the code.

mod run_queue;
mod throttled;

pub(super) use run_queue::RunQueue;
pub(super) use throttled::Throttled;
