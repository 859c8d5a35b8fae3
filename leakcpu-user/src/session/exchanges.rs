//! Who owes whom on the sockets that threads wait on, looked at while they wait.
//!
//! A socket whose port is one that is listened on was accepted: who waits on it waits for
//! work. One that connected out is waited on for an answer if it sent more recently than it
//! received, by the kernel's clock of several milliseconds a tick.
//!
//! - Both fell into one tick: a thread that waits on this socket alone waits for the answer.
//! - It received more recently: a thread that waits on this socket alone may wait for the
//!   rest of an answer, or for what comes unasked. That is not told, unless the connection is
//!   at rest (`rest.rs`): then it is work.
//! - Among the sockets of an event loop one in such a state counts as owed an answer if
//!   something went over it since the look before, a moment ago; or, both being of one tick,
//!   if more segments were sent than received, for a small request and a small answer take
//!   one each.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    io,
    time::Duration,
};

use leakcpu_common::totals::Wait;
use nix::time::{ClockId, clock_gettime};

use super::{
    awaited::Silence,
    connections::Connections,
    rest::{Rest, rest},
    watched::Watched,
};
use crate::{
    collect::monotonic_ns,
    discovery::{
        SocketDiag, TcpSocket, Traffic, UnixSocket, epoll_members, network_namespace, socket_inode,
    },
    probes::syscall_name,
};

/// A table is not read again before this many times the CPU time that reading it took: half
/// a percent of a core.
const REST_TIMES: u64 = 200;
/// Two looks of one tick share a table.
const SAME_LOOK_NS: u64 = 10_000_000;
/// A look longer ago than that says nothing of now.
const A_MOMENT_NS: u64 = 100_000_000;
/// What an event loop watches is read again after that, for it changes seldom.
const SET_LASTS_NS: u64 = 100_000_000;
/// Sets of event loops that are kept, and kinds of waits of a process.
const KEPT: usize = 4_096;

/// A thread that waits on a descriptor now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub pid: u32,
    pub tid: u32,
    pub wait: Wait,
    /// Hash of its stack.
    pub stack: u64,
}

/// Whether a wait is one for bytes from a socket, or of an event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    One,
    Many,
}

fn waits_on(wait: Wait) -> Option<Waits> {
    match syscall_name(i32::from(wait.syscall))? {
        "recvfrom" | "recvmsg" | "recvmmsg" | "read" | "readv" | "poll" | "ppoll" => {
            Some(Waits::One)
        }
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => Some(Waits::Many),
        _ => None,
    }
}

/// A reading that is repeated as often as its cost allows.
#[derive(Debug, Default)]
struct Pace {
    next_ns: u64,
}

impl Pace {
    fn is_due(&self) -> bool {
        monotonic_ns() >= self.next_ns
    }

    /// A reading that began at `began_ns` of this thread's CPU clock has ended; the next
    /// one is at least `least_ns` away.
    fn done(&mut self, began_ns: u64, least_ns: u64) {
        let cost_ns = thread_cpu_ns().saturating_sub(began_ns);
        self.next_ns = monotonic_ns() + (cost_ns * REST_TIMES).max(least_ns);
    }
}

/// CPU time of this thread so far; 0 if the system does not say.
fn thread_cpu_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, |time| {
        u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The sockets of one network namespace.
struct Space {
    diag: SocketDiag,
    tcp: HashMap<u64, TcpSocket>,
    /// As the look before found them, if that is a moment ago.
    before: HashMap<u64, Traffic>,
    unix: HashMap<u64, UnixSocket>,
    read_ns: u64,
    tcp_pace: Pace,
    unix_pace: Pace,
    connections: Connections,
    /// Times that the kernel did not answer.
    not_read: u64,
}

/// What a look at the sockets of a wait says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Work,
    /// The answer of this other end.
    Answer(String),
    /// The same, if it does not go on being silent.
    AnswerUnless(Silence, String),
    /// Work, since the other end has been silent for long.
    AtRest(Silence),
    /// An event loop's wait.
    Loop(LoopLook),
    Unknown,
}

/// What a look at the sockets of an event loop found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LoopLook {
    /// Whose answer it waits for; `None` if it waits for work.
    whose: Option<String>,
    /// Connections that are owed an answer now.
    owed: usize,
    /// A socket of a server is among them.
    serves: bool,
}

impl Space {
    fn open(pid: u32) -> io::Result<Self> {
        Ok(Self {
            diag: SocketDiag::open(pid)?,
            tcp: HashMap::new(),
            before: HashMap::new(),
            unix: HashMap::new(),
            read_ns: 0,
            tcp_pace: Pace::default(),
            unix_pace: Pace::default(),
            connections: Connections::default(),
            not_read: 0,
        })
    }

    /// Reads the TCP sockets, unless that was just done or is too dear; whether they are
    /// as they are now.
    fn refresh(&mut self) -> bool {
        let began_ns = monotonic_ns();
        if began_ns < self.read_ns + SAME_LOOK_NS {
            return true;
        }
        if !self.tcp_pace.is_due() {
            return false;
        }
        self.read_tcp()
    }

