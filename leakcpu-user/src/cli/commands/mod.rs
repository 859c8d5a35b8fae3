//! One file per subcommand: wiring.

pub(super) mod classify;
pub(super) mod doctor;
