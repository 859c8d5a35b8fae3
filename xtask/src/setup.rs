//! `cargo xtask setup`: what building and testing need.
//!
//! Nothing is needed beyond a BPF-able toolchain, bpf-linker and a Python. Where
//! they are missing, Debian's packages are installed; any other system gets the
//! commands to type. `debian` holds the recipe.

use std::{
    env,
    ffi::OsStr,
    fs,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    debian,
    host::{self, Host},
    kernels, roots, servers,
    toolchain::{self, TOOLCHAIN_VARIABLE},
    workload,
};

/// Arguments of `setup`.
#[derive(Args)]
pub struct Arguments {
    /// Only report what is there and what is missing
    #[arg(long)]
    check: bool,
    /// Also make the root file systems with the interpreters that Debian has, as
    /// `cargo xtask test` does
    #[arg(long, conflicts_with = "check")]
    interpreters: bool,
    /// Also install an emulator and fetch the kernels of `cargo xtask kernels`
    #[arg(long, conflicts_with = "check")]
    kernels: bool,
    /// Also install the servers whose clients are tested, as `cargo xtask test` does
    #[arg(long, conflicts_with = "check")]
    servers: bool,
}

/// What was looked for, and what was found or why not.
struct Found {
    toolchain: Result<String, String>,
    llvm: Option<u32>,
    linker: Result<String, String>,
    python: Result<String, String>,
}

impl Found {
    fn look() -> Self {
        let toolchain = toolchain::find_toolchain();
        Self {
            llvm: toolchain.as_ref().ok().and_then(|toolchain| toolchain.llvm),
            toolchain: toolchain
                .map(|toolchain| toolchain.to_string())
                .map_err(|why| why.to_string()),
            linker: toolchain::find_bpf_linker()
                .map(|linker| linker.display().to_string())
                .ok_or_else(|| "neither on the PATH nor in cargo's bin folder".to_owned()),
            python: workload::find_python().map_err(|why| format!("{why:#}")),
        }
    }

    fn rows(&self) -> [(&str, &Result<String, String>); 3] {
        [
            ("toolchain for eBPF", &self.toolchain),
            ("bpf-linker", &self.linker),
            ("Python to watch", &self.python),
        ]
    }

    fn is_complete(&self) -> bool {
        self.rows().iter().all(|(_, found)| found.is_ok())
    }

    fn report(&self) {
        for (name, found) in self.rows() {
            match found {
                Ok(what) => eprintln!("  ok       {name}: {what}"),
                Err(why) => eprintln!("  missing  {name}: {why}"),
            }
        }
    }
}

/// Runs the task.
pub fn run(host: &Host, arguments: &Arguments) -> Result<ExitCode> {
    let found = Found::look();
    found.report();
    if arguments.interpreters {
        roots::ensure(host, Duration::from_mins(30));
    }
    if arguments.kernels {
        kernels::ensure(host, &debian::KERNELS.iter().collect::<Vec<_>>())?;
    }
    if arguments.servers {
        servers::ensure(host);
    }
    if found.is_complete() {
        eprintln!("nothing to install");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        eprintln!("to install what is missing: cargo xtask setup");
        return Ok(ExitCode::FAILURE);
    }
    install(host, &found)?;
    Ok(ExitCode::SUCCESS)
}

/// Installs what is missing, if anything is.
pub fn ensure(host: &Host) -> Result<()> {
    let found = Found::look();
    if found.is_complete() {
        return Ok(());
    }
    found.report();
    install(host, &found)
}

fn install(host: &Host, found: &Found) -> Result<()> {
    if let (Err(why), Some(_)) = (&found.toolchain, env::var_os(TOOLCHAIN_VARIABLE)) {
        bail!("{why}\ncorrect or unset {TOOLCHAIN_VARIABLE}");
    }
    if !is_debian() || host::find("apt-get").is_none() {
        bail!(
            "do not know how to install packages on this system\n{}",
            manual(found)
        );
    }
    if let (Err(_), Some(llvm)) = (&found.linker, found.llvm)
        && llvm > debian::LLVM
    {
        bail!(
            "the toolchain has LLVM {llvm}, and bpf-linker could be built against LLVM {} only\n{}",
            debian::LLVM,
            manual(found)
        );
    }
    let mut steps = steps(host, found)?;
    eprintln!("this will run:");
    for step in &steps {
        eprintln!("  {}", host::typed(step));
    }
    for step in &mut steps {
        host::succeed(step).with_context(|| {
            format!(
                "could not install what is missing; by hand:\n{}",
                manual(found)
            )
        })?;
    }
    let found = Found::look();
    found.report();
    if !found.is_complete() {
        bail!("something is still missing; by hand:\n{}", manual(&found));
    }
    Ok(())
}

fn steps(host: &Host, found: &Found) -> Result<Vec<Command>> {
    let mut packages: Vec<&str> = Vec::new();
    if found.toolchain.is_err() {
        packages.extend(debian::TOOLCHAIN_PACKAGES);
    }
    if found.linker.is_err() {
        packages.extend(debian::LLVM_PACKAGES);
    }
    if found.python.is_err() {
        packages.extend(debian::PYTHON_PACKAGES);
    }
    packages.retain(|package| !is_installed(package));

    let mut steps = Vec::new();
    if !packages.is_empty() {
        let quiet = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
        let mut update = host.as_root("apt-get", &[])?;
        update.arg("update").stdin(Stdio::null());
        let mut install = host.as_root("apt-get", &quiet)?;
        install.args(["install", "--yes"]).args(packages);
        steps.extend([update, install]);
    }
    if found.linker.is_err() {
        let mut linker = host.cargo();
        linker
            .args(debian::INSTALL_LINKER)
            .envs(debian::LINKER_ENVIRONMENT);
        steps.push(linker);
    }
    Ok(steps)
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

fn is_debian() -> bool {
    ["/etc/os-release", "/usr/lib/os-release"]
        .iter()
        .find_map(|file| fs::read_to_string(file).ok())
        .is_some_and(|text| names_debian(&text))
}

/// Whether an os-release file is Debian's or a derivative's.
fn names_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        matches!(key, "ID" | "ID_LIKE")
            && value
                .trim_matches(['"', '\''])
                .split_whitespace()
                .any(|id| id == "debian")
    })
}

/// The commands for a system whose packages are not known.
fn manual(found: &Found) -> String {
    let mut lines = Vec::new();
    if found.toolchain.is_err() {
        lines.push("  rustup toolchain install nightly --component rust-src".to_owned());
        lines.push(format!(
            "  (or set {TOOLCHAIN_VARIABLE}=system:/path/to/cargo, with rustc and its rust-src beside it)"
        ));
    }
    if found.linker.is_err() {
        lines.push("  cargo binstall bpf-linker".to_owned());
        lines.push(
            "  (or a package or release binary of bpf-linker, anywhere on the PATH)".to_owned(),
        );
    }
    if found.python.is_err() {
        lines.push("  install CPython 3.8 or newer as python3".to_owned());
    }
    lines.push("then: cargo xtask setup --check".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::names_debian;

    #[test]
    fn debian_and_its_derivatives_are_known() {
        assert!(names_debian("PRETTY_NAME=\"x\"\nID=debian\n"));
        assert!(names_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(names_debian("ID=mint\nID_LIKE=\"ubuntu debian\"\n"));
    }

    #[test]
    fn others_are_not() {
        assert!(!names_debian("ID=fedora\nID_LIKE=\"rhel\"\nNAME=debian\n"));
        assert!(!names_debian(""));
    }
}
