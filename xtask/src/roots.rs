//! `cargo xtask setup --interpreters`: root file systems with the interpreters that
//! Debian has and this host may not, by debootstrap, in the cache folder.
//!
//! A root is made beside its place and renamed when it is whole, in mount and pid
//! namespaces of its own: whatever interrupts that leaves neither half a root nor a
//! mount.

use std::{
    ffi::OsStr,
    fs, iter,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    cache, debian,
    host::{self, Host},
};

/// What a whole root was made from, in the root.
const STAMP: &str = ".pyobserve";

/// Makes the roots that are missing, in `patience` altogether. What fails is said, and
/// no more: tests skip what is not there.
pub fn ensure(host: &Host, patience: Duration) {
    let start = Instant::now();
    let cache = match host.cache() {
        Ok(cache) => cache,
        Err(why) => {
            eprintln!("SKIPPED: interpreters in root file systems: {why:#}");
            return;
        }
    };
    let folder = cache::roots(&cache);
    let missing: Vec<&debian::Root> = debian::ROOTS
        .iter()
        .filter(|root| !is_whole(&folder.join(root.suite), root))
        .collect();
    if missing.is_empty() {
        return;
    }
    eprintln!("interpreters in root file systems, about 350 MB and half a minute each:");
    for root in &missing {
        eprintln!(
            "  Debian {} with {}, by debootstrap, in {}",
            root.suite,
            root.packages.join(", "),
            folder.join(root.suite).display()
        );
    }
    if let Err(why) = ensure_debootstrap(host) {
        eprintln!("SKIPPED: interpreters in root file systems: {why:#}");
        return;
    }
    for root in missing {
        let begin = Instant::now();
        let left = patience.saturating_sub(start.elapsed()).as_secs();
        if left == 0 {
            eprintln!(
                "SKIPPED: Debian {}: {} s are over; `cargo xtask setup --interpreters` takes longer",
                root.suite,
                patience.as_secs()
            );
            continue;
        }
        match make(host, &folder, root, left) {
            Ok(()) => eprintln!("made {} in {:.0?}", root.suite, begin.elapsed()),
            Err(why) => eprintln!("SKIPPED: Debian {}: {why:#}", root.suite),
        }
    }
}

fn is_whole(root: &Path, recipe: &debian::Root) -> bool {
    fs::read_to_string(root.join(STAMP)).is_ok_and(|text| text.trim_end() == stamp(recipe))
}

fn stamp(recipe: &debian::Root) -> String {
    iter::once(recipe.suite)
        .chain(recipe.packages.iter().copied())
        .collect::<Vec<_>>()
        .join(" ")
}

fn ensure_debootstrap(host: &Host) -> Result<()> {
    // /usr/sbin is not on every user's PATH.
    if host::find("debootstrap").is_some() || Path::new(DEBOOTSTRAP).is_file() {
        return Ok(());
    }
    if host::find("apt-get").is_none() {
        bail!("there is no debootstrap: install your distribution's package");
    }
    let quiet = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
    for arguments in [&["update"][..], &["install", "--yes", "debootstrap"]] {
        let mut command = host.as_root("apt-get", &quiet)?;
        host::succeed(command.args(arguments).stdin(Stdio::null()))?;
    }
    Ok(())
}

/// Where distributions put it.
const DEBOOTSTRAP: &str = "/usr/sbin/debootstrap";

fn make(host: &Host, folder: &Path, recipe: &debian::Root, seconds: u64) -> Result<()> {
    let whole = folder.join(recipe.suite);
    let part = folder.join(format!("{}.part", recipe.suite));
    // The user's own, as all of the cache is but the roots.
    host::succeed(host.as_user("mkdir").arg("-p").arg(folder))?;
    remove(host, &part)?;
    let program = host::find("debootstrap").unwrap_or_else(|| PathBuf::from(DEBOOTSTRAP));
    let mut debootstrap = host.as_root("timeout", &[])?;
    debootstrap
        // In the foreground, so that Ctrl-C reaches it.
        .args(["--foreground", "--kill-after=10", &seconds.to_string()])
        .args(["unshare", "--mount", "--pid", "--fork", "--kill-child"])
        .arg("--mount-proc")
        .arg(program)
        .arg("--variant=minbase")
        .arg(format!("--include={}", recipe.packages.join(",")))
        .arg(recipe.suite)
        .arg(&part);
    let outcome = host::quietly(&mut debootstrap).and_then(|()| {
        // Not needed any more, and half of the size.
        let archives = part.join("var/cache/apt/archives");
        remove(host, &archives)?;
        write(host, &part.join(STAMP), &stamp(recipe))?;
        // A root of an older recipe stands in the way.
        remove(host, &whole)?;
        host::succeed(host.as_root("mv", &[])?.arg("-T").arg(&part).arg(&whole))
    });
    if outcome.is_err() {
        remove(host, &part)?;
    }
    outcome
}

/// Removes a folder, but nothing that is mounted in it.
fn remove(host: &Host, folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let mut remove = host.as_root("rm", &[])?;
    remove.args(["-rf", "--one-file-system", "--"]).arg(folder);
    host::succeed(&mut remove)
}

fn write(host: &Host, file: &Path, text: &str) -> Result<()> {
    let mut shell = host.as_root("sh", &[])?;
    shell.args(["-c", "printf '%s\\n' \"$1\" >\"$2\"", "write", text]);
    host::succeed(shell.arg(file))
}
