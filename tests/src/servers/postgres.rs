//! A `PostgreSQL` of a test's own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use super::{Server, find, folder, own_address, unprivileged};
use crate::netns::Namespace;

/// The port by which it is known.
const PORT: u16 = 5432;

/// Counts calls by statement; part of Debian's package.
const COUNTER: &str = "pg_stat_statements";

/// The superuser and the database, both without a password.
const SUPERUSER: &str = "pyobserve";
const DATABASE: &str = "postgres";

/// A running `PostgreSQL` with an empty database.
#[derive(Debug)]
pub struct Postgres {
    /// Where it listens.
    pub address: SocketAddr,
    psql: PathBuf,
    server: Server,
}

impl Postgres {
    /// Makes a cluster and starts a server; `None`, said aloud, where its programs are
    /// missing.
    pub fn start() -> Option<Self> {
        Self::start_in(None)
    }

    /// The same in another network namespace, at an address there.
    pub fn start_in(namespace: Option<&Namespace>) -> Option<Self> {
        let folders = installed();
        let programs = ["initdb", "postgres", "psql"].map(|program| find(&folders, program));
        let [Some(initdb), Some(postgres), Some(psql)] = programs else {
            eprintln!("SKIPPED: no PostgreSQL; `cargo xtask setup --servers` installs it");
            return None;
        };
        let folder = folder("postgres");
        let address = own_address(PORT);
        let data = folder.path().join("data");
        let mut make = unprivileged(&initdb, Signal::SIGTERM);
        make.arg("--pgdata")
            .arg(&data)
            .args(["--username", SUPERUSER, "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale"]);
        make.current_dir(folder.path());
        succeed(&mut make);
        let mut command = unprivileged(&postgres, Signal::SIGQUIT);
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in [
            format!("listen_addresses={}", address.ip()),
            format!("port={}", address.port()),
            format!("shared_preload_libraries={COUNTER}"),
            "fsync=off".to_owned(),
            "max_connections=20".to_owned(),
        ] {
            command.args(["-c", &setting]);
        }
        let is_ready =
            |folder: &Path| query(&psql, folder, address, "select 1").is_ok_and(|text| text == "1");
        let server = Server::start(
            "postgres",
            folder,
            command,
            // At once; what it holds is of no use any more.
            Signal::SIGQUIT,
            namespace,
            is_ready,
        );
        let postgres = Self {
            address,
            psql,
            server,
        };
        postgres.query(&format!("create extension {COUNTER}"));
        Some(postgres)
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.server.child.id()
    }

    /// The folder of its unix socket, which clients take for a host.
    pub fn socket_folder(&self) -> &Path {
        self.server.folder.path()
    }

    /// What clients need to know, as libpq takes it.
    pub fn conninfo(&self, host: &str) -> String {
        let port = self.address.port();
        format!("host={host} port={port} user={SUPERUSER} dbname={DATABASE}")
    }

    /// What a statement returns: columns by `|`, rows by line.
    pub fn query(&self, statement: &str) -> String {
        query(&self.psql, self.socket_folder(), self.address, statement)
            .unwrap_or_else(|why| panic!("{statement}: {why}"))
    }

    /// How often statements that begin so were executed since it started, by its own
    /// count.
    pub fn calls(&self, beginning: &str) -> u64 {
        let statement = format!(
            "select coalesce(sum(calls), 0) from {COUNTER} where query like '{beginning}%'"
        );
        let calls = self.query(&statement);
        calls
            .parse()
            .unwrap_or_else(|e| panic!("{calls:?} calls: {e}"))
    }
}

/// Where Debian keeps the programs, the newest version first.
fn installed() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .collect()
}

/// Through its unix socket, which can be reached from any network namespace.
fn query(
    psql: &Path,
    folder: &Path,
    address: SocketAddr,
    statement: &str,
) -> Result<String, String> {
    let mut command = Command::new(psql);
    command
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
        .args(["--username", SUPERUSER, "--dbname", DATABASE])
        .arg("--host")
        .arg(folder)
        .args(["--port", &address.port().to_string()])
        .args(["--set=ON_ERROR_STOP=1", "--command", statement])
        .current_dir(folder)
        .stdin(Stdio::null());
    let output = command.output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn succeed(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
