//! Draining maps and rings: decoding, ordering, loss. No names, no policy.

mod baseline;
mod clock;
mod loops;
mod ring;
mod samples;
mod snapshot;
mod thinned;
mod totals;
mod unwalked;

pub use baseline::Baseline;
pub use clock::{boottime_minus_monotonic_ns, monotonic_ns, unix_ns};
pub use loops::{LoopRecord, RawGap};
pub use ring::{CopiedCode, DecodeError, Event, ImportSeen, RawStack, decode};
pub use samples::Samples;
pub use snapshot::{Snapshot, ThreadRecord, generation, losses};
pub use unwalked::{Entry, spread};
