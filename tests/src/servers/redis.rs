//! A Redis of a test's own.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;

use super::{Server, find, folder, own_address, unprivileged};
use crate::netns::Namespace;

/// The port by which it is known.
const PORT: u16 = 6379;

/// Its unix socket, in its folder.
const SOCKET: &str = "redis.sock";

/// A running Redis that keeps nothing.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    server: Server,
}

impl Redis {
    /// Starts one; `None`, said aloud, where there is no redis-server.
    pub fn start() -> Option<Self> {
        Self::start_in(None)
    }

    /// The same in another network namespace, at an address there.
    pub fn start_in(namespace: Option<&Namespace>) -> Option<Self> {
        let Some(program) = find(&["/usr/bin".into()], "redis-server") else {
            eprintln!("SKIPPED: no redis-server; `cargo xtask setup --servers` installs it");
            return None;
        };
        let folder = folder("redis");
        let address = own_address(PORT);
        let mut command = unprivileged(&program, Signal::SIGTERM);
        command
            .args(["--bind", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .arg("--unixsocket")
            .arg(folder.path().join(SOCKET))
            .arg("--dir")
            .arg(folder.path())
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--protected-mode", "no"]);
        let server = Server::start(
            "redis-server",
            folder,
            command,
            Signal::SIGTERM,
            namespace,
            |folder| matches!(ask(folder, "PING").as_deref(), Ok("+PONG")),
        );
        Some(Self { address, server })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.child.id()
    }

    /// The path of its unix socket, which can be reached from any network namespace.
    pub fn socket(&self) -> PathBuf {
        self.server.folder.path().join(SOCKET)
    }

    /// How often clients called a command since it started, by its own count.
    pub fn calls(&self, command: &str) -> u64 {
        let stats = ask(self.server.folder.path(), "INFO commandstats").expect("it answers");
        let mark = format!("cmdstat_{command}:calls=");
        stats
            .lines()
            .find_map(|line| line.strip_prefix(&mark)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }
}

/// The answer to an inline command: a status or a bulk string.
fn ask(folder: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(folder.join(SOCKET))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // It closes the connection after the second one.
    write!(stream, "{command}\r\nQUIT\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let answer = answer.trim_end().strip_suffix("+OK").unwrap_or(&answer);
    Ok(answer.trim().to_owned())
}
