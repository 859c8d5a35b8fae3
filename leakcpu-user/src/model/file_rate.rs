//! How fast a process reads and writes.

use serde::{Deserialize, Serialize};

/// Reads and writes of a process in a short while at the end of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRate {
    /// How long that was.
    pub watched_ns: u64,
    /// System calls that read.
    pub reads: u64,
    /// Bytes that they brought.
    pub read_bytes: u64,
    /// System calls that write.
    pub writes: u64,
    /// Bytes that they took.
    pub written_bytes: u64,
}