    fn read_tcp(&mut self) -> bool {
        let began_ns = monotonic_ns();
        let cpu_ns = thread_cpu_ns();
        let read = self.diag.tcp();
        self.tcp_pace.done(cpu_ns, 0);
        match read {
            Ok(sockets) => {
                let is_recent = began_ns < self.read_ns + A_MOMENT_NS;
                let known = self.tcp.values().filter(|_| is_recent);
                self.before = known
                    .filter_map(|socket| Some((socket.inode, socket.traffic?)))
                    .collect();
                self.tcp = sockets.into_iter().map(|s| (s.inode, s)).collect();
                self.read_ns = monotonic_ns();
                self.connections.update(&self.tcp);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "sockets not read");
                self.not_read += 1;
                false
            }
        }
    }

    /// A unix socket; names and other ends never change, so they are read for new ones only.
    fn unix(&mut self, inode: u64) -> Option<&UnixSocket> {
        if !self.unix.contains_key(&inode) && self.unix_pace.is_due() {
            let began_ns = thread_cpu_ns();
            let read = self.diag.unix();
            self.unix_pace.done(began_ns, SET_LASTS_NS);
            self.not_read += u64::from(read.is_err());
            self.unix = read.unwrap_or_default().into_iter().collect();
        }
        self.unix.get(&inode)
    }

    fn is_accepted(&self, socket: &TcpSocket) -> bool {
        socket.listening || self.connections.ports.contains(&socket.local_port)
    }

    fn rest(&self, socket: &TcpSocket, traffic: &Traffic) -> Rest {
        let before = self.connections.before(socket.inode);
        before.map_or(Rest::No, |before| rest(socket.peer.port(), before, traffic))
    }

    /// A wait on one socket.
    fn one(&mut self, inode: u64) -> Verdict {
        if let Some(socket) = self.tcp.get(&inode) {
            if self.is_accepted(socket) {
                return Verdict::Work;
            }
            let asked = socket.traffic.filter(|traffic| traffic.bytes_sent > 0);
            let Some(traffic) = asked else {
                return Verdict::Unknown;
            };
            let silence = Silence {
                inode,
                bytes_received: traffic.bytes_received,
            };
            let is_owed = traffic.sent_ms_ago <= traffic.received_ms_ago;
            let peer = || socket.peer.to_string();
            return match self.rest(socket, &traffic) {
                Rest::Yes => Verdict::AtRest(silence),
                Rest::IfItLasts if is_owed => Verdict::AnswerUnless(silence, peer()),
                Rest::No if is_owed => Verdict::Answer(peer()),
                Rest::IfItLasts | Rest::No => Verdict::Unknown,
            };
        }
        let Some(socket) = self.unix(inode).cloned() else {
            return Verdict::Unknown;
        };
        if socket.path.is_some() {
            return Verdict::Work;
        }
        // How recently it sent is not told; who waits on it alone has asked.
        let path = socket.peer.and_then(|peer| self.unix(peer)?.path.clone());
        path.map_or(Verdict::Unknown, Verdict::Answer)
    }

    /// A wait of an event loop on these.
    fn many(&self, inodes: &[u64]) -> LoopLook {
        let mut look = LoopLook::default();
        for inode in inodes {
            let Some(socket) = self.tcp.get(inode) else {
                continue;
            };
            if self.is_accepted(socket) {
                look.serves = true;
                continue;
            }
            let Some(traffic) = socket.traffic.filter(|traffic| traffic.bytes_sent > 0) else {
                continue;
            };
            let has_moved = || {
                let before = self.before.get(inode);
                before.is_some_and(|before| {
                    before.bytes_sent < traffic.bytes_sent
                        || before.bytes_received < traffic.bytes_received
                })
            };
            // Both in one tick: a request and an answer of one segment each are a pair.
            let is_odd = traffic.sent_ms_ago == traffic.received_ms_ago
                && traffic.segments_sent > traffic.segments_received;
            let is_owed = traffic.sent_ms_ago < traffic.received_ms_ago || is_odd;
            // What has moved may be the answer that was waited for a moment ago.
            look.owed += usize::from(is_owed);
            if look.whose.is_none() && (is_owed || has_moved()) {
                look.whose = Some(socket.peer.to_string());
            }
        }
        look
    }
}

/// The descriptors that an event loop watches.
#[derive(Debug, Default)]
struct Set {
    members: Vec<u64>,
    pace: Pace,
}

/// Looks at the sockets of waits.
#[derive(Default)]
pub(super) struct Exchanges {
    /// By number; `None` where they cannot be looked at.
    spaces: HashMap<u64, Option<Space>>,
    sets: HashMap<(u32, i32), Set>,
    /// Waits seen whose sockets could not be looked at.
    not_looked_at: u64,
}

