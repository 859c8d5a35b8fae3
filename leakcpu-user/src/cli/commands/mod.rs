//! One file per subcommand: wiring.

pub(super) mod classify;
pub(super) mod doctor;
pub(super) mod imports;
pub(super) mod spins;
mod watching;
