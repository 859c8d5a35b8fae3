//! Packages that an interpreter does not bring along. For one of this host they are in a
//! virtual environment, kept in a cache folder; for one in a root file system in a folder of
//! that, where the newest pip of this host puts them, for the root may have no way to the network.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::interpreter::{self, Interpreter, Place, find::cache_folder};

/// Where a root file system has packages.
const IN_ROOT: &str = "/opt/pyobserve";

/// The folder's name there, by which packages are known not to be the program's own code.
const PACKAGES: &str = "site-packages";

/// Platforms whose wheels run on Debian's own, the newest first.
const PLATFORMS: [&str; 4] = ["manylinux_2_28", "manylinux_2_17", "manylinux2014", "linux"];

/// The same interpreter with `packages` installed, as pip takes them. `None`, said
/// aloud, where they cannot be had.
pub fn with_packages(python: &Interpreter, packages: &[&str]) -> Option<Interpreter> {
    let name = format!(
        "{}-{}",
        python.version,
        packages.join("+").replace(['=', '<', '>', '[', ']'], "")
    );
    let inside = match &python.place {
        Place::Host => cache_folder()?.join("venvs"),
        Place::Root(_) => PathBuf::from(IN_ROOT),
        Place::Container(_) => {
            eprintln!("SKIPPED: {packages:?} for {python}: it is in a container");
            return None;
        }
    }
    .join(name);
    let folder = python.place.seen_from_here(&inside);
    let whole = folder.join("whole");
    if !whole.exists() {
        eprintln!(
            "installing {} for {python} from PyPI, in {}",
            packages.join(", "),
            folder.display()
        );
        // What is there broke off half-way.
        let _ = fs::remove_dir_all(&folder);
        make(python, packages, &folder)
            .and_then(|()| fs::write(&whole, "").map_err(|e| e.to_string()))
            .inspect_err(|why| eprintln!("SKIPPED: {packages:?} for {python}: {why}"))
            .ok()?;
    }
    let mut with = python.clone();
    if python.is_local() {
        with.path = folder.join("bin/python");
    } else {
        let packages = inside.join(PACKAGES);
        with.environment.push(("PYTHONPATH", packages.into()));
    }
    Some(with)
}

fn make(python: &Interpreter, packages: &[&str], folder: &Path) -> Result<(), String> {
    if !python.is_local() {
        return make_for_another(python, packages, folder);
    }
    succeed(Command::new(&python.path).args(["-m", "venv"]).arg(folder))?;
    succeed(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--disable-pip-version-check")
            .args(packages),
    )
}

/// With the pip of this host.
fn make_for_another(python: &Interpreter, packages: &[&str], folder: &Path) -> Result<(), String> {
    let mut pip = Command::new(&interpreter::newest().path);
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
        .args(["--disable-pip-version-check", "--implementation", "cp"])
        .args(["--python-version", &format!("3.{}", python.minor)])
        .args(["--abi", &format!("cp3{}", python.minor)])
        .args(["--abi", "abi3", "--abi", "none"]);
    for platform in PLATFORMS {
        pip.args(["--platform", &format!("{platform}_{}", env::consts::ARCH)]);
    }
    succeed(
        pip.arg("--target")
            .arg(folder.join(PACKAGES))
            .args(packages),
    )
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it says nothing").to_owned();
    Err(format!("{command:?} ended with {}: {last}", output.status))
}
