//! Event loops that are held.

mod blocking_call;
mod cpu_in_loop;
mod held_loop;

pub(super) use blocking_call::BlockingCall;
pub(super) use cpu_in_loop::CpuInLoop;
