//! What a file descriptor of another process is, and who is at its other end.

use std::collections::HashMap;

use procfs::{
    net::{TcpState, UnixState},
    process::Process,
};

use super::{
    DiscoveryError, SocketDiag, UnixSocket,
    files::{self, Mounts},
    procfile,
};

/// The well-known port of name servers.
const DNS_PORT: u16 = 53;

/// What a descriptor refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// A socket.
    Socket(Socket),
    /// A pipe.
    Pipe {
        /// The path of one that has a name (FIFO).
        path: Option<String>,
    },
    /// A terminal.
    Tty {
        /// Its device.
        path: String,
    },
    /// An epoll instance.
    Epoll,
    /// An eventfd, timerfd, signalfd, inotify or pidfd.
    Notifier,
    /// A file, folder or block device.
    File {
        /// Its path, as this process sees it.
        path: String,
    },
    /// A character device that is no terminal.
    Device {
        /// Its path.
        path: String,
    },
    /// A file that the kernel makes up, with no disk behind it (`/proc`, `/sys` ...).
    MadeUp {
        /// Its path.
        path: String,
    },
    /// Something else of the kernel's (`anon_inode:...`).
    Other {
        /// As the kernel names it.
        name: String,
    },
}

/// A socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socket {
    /// The other end, `address:port` or a socket path; `None` if not connected
    /// or not found in the tables.
    pub peer: Option<String>,
    /// It accepts connections.
    pub listening: bool,
    /// It has asked for a connection and waits for the answer.
    pub connecting: bool,
    /// The other end is a name server.
    pub is_dns: bool,
    /// One of a pair of unix sockets without names: a pipe in all but name.
    pub is_pair: bool,
}

/// Sockets of one process' network namespace, by inode.
#[derive(Debug, Default)]
pub struct SocketTable {
    by_inode: HashMap<u64, Socket>,
}

impl SocketTable {
    /// Reads `/proc/PID/net/{tcp,tcp6,udp,udp6,unix}`; a table that cannot be
    /// read is empty.
    pub fn read(pid: u32) -> Self {
        let mut table = Self::default();
        let Ok(process) =
            i32::try_from(pid).map_or(Err(()), |pid| Process::new(pid).map_err(|_| ()))
        else {
            return table;
        };
        for entries in [process.tcp(), process.tcp6()] {
            for entry in entries.unwrap_or_default() {
                let listening = entry.state == TcpState::Listen;
                table.by_inode.insert(
                    entry.inode,
                    Socket {
                        peer: (!listening).then(|| entry.remote_address.to_string()),
                        listening,
                        connecting: entry.state == TcpState::SynSent,
                        is_dns: entry.remote_address.port() == DNS_PORT,
                        is_pair: false,
                    },
                );
            }
        }
        for entries in [process.udp(), process.udp6()] {
            for entry in entries.unwrap_or_default() {
                let connected = entry.remote_address.port() != 0;
                table.by_inode.insert(
                    entry.inode,
                    Socket {
                        peer: connected.then(|| entry.remote_address.to_string()),
                        listening: false,
                        connecting: false,
                        is_dns: entry.remote_address.port() == DNS_PORT,
                        is_pair: false,
                    },
                );
            }
        }
        let mut ends = None;
        for entry in process.unix().unwrap_or_default() {
            let connected = entry.state == UnixState::CONNECTED;
            let path = entry.path.map(|path| path.display().to_string());
            // A bound stream that is not connected is a listener.
            let listening =
                !connected && path.is_some() && i32::from(entry.socket_type) != libc::SOCK_DGRAM;
            let mut is_pair = false;
            let peer = connected.then(|| {
                // The client's end does not have it.
                let ends = ends.get_or_insert_with(|| unix_ends(pid));
                let found = path.or_else(|| {
                    let end = ends.remove(&entry.inode)?;
                    is_pair = end.is_none();
                    end
                });
                found.unwrap_or_else(|| "unix socket".to_owned())
            });
            table.by_inode.insert(
                entry.inode,
                Socket {
                    peer,
                    listening,
                    connecting: false,
                    is_dns: false,
                    is_pair,
                },
            );
        }
        table
    }

    /// A socket by its inode.
    pub fn get(&self, inode: u64) -> Option<&Socket> {
        self.by_inode.get(&inode)
    }
}

/// The other ends of unix sockets by inode, with their names if they have one; empty if the
/// kernel does not say. Those in other network namespaces are not among them.
fn unix_ends(pid: u32) -> HashMap<u64, Option<String>> {
    let sockets: HashMap<u64, UnixSocket> = SocketDiag::open(pid)
        .and_then(|mut diag| diag.unix())
        .unwrap_or_default()
        .into_iter()
        .collect();
    sockets
        .iter()
        .filter_map(|(inode, socket)| {
            let end = sockets.get(&socket.peer?)?;
            Some((*inode, end.path.clone()))
        })
        .collect()
}

