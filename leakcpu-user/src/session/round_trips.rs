//! Round trips: what was sent, waited for and received, by connection and place in the code.

use std::collections::{BTreeMap, HashSet};

use leakcpu_common::totals::{Totals, TotalsKey, Wait, state, wait_flags};

use super::{
    connections::{Connection, Connections},
    watched::Watched,
};
use crate::{
    discovery::Descriptor,
    model::{FunctionId, Process, RoundTrips, StackId, apportion},
    probes::syscall_name,
};

/// Receives of one place by one descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Receives {
    waits: u64,
    blocked_ns: u64,
    max_ns: u64,
}

/// Whether a wait is one for bytes of one socket.
fn receives(wait: Wait) -> bool {
    let has = |flag| wait.flags & flag != 0;
    wait.kind() == state::BLOCKED
        && has(wait_flags::HAS_FD)
        && match syscall_name(i32::from(wait.syscall)) {
            Some("recvfrom" | "recvmsg" | "recvmmsg" | "read" | "readv") => true,
            Some("poll" | "ppoll") => !has(wait_flags::POLLS_WRITE),
            _ => false,
        }
}

/// The round trips of a process, whose threads' totals are `totals`.
pub(super) fn round_trips<'a>(
    watched: &Watched,
    process: &Process,
    totals: impl Iterator<Item = &'a (TotalsKey, Totals)>,
    connections: &[Connections],
    ports: &HashSet<u16>,
) -> Vec<RoundTrips> {
    let mut by_fd: BTreeMap<i32, BTreeMap<StackId, Receives>> = BTreeMap::new();
    for (key, totals) in totals.filter(|(key, _)| receives(key.wait)) {
        let Some(stack) = watched.stacks.by_hash(key.stack) else {
            continue;
        };
        let place = by_fd.entry(key.wait.fd).or_default();
        let receives = place.entry(stack).or_default();
        receives.waits += totals.count;
        receives.blocked_ns += totals.blocked_ns;
        receives.max_ns = receives.max_ns.max(totals.max_blocked_ns);
    }
    let mine: Vec<&Connection> = connections
        .iter()
        .flat_map(|of| &of.seen)
        .filter(|((pid, _), _)| *pid == process.pid.0)
        .map(|(_, connection)| connection)
        .collect();
    let mut rows = Rows {
        process,
        rows: BTreeMap::new(),
    };
    for (fd, places) in &by_fd {
        let seen: Vec<&Connection> = mine
            .iter()
            .copied()
            .filter(|c| c.fds.contains(fd))
            .collect();
        if seen
            .iter()
            .any(|connection| ports.contains(&connection.local_port))
        {
            // A server's: its waits are for requests.
            continue;
        }
        let Some(peer) = seen
            .first()
            .map(|connection| connection.peer.clone())
            .or_else(|| peer(watched, *fd))
        else {
            continue;
        };
        rows.add_places(&peer, places, &seen);
    }
    for connection in mine {
        if connection.fds.is_empty() && !ports.contains(&connection.local_port) {
            rows.add_of_loop(connection);
        }
    }
    rows.finish()
}

/// The other end of a socket that is no server's, as it was looked up while it was waited
/// for.
fn peer(watched: &Watched, fd: i32) -> Option<String> {
    let seen = watched
        .descriptors
        .iter()
        .filter(|((_, number), _)| *number == fd)
        .find_map(|(_, sightings)| sightings.what())?;
    match seen {
        Descriptor::Socket(socket) if !socket.listening && !socket.is_dns => socket.peer,
        _ => None,
    }
}

/// A function and a line in it.
type Place = (FunctionId, Option<u32>);

struct Rows<'a> {
    process: &'a Process,
    /// By the other end and the place.
    rows: BTreeMap<(String, Option<Place>), RoundTrips>,
}

impl Rows<'_> {
    fn row(&mut self, peer: &str, stack: Option<StackId>) -> &mut RoundTrips {
        let frame = stack.and_then(|stack| self.process.own_frame(self.process.stack(stack)));
        let place = frame.and_then(|frame| Some((frame.function?, frame.line)));
        self.rows
            .entry((peer.to_owned(), place))
            .or_insert_with(|| RoundTrips {
                peer: peer.to_owned(),
                frame,
                ..RoundTrips::default()
            })
    }

    /// The receives of a descriptor that was these connections; which is not known if it
    /// was closed before anybody looked.
    fn add_places(
        &mut self,
        peer: &str,
        places: &BTreeMap<StackId, Receives>,
        seen: &[&Connection],
    ) {
        let waits: Vec<u64> = places.values().map(|receives| receives.waits).collect();
        let total: u64 = waits.iter().sum();
        let sum = |of: fn(&Connection) -> u64| seen.iter().map(|c| of(c)).sum::<u64>();
        // A download makes many waits for one request, an upload many segments.
        let trips = apportion(sum(Connection::turns).min(total), &waits);
        let sent = apportion(sum(Connection::sent_bytes), &waits);
        let received = apportion(sum(Connection::received_bytes), &waits);
        for (i, (stack, receives)) in places.iter().enumerate() {
            let row = self.row(peer, Some(*stack));
            row.waits += receives.waits;
            row.blocked_ns += receives.blocked_ns;
            row.max_ns = row.max_ns.max(receives.max_ns);
            if seen.is_empty() {
                continue;
            }
            row.connections = row.connections.max(seen.len() as u64);
            for (figure, more) in [
                (&mut row.round_trips, trips[i]),
                (&mut row.sent_bytes, sent[i]),
                (&mut row.received_bytes, received[i]),
            ] {
                *figure = Some(figure.unwrap_or(0) + more);
            }
        }
    }

    /// A connection that only an event loop waits on: no place in the code is known.
    fn add_of_loop(&mut self, connection: &Connection) {
        let turns = connection.turns();
        if turns == 0 {
            return;
        }
        let row = self.row(&connection.peer, None);
        row.connections += 1;
        for (figure, more) in [
            (&mut row.round_trips, turns),
            (&mut row.sent_bytes, connection.sent_bytes()),
            (&mut row.received_bytes, connection.received_bytes()),
        ] {
            *figure = Some(figure.unwrap_or(0) + more);
        }
    }

    fn finish(self) -> Vec<RoundTrips> {
        let mut rows: Vec<RoundTrips> = self.rows.into_values().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.round_trips.unwrap_or(0), row.waits)));
        rows
    }
}
