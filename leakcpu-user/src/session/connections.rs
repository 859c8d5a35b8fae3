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

    /// How often both directions took a segment of data: no more round trips than that
    /// were made, unless several fitted into one.
    pub(super) fn turns(&self) -> u64 {
        let sent = self
            .last
            .segments_sent
            .saturating_sub(self.first.segments_sent);
        let received = self
            .last
            .segments_received
            .saturating_sub(self.first.segments_received);
        u64::from(sent.min(received))
    }
}

/// The connections of one network namespace.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// What had gone over each when the window began.
    before: HashMap<u64, Traffic>,
    /// By process and inode.
    pub seen: HashMap<(u32, u64), Connection>,
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
