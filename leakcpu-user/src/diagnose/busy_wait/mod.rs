//! Threads that spin, or wake up all the time, for nothing.

mod async_spin;
mod clock_spin;
mod flag_spin;
mod micro_sleep;
mod native_spin;
mod zero_timeout_poll;

pub(super) use async_spin::AsyncSpin;
pub(super) use clock_spin::ClockSpin;
pub(super) use flag_spin::FlagSpin;
pub(super) use micro_sleep::MicroSleep;
pub(super) use native_spin::NativeSpin;
pub(super) use zero_timeout_poll::ZeroTimeoutPoll;
