//! One file per subcommand: wiring.

pub(super) mod classify;
pub(super) mod doctor;
pub(super) mod functions;
pub(super) mod imports;
mod one_window;
pub(super) mod rules;
pub(super) mod spins;
mod watching;