/// What is read once for many descriptors of one process, and only if one needs it.
#[derive(Debug, Default)]
pub struct Tables {
    sockets: Option<SocketTable>,
    mounts: Option<Mounts>,
}

/// Tells what descriptor `fd` of `pid` is now; it may have been another thing
/// when it was waited for.
pub fn descriptor(pid: u32, fd: i32, tables: &mut Tables) -> Result<Descriptor, DiscoveryError> {
    let link = procfile::link(pid, &format!("fd/{fd}")).ok_or(DiscoveryError::Gone { pid })?;
    if let Some(inode) = link
        .strip_prefix("socket:[")
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let inode = inode.parse().map_err(|_| procfile::malformed(pid, "fd"))?;
        let table = tables.sockets.get_or_insert_with(|| SocketTable::read(pid));
        return Ok(Descriptor::Socket(
            table.get(inode).cloned().unwrap_or_default(),
        ));
    }
    if link.starts_with('/') && !link.starts_with("/memfd:") {
        let mounts = tables.mounts.get_or_insert_with(|| Mounts::read(pid));
        return Ok(files::by_path(pid, fd, link, mounts));
    }
    Ok(from_link(link))
}

fn from_link(link: String) -> Descriptor {
    if link.starts_with("pipe:[") {
        return Descriptor::Pipe { path: None };
    }
    if let Some(name) = link.strip_prefix("anon_inode:") {
        return match name {
            "[eventpoll]" => Descriptor::Epoll,
            "[eventfd]" | "[timerfd]" | "[signalfd]" | "[pidfd]" | "inotify" => {
                Descriptor::Notifier
            }
            _ => Descriptor::Other { name: link },
        };
    }
    Descriptor::Other { name: link }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream},
        os::{fd::AsRawFd as _, unix::net::UnixStream},
    };

    use super::*;

    fn of(fd: i32) -> Descriptor {
        descriptor(std::process::id(), fd, &mut Tables::default()).unwrap()
    }

    #[test]
    fn sockets_name_their_peer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let Descriptor::Socket(socket) = of(client.as_raw_fd()) else {
            panic!()
        };
        assert_eq!(socket.peer, Some(address.to_string()));
        assert!(!socket.listening && !socket.is_dns);
        let Descriptor::Socket(socket) = of(listener.as_raw_fd()) else {
            panic!()
        };
        assert!(socket.listening);
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(matches!(of(one.as_raw_fd()), Descriptor::Socket(s) if !s.listening && s.is_pair));
    }

    #[test]
    fn a_unix_client_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let _server = listener.accept().unwrap();
        let Descriptor::Socket(socket) = of(client.as_raw_fd()) else {
            panic!()
        };
        assert_eq!(socket.peer.as_deref(), path.to_str());
        assert!(!socket.is_pair);
    }

    #[test]
    fn files_and_pipes() {
        let exe = std::env::current_exe().unwrap();
        let file = File::open(&exe).unwrap();
        assert_eq!(
            of(file.as_raw_fd()),
            Descriptor::File {
                path: exe.display().to_string()
            }
        );
        let (read, _write) = nix::unistd::pipe().unwrap();
        assert_eq!(of(read.as_raw_fd()), Descriptor::Pipe { path: None });
        assert!(descriptor(std::process::id(), 1_000_000, &mut Tables::default()).is_err());
    }

    #[test]
    fn what_has_a_path_and_is_no_file() {
        let of_path = |path: &str| of(File::open(path).unwrap().as_raw_fd());
        assert!(matches!(
            of_path("/proc/self/maps"),
            Descriptor::MadeUp { .. }
        ));
        assert!(matches!(of_path("/dev/zero"), Descriptor::Device { .. }));
        assert!(matches!(of_path("/dev/ptmx"), Descriptor::Tty { .. }));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let both = File::options().read(true).write(true).open(&path).unwrap();
        assert_eq!(
            of(both.as_raw_fd()),
            Descriptor::Pipe {
                path: Some(path.display().to_string())
            }
        );
    }

    #[test]
    fn links() {
        assert_eq!(
            from_link("anon_inode:[eventpoll]".into()),
            Descriptor::Epoll
        );
        assert_eq!(from_link("anon_inode:inotify".into()), Descriptor::Notifier);
        assert!(matches!(
            from_link("strange".into()),
            Descriptor::Other { .. }
        ));
    }
}