impl Exchanges {
    /// Notes what went over the connections of these processes before the window.
    pub(super) fn begin(&mut self, pids: impl Iterator<Item = u32>) {
        for pid in pids {
            if let Some(space) = network_namespace(pid).and_then(|of| self.space(of, pid)) {
                space.refresh();
            }
        }
        for space in self.spaces.values_mut().flatten() {
            space.connections.begin(&space.tcp);
        }
    }

    /// Looks at the sockets of waits that last just now; returns those of event loops that
    /// wait for answers.
    pub(super) fn look(
        &mut self,
        sightings: &[Sighting],
        watched: &mut BTreeMap<u32, Watched>,
    ) -> Vec<Sighting> {
        let mut owed = Vec::new();
        for sighting in sightings {
            let Some(kind) = waits_on(sighting.wait) else {
                continue;
            };
            let Some(process) = watched.get_mut(&sighting.pid) else {
                continue;
            };
            let Some(verdict) = self.sight(sighting, kind) else {
                continue;
            };
            let key = (sighting.tid, sighting.wait.fd, sighting.stack);
            if process.awaited.len() >= KEPT && !process.awaited.contains_key(&key) {
                continue;
            }
            if verdict == Verdict::Unknown {
                continue;
            }
            let awaited = process.awaited.entry(key).or_default();
            match verdict {
                Verdict::Work => awaited.add_work(),
                Verdict::Answer(peer) => awaited.add_answer(&peer),
                Verdict::Loop(look) => {
                    let answers = look.whose.as_deref().map(|whose| (look.owed, whose));
                    awaited.add_look_at_loop(answers, look.serves);
                    owed.extend(answers.map(|_| *sighting));
                }
                Verdict::AnswerUnless(silence, peer) => awaited.add_answer_unless(silence, &peer),
                Verdict::AtRest(silence) => awaited.add_rest(silence),
                Verdict::Unknown => {}
            }
        }
        owed
    }

    fn sight(&mut self, sighting: &Sighting, kind: Waits) -> Option<Verdict> {
        let &Sighting { pid, wait, .. } = sighting;
        let of = network_namespace(pid)?;
        match kind {
            Waits::One => {
                let inode = socket_inode(pid, wait.fd)?;
                let space = self.space(of, pid)?;
                let is_fresh = space.refresh();
                space
                    .connections
                    .seen(pid, inode, Some(wait.fd), &space.tcp);
                is_fresh.then(|| space.one(inode))
            }
            Waits::Many => {
                let members = self.members(pid, wait.fd);
                let space = self.space(of, pid)?;
                let is_fresh = space.refresh();
                for inode in &members {
                    space.connections.seen(pid, *inode, None, &space.tcp);
                }
                is_fresh.then(|| Verdict::Loop(space.many(&members)))
            }
        }
    }

    fn space(&mut self, of: u64, pid: u32) -> Option<&mut Space> {
        let space = match self.spaces.entry(of) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => match Space::open(pid) {
                Ok(space) => new.insert(Some(space)),
                // It has ended; others may be in there still.
                Err(_) if network_namespace(pid) != Some(of) => return None,
                Err(error) => {
                    tracing::debug!(pid, %error, "its sockets cannot be looked at");
                    new.insert(None)
                }
            },
        };
        self.not_looked_at += u64::from(space.is_none());
        space.as_mut()
    }

    fn members(&mut self, pid: u32, fd: i32) -> Vec<u64> {
        if self.sets.len() >= KEPT {
            self.sets.clear();
        }
        let set = self.sets.entry((pid, fd)).or_default();
        if set.pace.is_due() {
            let began_ns = thread_cpu_ns();
            set.members = epoll_members(pid, fd);
            set.pace.done(began_ns, SET_LASTS_NS);
        }
        set.members.clone()
    }

    /// The window ends.
    pub(super) fn end(&mut self) {
        for space in self.spaces.values_mut().flatten() {
            space.read_tcp();
        }
    }

    /// What went over the connections of all processes in the window, and how often sockets
    /// that were waited on could not be looked at. `waited_on` are processes and descriptors,
    /// some of which no look may have met: waits may be short and few.
    pub(super) fn finish(
        &mut self,
        waited_on: impl IntoIterator<Item = (u32, i32)>,
    ) -> (Vec<Connections>, u64) {
        for (pid, fd) in waited_on {
            let (Some(of), Some(inode)) = (network_namespace(pid), socket_inode(pid, fd)) else {
                continue;
            };
            if let Some(space) = self.space(of, pid) {
                space.connections.seen(pid, inode, Some(fd), &space.tcp);
            }
        }
        let spaces = self.spaces.drain().filter_map(|(_, space)| space);
        let mut not_looked_at = std::mem::take(&mut self.not_looked_at);
        let connections = spaces
            .map(|space| {
                not_looked_at += space.not_read;
                space.connections
            })
            .collect();
        (connections, not_looked_at)
    }
}
