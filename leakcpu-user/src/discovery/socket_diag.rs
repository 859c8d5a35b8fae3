//! What the kernel's socket diagnostics (`sock_diag(7)`) say of TCP and unix sockets: what
//! was sent and received, and who is at the other end.

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr},
    thread,
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_TCP, SockDiagMessage, TCP_LISTEN,
    inet::{self, ExtensionFlags, InetRequest, InetResponse, SocketId},
    unix::{self, ShowFlags, UnixRequest, UnixResponse, nlas::UnixDiagName},
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use nix::sched::{CloneFlags, setns};

use super::procfile;

/// The kernel's answers are parts of at most this size.
const ANSWER_BYTES: usize = 64 << 10;
/// Parts of one answer that are read at most: some 200 sockets each.
const ANSWERS: usize = 4_096;
/// Bytes of a netlink message's head, the first four of which are its length.
const HEAD_BYTES: usize = 16;

/// What went over a TCP connection so far (`struct tcp_info`, `include/uapi/linux/tcp.h`;
/// as a whole since 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Milliseconds since data was sent last, in the kernel's ticks.
    pub sent_ms_ago: u32,
    /// Milliseconds since data came last, in the kernel's ticks.
    pub received_ms_ago: u32,
    /// Milliseconds since the other end acknowledged something last, be it with data or
    /// without, in the kernel's ticks.
    pub acknowledged_ms_ago: u32,
    /// Bytes sent, those that were sent again left out.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Segments with data sent.
    pub segments_sent: u32,
    /// Segments with data received.
    pub segments_received: u32,
    /// Bytes that fit into a segment sent.
    pub sent_segment_bytes: u32,
    /// Bytes that fit into a segment received, as it was advertised.
    pub received_segment_bytes: u32,
}

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its inode, as `/proc/PID/fd` names it.
    pub inode: u64,
    /// Its port.
    pub local_port: u16,
    /// The other end.
    pub peer: SocketAddr,
    /// It accepts connections.
    pub listening: bool,
    /// What went over it; `None` if the kernel did not say.
    pub traffic: Option<Traffic>,
}

/// A unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocket {
    /// The name that it is bound to; one that was accepted has its listener's.
    pub path: Option<String>,
    /// Inode of the other end.
    pub peer: Option<u64>,
}

