//! Sequences of send, wait and receive.

use serde::{Deserialize, Serialize};

use super::Frame;

/// What one place in the code exchanged with one other end, as a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundTrips {
    /// The other end.
    pub peer: String,
    /// The place: the innermost frame of the user's own code, else the leaf; `None` for
    /// connections that an event loop waits on.
    pub frame: Option<Frame>,
    /// Connections that were seen; 0 if all were closed before anybody looked, and for unix
    /// sockets.
    pub connections: u64,
    /// Waits for bytes.
    pub waits: u64,
    /// Their time.
    pub blocked_ns: u64,
    /// The longest one.
    pub max_ns: u64,
    /// Round trips: estimated, as the figures below, from what went over the connections.
    pub round_trips: Option<u64>,
    /// Bytes sent.
    pub sent_bytes: Option<u64>,
    /// Bytes received.
    pub received_bytes: Option<u64>,
}
