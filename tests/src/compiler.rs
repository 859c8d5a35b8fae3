//! Building the native part of workloads with the tools of the host.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::workload;

/// How a library is built and what is left in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// All of them.
    Full,
    /// Only what it exports.
    Stripped,
    /// The same, the rest in a separate file beside it (`.gnu_debuglink`).
    Separate,
}

/// Builds `workloads/native/NAME.c` as a library in `folder`; `None`, said aloud, if a
/// tool is missing.
pub fn library(folder: &Path, name: &str, flags: &[&str], symbols: Symbols) -> Option<PathBuf> {
    let source = workload::script(&format!("native/{name}.c"));
    let path = folder.join(format!("lib{name}.so"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&path)
        .args(flags)
        .arg(source);
    run(&mut gcc)?;
    let debug = folder.join(format!("lib{name}.so.debug"));
    if symbols == Symbols::Separate {
        run(Command::new("objcopy")
            .arg("--only-keep-debug")
            .args([&path, &debug]))?;
    }
    if symbols != Symbols::Full {
        run(Command::new("strip").arg(&path))?;
    }
    if symbols == Symbols::Separate {
        let mut link = "--add-gnu-debuglink=".to_owned();
        link.push_str(&debug.to_string_lossy());
        run(Command::new("objcopy").arg(link).arg(&path))?;
    }
    Some(path)
}

fn run(command: &mut Command) -> Option<()> {
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
            Some(())
        }
        Err(error) => {
            eprintln!("skipped: {command:?}: {error}");
            None
        }
    }
}