/// Number of the network namespace that `pid` is in.
pub fn network_namespace(pid: u32) -> Option<u64> {
    let link = procfile::link(pid, "ns/net")?;
    link.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// Inodes of what an epoll descriptor watches, from `/proc/PID/fdinfo` (4.13); empty if it
/// cannot be read.
pub fn epoll_members(pid: u32, fd: i32) -> Vec<u64> {
    let info = procfile::read_text(pid, &format!("fdinfo/{fd}")).unwrap_or_default();
    info.lines()
        .filter(|line| line.starts_with("tfd:"))
        .filter_map(|line| {
            let (_, rest) = line.split_once(" ino:")?;
            let inode = rest.split_whitespace().next()?;
            u64::from_str_radix(inode, 16).ok()
        })
        .collect()
}

/// Inode of the socket that descriptor `fd` of `pid` is; `None` if it is none.
pub fn socket_inode(pid: u32, fd: i32) -> Option<u64> {
    let link = procfile::link(pid, &format!("fd/{fd}"))?;
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// Asks the kernel about the sockets of one network namespace.
pub struct SocketDiag {
    socket: Socket,
    buffer: Vec<u8>,
}

impl SocketDiag {
    /// Opens one for the namespace of `pid`. In another than ours a thread of ours goes
    /// there and back: the socket belongs to where it was made.
    pub fn open(pid: u32) -> io::Result<Self> {
        let own = network_namespace(std::process::id());
        let socket = if network_namespace(pid) == own {
            open_here()?
        } else {
            let namespace = File::open(procfile::path(pid, "ns/net"))?;
            let there = thread::spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                open_here()
            });
            there
                .join()
                .map_err(|_| io::Error::other("the thread that asks ended early"))??
        };
        Ok(Self {
            socket,
            buffer: vec![0; ANSWER_BYTES],
        })
    }

    /// All TCP sockets of the namespace that have an inode.
    pub fn tcp(&mut self) -> io::Result<Vec<TcpSocket>> {
        let mut sockets = Vec::new();
        for (family, socket_id) in [
            (AF_INET, SocketId::new_v4()),
            (AF_INET6, SocketId::new_v6()),
        ] {
            let request = InetRequest {
                family,
                protocol: IPPROTO_TCP,
                extensions: ExtensionFlags::INFO,
                states: inet::StateFlags::all(),
                socket_id,
            };
            self.ask(SockDiagMessage::InetRequest(request), |answer| {
                if let SockDiagMessage::InetResponse(response) = answer {
                    sockets.extend(tcp_socket(&response));
                }
            })?;
        }
        Ok(sockets)
    }

    /// All unix sockets of the namespace by inode.
    pub fn unix(&mut self) -> io::Result<Vec<(u64, UnixSocket)>> {
        let mut sockets = Vec::new();
        let request = UnixRequest {
            state_flags: unix::StateFlags::all(),
            inode: 0,
            show_flags: ShowFlags::NAME | ShowFlags::PEER,
            cookie: [0xff; 8],
        };
        self.ask(SockDiagMessage::UnixRequest(request), |answer| {
            if let SockDiagMessage::UnixResponse(response) = answer {
                sockets.push((u64::from(response.header.inode), unix_socket(&response)));
            }
        })?;
        Ok(sockets)
    }

    fn ask(
        &mut self,
        request: SockDiagMessage,
        mut answered: impl FnMut(SockDiagMessage),
    ) -> io::Result<()> {
        let mut head = NetlinkHeader::default();
        head.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut message = NetlinkMessage::new(head, request.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        for _ in 0..ANSWERS {
            let size = self.socket.recv(&mut &mut self.buffer[..], 0)?;
            let mut rest = self.buffer.get(..size).unwrap_or(&[]);
            while rest.len() >= HEAD_BYTES {
                let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
                if length < HEAD_BYTES || length > rest.len() {
                    return Err(io::Error::other("an answer of the kernel is cut short"));
                }
                match NetlinkMessage::<SockDiagMessage>::deserialize(&rest[..length]) {
                    Ok(message) => match message.payload {
                        NetlinkPayload::Done(_) => return Ok(()),
                        NetlinkPayload::Error(error) => return Err(error.to_io()),
                        NetlinkPayload::InnerMessage(answer) => answered(answer),
                        _ => {}
                    },
                    Err(error) => tracing::debug!(%error, "a socket was not understood"),
                }
                // Messages begin at multiples of four.
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
        Err(io::Error::other("the kernel's answer does not end"))
    }
}

fn open_here() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
    // The kernel answers while it is asked: there is never anything to wait for.
    socket.set_non_blocking(true)?;
    Ok(socket)
}

fn tcp_socket(response: &InetResponse) -> Option<TcpSocket> {
    let head = &response.header;
    if head.inode == 0 {
        // Nobody has it open any more.
        return None;
    }
    let id = &head.socket_id;
    let traffic = response.nlas.iter().find_map(|nla| match nla {
        inet::nlas::Nla::TcpInfo(info) => Some(Traffic {
            sent_ms_ago: info.last_data_sent,
            received_ms_ago: info.last_data_recv,
            acknowledged_ms_ago: info.last_ack_recv,
            bytes_sent: info.bytes_sent.saturating_sub(info.bytes_retrans),
            bytes_received: info.bytes_received,
            segments_sent: info.data_segs_out,
            segments_received: info.data_segs_in,
            sent_segment_bytes: info.snd_mss,
            received_segment_bytes: info.advmss,
        }),
        _ => None,
    });
    Some(TcpSocket {
        inode: u64::from(head.inode),
        local_port: id.source_port,
        peer: SocketAddr::new(plain(id.destination_address), id.destination_port),
        listening: head.state == TCP_LISTEN,
        traffic,
    })
}

/// An IPv4 address in IPv6's clothes as what it is.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn unix_socket(response: &UnixResponse) -> UnixSocket {
    let path = response.nlas.iter().find_map(|nla| match nla {
        unix::nlas::Nla::Name(UnixDiagName::Pathname(path)) => {
            Some(path.to_string_lossy().into_owned())
        }
        unix::nlas::Nla::Name(UnixDiagName::Abstract(name)) => {
            Some(format!("@{}", String::from_utf8_lossy(name)))
        }
        _ => None,
    });
    UnixSocket {
        path,
        peer: response.peer().map(u64::from),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        os::unix::net::{UnixListener, UnixStream},
        process::id,
    };

    use super::*;

    fn inode(socket: &impl std::os::fd::AsRawFd) -> u64 {
        socket_inode(id(), socket.as_raw_fd()).unwrap()
    }

    #[test]
    fn bytes_are_counted_on_both_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"request").unwrap();
        server.read_exact(&mut [0; 7]).unwrap();
        let sockets = SocketDiag::open(id()).unwrap().tcp().unwrap();
        let find = |wanted: u64| sockets.iter().find(|s| s.inode == wanted).unwrap();
        assert!(find(inode(&listener)).listening);
        let of = find(inode(&client));
        assert_eq!(of.peer, address);
        let traffic = of.traffic.unwrap();
        assert_eq!((traffic.bytes_sent, traffic.bytes_received), (7, 0));
        assert_eq!(traffic.segments_sent, 1);
        let other = find(inode(&server));
        assert_eq!(other.local_port, address.port());
        assert_eq!(other.traffic.unwrap().bytes_received, 7);
    }

    #[test]
    fn a_unix_client_is_led_to_the_server_s_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (_server, _) = listener.accept().unwrap();
        let sockets = SocketDiag::open(id()).unwrap().unix().unwrap();
        let find = |wanted: u64| &sockets.iter().find(|(i, _)| *i == wanted).unwrap().1;
        let of = find(inode(&client));
        assert_eq!(of.path, None);
        let server = find(of.peer.unwrap());
        assert_eq!(server.path.as_deref(), path.to_str());
    }
}
