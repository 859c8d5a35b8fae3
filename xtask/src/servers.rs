//! `cargo xtask setup --servers`: the servers whose clients are tested, from Debian's
//! packages. Tests start their own; what the packages start is stopped again.

use std::{fs, path::Path};

use anyhow::{Result, bail};

use crate::{
    debian::{self, Server},
    host::{self, Host},
};

/// Where Debian keeps `PostgreSQL`'s programs, off the PATH.
const VERSIONS: &str = "/usr/lib/postgresql";

/// There where systemd runs.
const SYSTEMD: &str = "/run/systemd/system";

/// Installs the servers that are missing, after saying so. What fails is said, and no more:
/// tests skip what is not there.
pub fn ensure(host: &Host) {
    let missing: Vec<&Server> = debian::SERVERS
        .iter()
        .filter(|server| !is_there(server))
        .collect();
    if missing.is_empty() {
        return;
    }
    let packages: Vec<&str> = missing.iter().map(|server| server.package).collect();
    eprintln!(
        "to test clients of real servers, this installs: {} (up to 70 MB with what they need), \
         and leaves no service of theirs running",
        packages.join(", ")
    );
    if let Err(why) = install(host, &missing) {
        eprintln!("SKIPPED: {}: {why:#}", packages.join(", "));
    }
}

fn install(host: &Host, servers: &[&Server]) -> Result<()> {
    if host::find("apt-get").is_none() {
        bail!("there is no apt-get: install your distribution's packages");
    }
    debian::install(host, servers.iter().map(|server| server.package))?;
    if Path::new(SYSTEMD).is_dir() {
        let mut disable = host.as_root("systemctl", &[])?;
        disable.args(["disable", "--now"]);
        host::quietly(disable.args(servers.iter().map(|server| server.service)))?;
    }
    Ok(())
}

fn is_there(server: &Server) -> bool {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    host::find(server.program).is_some()
        || versions
            .map(|version| version.path().join("bin").join(server.program))
            .any(|file| file.is_file())
}
