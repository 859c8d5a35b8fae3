//! The emulator, and kernels from Debian's archive, in the cache folder.
//!
//! apt fetches and verifies them, with lists and settings of its own, so that the host's
//! are not touched and any release can be asked for.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::disk;
use crate::{
    cache,
    debian::{self, Kernel},
    host::{self, Host},
};

/// The archive, and its part for security updates.
const ARCHIVE: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// The keys that the archive is signed with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The emulator's program.
pub const EMULATOR: &str = "qemu-system-x86_64";

/// The folder of a kernel's modules.
const MODULES: &str = "modules";

/// Seconds that a step may take: where there is no network it says so in the end.
const SECONDS: &str = "180";

/// Installs the emulator and fetches the kernels, as far as they are missing, after saying
/// so.
pub fn ensure(host: &Host, kernels: &[&Kernel]) -> Result<()> {
    let missing: Vec<&Kernel> = kernels
        .iter()
        .copied()
        .filter(|kernel| !folder(host, kernel).is_ok_and(|folder| is_whole(&folder)))
        .collect();
    let has_emulator = host::find(EMULATOR).is_some()
        && host::find("busybox").is_some()
        && Path::new(disk::MAKE_FILE_SYSTEM).is_file();
    if has_emulator && missing.is_empty() {
        return Ok(());
    }
    if host::find("apt-get").is_none() {
        bail!("there is no apt-get: kernels and the emulator are Debian's packages");
    }
    if !has_emulator {
        eprintln!(
            "to boot other kernels, this installs: {} (about 60 MB with what they need)",
            debian::EMULATOR_PACKAGES.join(", ")
        );
    }
    for kernel in &missing {
        eprintln!(
            "kernel {} of Debian {}, about 30 MB, goes to {}",
            kernel.version,
            kernel.suite,
            folder(host, kernel)?.display()
        );
    }
    if !has_emulator {
        debian::install(host, debian::EMULATOR_PACKAGES)?;
    }
    for kernel in missing {
        fetch(host, kernel).with_context(|| format!("cannot fetch kernel {}", kernel.version))?;
    }
    Ok(())
}

/// Both are there; versions before this one kept no modules.
fn is_whole(folder: &Path) -> bool {
    folder.join("vmlinuz").is_file() && folder.join(MODULES).is_dir()
}

/// Where a kernel lies, or will.
pub fn vmlinuz(host: &Host, kernel: &Kernel) -> Result<PathBuf> {
    Ok(folder(host, kernel)?.join("vmlinuz"))
}

fn folder(host: &Host, kernel: &Kernel) -> Result<PathBuf> {
    Ok(cache::kernels(&host.cache()?).join(kernel.version))
}

/// Makes a kernel's folder beside its place and renames it when it is whole.
fn fetch(host: &Host, kernel: &Kernel) -> Result<()> {
    let whole = folder(host, kernel)?;
    let part = whole.with_file_name(format!("{}.part", kernel.version));
    host::succeed(host.as_user("rm").args(["-rf", "--"]).args([&part, &whole]))?;
    let apt = Apt::new(host, kernel, &part)?;
    let outcome = apt
        .fetch()
        .and_then(|()| host::succeed(host.as_user("mv").arg("-T").arg(&part).arg(&whole)));
    if outcome.is_err() {
        host::succeed(host.as_user("rm").args(["-rf", "--"]).arg(&part))?;
    }
    outcome
}

/// apt with a folder of its own.
struct Apt<'a> {
    host: &'a Host,
    folder: &'a Path,
    settings: PathBuf,
}

