//! Round trips: what was sent, waited for and received, by connection and place in the code.

use std::collections::{BTreeMap, BTreeSet};

use leakcpu_common::totals::{Totals, TotalsKey, Wait, state, wait_flags};

use super::{
    awaited::Awaited,
    connections::{Connection, Connections},
    watched::Watched,
};
use crate::{
    collect::Snapshot,
    discovery::Descriptor,
    model::{Awaits, FunctionId, Process, RoundTrips, StackId, apportion},
    probes::syscall_name,
};

/// Receives of one place by one descriptor.
#[derive(Clone, Copy, Debug, Default)]
struct Receives {
    waits: u64,
    blocked_ns: u64,
    max_ns: u64,
}

impl Receives {
    /// As many parts as there are weights, in proportion to them.
    fn parted(self, weights: &[u64]) -> Vec<Self> {
        let waits = apportion(self.waits, weights);
        let blocked_ns = apportion(self.blocked_ns, weights);
        let parts = waits.into_iter().zip(blocked_ns);
        parts
            .map(|(waits, blocked_ns)| Self {
                waits,
                blocked_ns,
                max_ns: self.max_ns.min(blocked_ns),
            })
            .collect()
    }
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

/// Processes and descriptors on which bytes of one socket were waited for.
pub(super) fn waited_on(snapshot: &Snapshot) -> BTreeSet<(u32, i32)> {
    let mut waited_on = BTreeSet::new();
    for record in &snapshot.threads {
        let totals = snapshot
            .totals
            .get(&(record.state.tid, record.generation()));
        let waits = totals.into_iter().flatten().map(|(key, _)| key.wait);
        waited_on.extend(
            waits
                .filter(|wait| receives(*wait))
                .map(|wait| (record.state.pid, wait.fd)),
        );
    }
    waited_on
}

/// What waited by one descriptor at one place.
#[derive(Debug, Default)]
struct Place {
    receives: Receives,
    /// What looks at the socket found meanwhile.
    awaited: Awaited,
}

/// The round trips of a process, whose threads' totals are `totals`.
pub(super) fn round_trips<'a>(
    watched: &Watched,
    process: &Process,
    totals: impl Iterator<Item = &'a (TotalsKey, Totals)>,
    connections: &[Connections],
) -> Vec<RoundTrips> {
    let mut by_fd: BTreeMap<i32, BTreeMap<StackId, Place>> = BTreeMap::new();
    for (key, totals) in totals.filter(|(key, _)| receives(key.wait)) {
        let Some(stack) = watched.stacks.by_hash(key.stack) else {
            continue;
        };
        let of_fd = by_fd.entry(key.wait.fd).or_default();
        let place = of_fd.entry(stack).or_default();
        let receives = &mut place.receives;
        receives.waits += totals.count;
        receives.blocked_ns += totals.blocked_ns;
        receives.max_ns = receives.max_ns.max(totals.max_blocked_ns);
        if let Some(awaited) = watched.awaited.get(&(key.tid, key.wait.fd, key.stack)) {
            place.awaited.merge(awaited);
        }
    }
    let mine: Vec<(&Connection, bool)> = connections
        .iter()
        .flat_map(|of| of.of_process(process.pid.0))
        .collect();
    let mut rows = Rows {
        process,
        rows: BTreeMap::new(),
    };
    for (fd, places) in &by_fd {
        let of_fd = || mine.iter().filter(|(of, _)| of.fds.contains(fd));
        let is_served = of_fd().any(|(_, is_accepted)| *is_accepted);
        let first = of_fd().map(|(of, _)| of.peer.as_str()).min();
        let mut by_peer: BTreeMap<String, BTreeMap<StackId, Receives>> = BTreeMap::new();
        for (stack, place) in places {
            let answers = place.awaited.answers();
            match place.awaited.mostly() {
                Some(Awaits::Answer) if !answers.is_empty() => {
                    let looks: Vec<u64> = answers.iter().map(|(_, looks)| *looks).collect();
                    let parts = place.receives.parted(&looks);
                    for ((of, _), part) in answers.iter().zip(parts) {
                        let of_peer = by_peer.entry(of.clone()).or_default();
                        of_peer.insert(*stack, part);
                    }
                    continue;
                }
                // A server's: its waits are for requests.
                Some(Awaits::Work) => continue,
                None if is_served => continue,
                _ => {}
            }
            let other_end = first.map(str::to_owned).or_else(|| peer(watched, *fd));
            if let Some(other_end) = other_end {
                let of_peer = by_peer.entry(other_end).or_default();
                of_peer.insert(*stack, place.receives);
            }
        }
        for (other_end, places) in &by_peer {
            let seen: Vec<&Connection> = of_fd()
                .filter(|(of, is_accepted)| !is_accepted && of.peer == *other_end)
                .map(|(of, _)| *of)
                .collect();
            rows.add_places(other_end, places, &seen);
        }
    }
    for (connection, is_accepted) in mine {
        if connection.fds.is_empty() && !is_accepted {
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
type Line = (FunctionId, Option<u32>);

struct Rows<'a> {
    process: &'a Process,
    /// By the other end and the place.
    rows: BTreeMap<(String, Option<Line>), RoundTrips>,
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
        let trips = seen.iter().map(|of| of.round_trips(total)).sum();
        let trips = apportion(trips, &waits);
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
        // How often it was waited on is not known.
        let trips = connection.round_trips(u64::MAX);
        if trips == 0 {
            return;
        }
        let row = self.row(&connection.peer, None);
        row.connections += 1;
        for (figure, more) in [
            (&mut row.round_trips, trips),
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
