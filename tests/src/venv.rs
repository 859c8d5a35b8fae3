//! Virtual environments with packages that an interpreter does not bring along, kept in
//! a cache folder.

use std::{fs, path::Path, process::Command};

use crate::interpreter::{Interpreter, find::cache_folder};

/// The same interpreter with `packages` installed, as pip takes them. `None`, said
/// aloud, where they cannot be had.
pub fn with_packages(python: &Interpreter, packages: &[&str]) -> Option<Interpreter> {
    let folder = cache_folder()?.join("venvs").join(format!(
        "{}-{}",
        python.version,
        packages.join("+").replace(['=', '<', '>', '[', ']'], "")
    ));
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
    Some(Interpreter {
        path: folder.join("bin/python"),
        ..python.clone()
    })
}

fn make(python: &Interpreter, packages: &[&str], folder: &Path) -> Result<(), String> {
    succeed(Command::new(&python.path).args(["-m", "venv"]).arg(folder))?;
    succeed(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .arg("--disable-pip-version-check")
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