impl<'a> Apt<'a> {
    fn new(host: &'a Host, kernel: &Kernel, folder: &'a Path) -> Result<Self> {
        let lists = folder.join("apt/lists/partial");
        let archives = folder.join("apt/archives/partial");
        host::succeed(host.as_user("mkdir").arg("-p").args([&lists, &archives]))?;
        let apt = Self {
            host,
            folder,
            settings: folder.join("apt/apt.conf"),
        };
        let mut sources = format!(
            "deb [signed-by={KEYRING}] {ARCHIVE} {} main\n",
            kernel.suite
        );
        if kernel.has_security {
            let _ = writeln!(
                sources,
                "deb [signed-by={KEYRING}] {SECURITY} {}-security main",
                kernel.suite
            );
        }
        apt.write("apt/sources.list", &sources)?;
        // No package is installed, in apt's eyes.
        apt.write("apt/status", "")?;
        let own = folder.join("apt");
        let own = own.display();
        apt.write(
            "apt/apt.conf",
            &format!(
                "Dir::State \"{own}\";\nDir::State::status \"{own}/status\";\nDir::Cache \"{own}\";\n\
                 Dir::Etc::sourcelist \"{own}/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
                 Dir::Etc::preferencesparts \"-\";\nAPT::Architecture \"amd64\";\n\
                 APT::Architectures \"amd64\";\nAPT::Sandbox::User \"\";\n\
                 APT::Update::Error-Mode \"any\";\nAcquire::Languages \"none\";\n\
                 Acquire::Retries \"2\";\nAcquire::http::Timeout \"20\";\n"
            ),
        )?;
        Ok(apt)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        self.host.give_to_user(&file);
        Ok(())
    }

    /// The lists, the package, its kernel and a few modules; then the rest goes.
    fn fetch(&self) -> Result<()> {
        host::quietly(self.command("apt-get").arg("update"))?;
        let package = self.package()?;
        let mut download = self.command("apt-get");
        download.args(["download", &package]);
        host::quietly(download.current_dir(self.folder))?;
        let unpacked = self.folder.join("apt/unpacked");
        let archive = host::find_below(self.folder, &|file| {
            file.extension().is_some_and(|ending| ending == "deb")
        })
        .with_context(|| format!("apt left no archive of {package}"))?;
        host::quietly(
            self.command("dpkg-deb")
                .arg("-x")
                .args([&archive, &unpacked]),
        )?;
        // In /boot, or with its modules.
        let kernel = host::find_below(&unpacked, &|file| {
            file.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz"))
        })
        .with_context(|| format!("there is no kernel in {package}"))?;
        let place = self.folder.join("vmlinuz");
        host::succeed(self.host.as_user("mv").args([&kernel, &place]))?;
        disk::keep_modules(self.host, &unpacked, &self.folder.join(MODULES))?;
        let apt = self.folder.join("apt");
        host::succeed(
            self.host
                .as_user("rm")
                .args(["-rf", "--"])
                .args([&apt, &archive]),
        )
    }

    /// The package with the newest kernel: what the one that depends on it leads to, which
    /// since 7.x is a package that depends on yet another.
    fn package(&self) -> Result<String> {
        let mut package = debian::KERNEL_PACKAGE.to_owned();
        for prefixes in [&["linux-image-"][..], &["linux-binary-"]] {
            let output = self
                .command("apt-cache")
                .args(["depends", &package])
                .output()
                .context("cannot run apt-cache")?;
            let next = depends(&String::from_utf8_lossy(&output.stdout))
                .find(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
                .map(str::to_owned);
            match next {
                Some(next) => package = next,
                None if package == debian::KERNEL_PACKAGE => {
                    bail!("{package} depends on no kernel");
                }
                None => {}
            }
        }
        Ok(package)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.host.as_user("timeout");
        command
            .args(["--foreground", SECONDS, program])
            .env("APT_CONFIG", &self.settings)
            .stdin(Stdio::null());
        command
    }
}

/// What a package depends on, as `apt-cache depends` says.
fn depends(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim_start().strip_prefix("Depends: "))
}

#[cfg(test)]
mod tests {
    use super::depends;

    #[test]
    fn only_what_must_be_there_is_followed() {
        let text = "linux-image-7.2-cloud\n  PreDepends: linux-base\n |Depends: dracut\n  \
                    Depends: <linux-initramfs-tool>\n  Depends: linux-binary-7.2-cloud\n  \
                    Suggests: grub-pc\n";
        assert_eq!(
            depends(text).collect::<Vec<_>>(),
            ["<linux-initramfs-tool>", "linux-binary-7.2-cloud"]
        );
    }
}
