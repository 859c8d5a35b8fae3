//! Threads that are in one another's way.

mod deadlock;
mod held_while_blocked;
mod lock_contention;
mod single_core_gil;

pub(super) use deadlock::Deadlock;
pub(super) use held_while_blocked::HeldWhileBlocked;
pub(super) use lock_contention::LockContention;
pub(super) use single_core_gil::SingleCoreGil;
