//! `cargo xtask install`: pyobserve where sudo finds it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    build,
    host::{self, Host},
    setup,
};

/// Arguments of `install`.
#[derive(Args)]
pub struct Arguments {
    /// Remove what was installed
    #[arg(long)]
    uninstall: bool,
    /// The folder whose bin/ receives pyobserve
    #[arg(long, default_value = "/usr/local")]
    prefix: PathBuf,
}

/// What sudo searches on the common distributions, whatever the user's PATH is.
const SECURE_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Runs the task. Only the last step is root's, so that nothing in target/ is.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.prefix.is_absolute() {
        bail!(
            "--prefix {} is not an absolute path",
            arguments.prefix.display()
        );
    }
    let folder = arguments.prefix.join("bin");
    let installed = folder.join("pyobserve");
    if arguments.uninstall {
        return uninstall(host, &installed);
    }
    setup::ensure(host)?;
    let built = build::pyobserve(host, true)?;
    let mut install = host.as_root("install", &[])?;
    install
        .args(["-D", "--mode=0755"])
        .arg(&built)
        .arg(&installed);
    host::succeed(&mut install)?;
    eprintln!("installed {}", installed.display());
    if SECURE_PATH.iter().any(|known| Path::new(known) == folder) {
        eprintln!("next: sudo pyobserve classify");
    } else {
        eprintln!("next: sudo {} classify", installed.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn uninstall(host: &Host, installed: &Path) -> Result<ExitCode> {
    if !installed.exists() {
        eprintln!("{} is not installed", installed.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut remove = host.as_root("rm", &[])?;
    remove.arg("--").arg(installed);
    host::succeed(&mut remove)?;
    eprintln!("removed {}", installed.display());
    Ok(ExitCode::SUCCESS)
}
