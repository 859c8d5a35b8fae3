//! Names for frames, or why there is none.

mod waits;

pub use waits::{NamedWait, name_wait};
