//! Round trips by connection and place.

use serde::Serialize;

use crate::{
    classify::service_name,
    model::{Process, RoundTrips},
};

/// Rows that are written at most.
const ROWS: usize = 100;

#[derive(Clone, Debug, Serialize)]
pub(super) struct RoundTripsDto {
    peer: String,
    service: Option<&'static str>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    connections: u64,
    waits: u64,
    blocked_ns: u64,
    max_ns: u64,
    round_trips: Option<u64>,
    sent_bytes: Option<u64>,
    received_bytes: Option<u64>,
}

impl RoundTripsDto {
    pub(super) fn all(process: &Process) -> Vec<Self> {
        let rows = process.round_trips.iter().take(ROWS);
        rows.map(|row| Self::new(process, row)).collect()
    }

    fn new(process: &Process, row: &RoundTrips) -> Self {
        let function = row
            .frame
            .and_then(|frame| process.function(frame.function?));
        Self {
            peer: row.peer.clone(),
            service: service_name(&row.peer),
            function: function.map(|function| function.name.clone()),
            file: function.map(|function| function.file.clone()),
            line: row.frame.and_then(|frame| frame.line),
            connections: row.connections,
            waits: row.waits,
            blocked_ns: row.blocked_ns,
            max_ns: row.max_ns,
            round_trips: row.round_trips,
            sent_bytes: row.sent_bytes,
            received_bytes: row.received_bytes,
        }
    }
}
