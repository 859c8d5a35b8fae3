//! Real servers for tests: private ones, with a folder, a user and an address of their own.
//!
//! A server ends with what started it: when it is dropped, a panic included, and with the
//! thread that started it, however that ends. Where its programs are missing there is none,
//! said aloud.

mod postgres;
mod redis;

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User},
};
use tempfile::TempDir;

pub use self::{postgres::Postgres, redis::Redis};
use crate::{interpreter::is_root, netns::Namespace};

/// How long a server may take to answer for the first time; machines are slow.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How long a server may take to end before it is killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// What it writes, in its folder.
const LOG: &str = "server.log";

/// The user that servers run as: `PostgreSQL` refuses to be root's.
const USER: &str = "nobody";

/// A running server.
#[derive(Debug)]
struct Server {
    name: &'static str,
    child: Child,
    folder: TempDir,
    stop: Signal,
}

impl Server {
    /// Starts it, in this network namespace if there is one, and waits until `is_ready`.
    fn start(
        name: &'static str,
        folder: TempDir,
        mut command: Command,
        stop: Signal,
        within: Option<&Namespace>,
        is_ready: impl Fn(&Path) -> bool,
    ) -> Self {
        if let Some(namespace) = within {
            command = namespace.enter(&command);
        }
        let log = fs::File::create(folder.path().join(LOG)).expect("its folder is ours");
        let errors = log.try_clone().expect("a file can be opened twice");
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        // Ends with this value from here on.
        let mut server = Self {
            name,
            child,
            folder,
            stop,
        };
        let started = Instant::now();
        while !is_ready(server.folder.path()) {
            if let Ok(Some(status)) = server.child.try_wait() {
                panic!("{name} ended with {status}\n{}", server.log());
            }
            assert!(
                started.elapsed() < READY_WITHIN,
                "{name} is not ready\n{}",
                server.log()
            );
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a pid fits");
        // That it is gone already is as good.
        let _ = kill(Pid::from_raw(pid), self.stop);
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if started.elapsed() > GONE_WITHIN {
                eprintln!("{} had to be killed\n{}", self.name, self.log());
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A folder that the servers' user may write to.
fn folder(name: &str) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix(&format!("pyobserve-{name}-"))
        .tempdir()
        .expect("a folder can be made");
    if is_root() {
        let user = user();
        let owner = (Some(user.uid.as_raw()), Some(user.gid.as_raw()));
        chown(folder.path(), owner.0, owner.1).expect("root gives a folder away");
    }
    folder
}

fn user() -> User {
    User::from_name(USER)
        .ok()
        .flatten()
        .unwrap_or_else(|| panic!("there is no user {USER}"))
}

/// `program`, as a user who may do nothing on this host; it gets `stop` when the thread that
/// starts it ends.
fn unprivileged(program: &Path, stop: Signal) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        let user = user();
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid))
            .arg("--clear-groups");
    }
    command
        .arg(format!("--pdeathsig={}", stop.as_str()))
        .arg("--")
        .arg(program);
    command
}

/// The first of these folders, then of those of the PATH, that has a program.
fn find(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    folders
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Where nobody listens: `port`, by which the service is known, on an address of the
/// loopback network that is this process' own, else any port.
fn own_address(port: u16) -> SocketAddr {
    // A pid has 22 bits; 127.0.0.0/16 is where others are.
    let [_, high, middle, low] = process::id().to_be_bytes();
    let usual = [0x40, 0x80, 0xc0].map(|more| (Ipv4Addr::new(127, high | more, middle, low), port));
    usual
        .into_iter()
        .chain([(Ipv4Addr::LOCALHOST, 0)])
        .find_map(|address| TcpListener::bind(address).ok())
        .and_then(|listener| listener.local_addr().ok())
        .expect("some port is free")
}
