//! Event loops that are held, and coroutines that none runs.

mod blocking_call;
mod cpu_in_loop;
mod held_loop;
mod never_awaited;

pub(super) use blocking_call::BlockingCall;
pub(super) use cpu_in_loop::CpuInLoop;
pub(super) use never_awaited::NeverAwaited;
