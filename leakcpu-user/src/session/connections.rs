//! The TCP connections that watched processes were seen to wait on: what went over them in
//! the window.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::discovery::{TcpSocket, Traffic};

/// Connections that are kept at most, of one network namespace.
const CONNECTIONS: usize = 4_096;

/// What went over a connection in the window, as far as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// The other end.
    pub peer: String,
    /// Its own port.
    pub local_port: u16,
    /// Descriptors by which threads waited on it alone.
    pub fds: BTreeSet<i32>,
    first: Traffic,
    last: Traffic,
}

impl Connection {
    /// Bytes sent.
    pub(super) const fn sent_bytes(&self) -> u64 {
        self.last.bytes_sent.saturating_sub(self.first.bytes_sent)
    }

    /// Bytes received.
    pub(super) const fn received_bytes(&self) -> u64 {
        self.last
            .bytes_received
            .saturating_sub(self.first.bytes_received)
    }

    /// Round trips, of which `waits` were waited for. In a direction whose segments are small
    /// each is a message, unless it was written in parts; full ones are parts of longer
    /// messages, and do not tell how many those were.
    ///
    /// The waits are no measure where anything else is: the answers of a fast server are there
    /// before anybody waits for them.
    pub(super) fn round_trips(&self, waits: u64) -> u64 {
        let (first, last) = (&self.first, &self.last);
        let sent = u64::from(last.segments_sent.saturating_sub(first.segments_sent));
        let received = u64::from(
            last.segments_received
                .saturating_sub(first.segments_received),
        );
        let are_parts =
            |bytes: u64, segments: u64, of_one: u32| bytes * 2 > segments * u64::from(of_one);
        let trips = sent.min(received);
        if are_parts(self.sent_bytes(), sent, last.sent_segment_bytes)
            && are_parts(self.received_bytes(), received, last.received_segment_bytes)
        {
            trips.min(waits)
        } else {
            trips
        }
    }
}

/// The connections of one network namespace.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// What had gone over each when the window began.
    before: HashMap<u64, Traffic>,
    /// By process and inode.
    seen: HashMap<(u32, u64), Connection>,
    /// Ports that were listened on at some time: a connection of such a port was accepted.
    pub ports: HashSet<u16>,
    /// Times that one was seen and not kept.
    pub left_out: u64,
}

impl Connections {
    /// The window begins.
    pub(super) fn begin(&mut self, sockets: &HashMap<u64, TcpSocket>) {
        self.before = sockets
            .values()
            .filter_map(|socket| Some((socket.inode, socket.traffic?)))
            .collect();
    }

    /// What had gone over a connection when the window began.
    pub(super) fn before(&self, inode: u64) -> Option<&Traffic> {
        self.before.get(&inode)
    }

    /// Process `pid` was seen to wait on that socket.
    pub(super) fn seen(
        &mut self,
        pid: u32,
        inode: u64,
        fd: Option<i32>,
        sockets: &HashMap<u64, TcpSocket>,
    ) {
        if let Some(known) = self.seen.get_mut(&(pid, inode)) {
            known.fds.extend(fd);
            return;
        }
        let Some(socket) = sockets.get(&inode).filter(|socket| !socket.listening) else {
            return;
        };
        let Some(traffic) = socket.traffic else {
            return;
        };
        if self.seen.len() >= CONNECTIONS {
            self.left_out += 1;
            return;
        }
        let connection = Connection {
            peer: socket.peer.to_string(),
            local_port: socket.local_port,
            fds: fd.into_iter().collect(),
            // One that was made in the window has begun with nothing.
            first: self.before.get(&inode).copied().unwrap_or_default(),
            last: traffic,
        };
        self.seen.insert((pid, inode), connection);
    }

    /// The connections of one process, and whether each was accepted.
    pub(super) fn of_process(&self, wanted: u32) -> impl Iterator<Item = (&Connection, bool)> {
        self.seen
            .iter()
            .filter(move |((pid, _), _)| *pid == wanted)
            .map(|(_, of)| (of, self.ports.contains(&of.local_port)))
    }

    /// The sockets were read again.
    pub(super) fn update(&mut self, sockets: &HashMap<u64, TcpSocket>) {
        let listening = sockets.values().filter(|socket| socket.listening);
        self.ports.extend(listening.map(|socket| socket.local_port));
        for ((_, inode), known) in &mut self.seen {
            if let Some(traffic) = sockets.get(inode).and_then(|socket| socket.traffic) {
                known.last = traffic;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection over which so much went: (segments, bytes) sent and received.
    fn connection(sent: (u32, u64), received: (u32, u64)) -> Connection {
        Connection {
            peer: "10.0.0.5:5432".into(),
            local_port: 40_000,
            fds: BTreeSet::new(),
            first: Traffic::default(),
            last: Traffic {
                segments_sent: sent.0,
                bytes_sent: sent.1,
                segments_received: received.0,
                bytes_received: received.1,
                sent_segment_bytes: 1_448,
                received_segment_bytes: 1_460,
                ..Traffic::default()
            },
        }
    }

    #[test]
    fn answers_that_nobody_waited_for_count_too() {
        let queries = connection((100, 5_100), (100, 7_500));
        assert_eq!(queries.round_trips(8), 100);
        assert_eq!(queries.round_trips(180), 100);
    }

    #[test]
    fn parts_of_a_long_message_do_not() {
        let download = connection((1, 40), (500, 500 * 1_460));
        assert_eq!(download.round_trips(300), 1);
        let upload = connection((500, 500 * 1_448), (2, 60));
        assert_eq!(upload.round_trips(1), 2);
        let both = connection((500, 500 * 1_448), (400, 400 * 1_460));
        assert_eq!(both.round_trips(10), 10);
    }
}
