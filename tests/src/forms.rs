//! The ways an interpreter may be installed, made from one that is.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    interpreter::{Interpreter, Linkage, Place},
    workload,
};

/// How an interpreter came to where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it was found.
    Installed,
    /// By way of a virtual environment.
    Venv,
    /// A copy in another folder, called by a symbolic link, as uv installs them.
    Relocated,
    /// The same without its symbols.
    Stripped,
    /// A program of another name, linked to its libpython.
    Embedded,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Installed,
        Self::Venv,
        Self::Relocated,
        Self::Stripped,
        Self::Embedded,
    ];

    /// As the table calls it.
    pub fn name(self, python: &Interpreter) -> String {
        let linkage = match python.linkage {
            Linkage::Static => "static",
            Linkage::Shared => "shared",
        };
        let place = match &python.place {
            Place::Host if python.path.starts_with("/usr/bin") => "distribution",
            Place::Host => "pyenv",
            Place::Root(_) | Place::Container(_) => "root file system",
        };
        match self {
            Self::Installed => format!("{place}, {linkage}"),
            Self::Venv => format!("venv of {place}"),
            Self::Relocated => format!("{place}, copied and linked to"),
            Self::Stripped => format!("{place}, copied and stripped"),
            Self::Embedded => format!("{place}, embedded"),
        }
    }

    /// An interpreter of this form in `folder`, which must be empty; why there is none.
    pub fn make(self, python: &Interpreter, folder: &Path) -> Result<Interpreter, String> {
        let made = match self {
            Self::Installed => python.clone(),
            Self::Venv => venv(python, folder)?,
            Self::Relocated => relocated(python, folder)?,
            Self::Stripped => stripped(python, folder)?,
            Self::Embedded => embedded(python, folder)?,
        };
        let said = run(made
            .command()
            .args(["-c", "import sys; print(sys.version.split()[0])"]))
        .map_err(|why| {
            if why.contains("GLIBC_") {
                "its libc is older than that of the compiler here".to_owned()
            } else {
                why
            }
        })?;
        if said.trim() != made.version {
            return Err(format!("it is {} and not {}", said.trim(), made.version));
        }
        Ok(made)
    }
}

/// What a command prints; what it says if it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{program}: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{program} ended with {}: {}",
            output.status,
            said.lines().last().unwrap_or_default()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn venv(python: &Interpreter, folder: &Path) -> Result<Interpreter, String> {
    run(python
        .command()
        .args(["-m", "venv", "--without-pip"])
        .arg(folder))?;
    Ok(Interpreter {
        path: folder.join("bin/python"),
        ..python.clone()
    })
}

/// Of the standard library, what takes much room and is not needed to run.
const LEFT_BEHIND: [&str; 6] = [
    "test",
    "site-packages",
    "idlelib",
    "ensurepip",
    "lib2to3",
    "__pycache__",
];

fn relocated(python: &Interpreter, folder: &Path) -> Result<Interpreter, String> {
    let name = format!("python3.{}", python.minor);
    let prefix = python.file();
    let prefix = prefix.parent().and_then(Path::parent).expect("PREFIX/bin");
    let (bin, lib) = (folder.join("bin"), folder.join("lib"));
    let library = lib.join(&name);
    for made in [&bin, &library] {
        fs::create_dir_all(made).map_err(|e| e.to_string())?;
    }
    copy(&python.file(), &bin.join(&name))?;
    if python.linkage == Linkage::Shared {
        let soname = format!("lib{name}.so.1.0");
        copy(&prefix.join("lib").join(&soname), &lib.join(soname))?;
    }
    let standard = prefix.join("lib").join(&name);
    let parts: Vec<PathBuf> = fs::read_dir(&standard)
        .map_err(|e| format!("{}: {e}", standard.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|part| {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            !LEFT_BEHIND.contains(&&*name) && !name.starts_with("config-")
        })
        .collect();
    run(Command::new("cp").arg("-a").args(&parts).arg(&library))?;
    let link = bin.join("tool");
    symlink(&name, &link).map_err(|e| e.to_string())?;
    let mut environment = python.environment.clone();
    if python.linkage == Linkage::Shared {
        // The one it was linked with is where it was; a build made to be moved says
        // the same by $ORIGIN.
        environment.push(("LD_LIBRARY_PATH", lib.into()));
    }
    Ok(Interpreter {
        path: link,
        environment,
        ..python.clone()
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|e| format!("{}: {e}", from.display()))
}

fn stripped(python: &Interpreter, folder: &Path) -> Result<Interpreter, String> {
    let made = relocated(python, folder)?;
    let name = format!("python3.{}", python.minor);
    let mut files = vec![folder.join("bin").join(&name)];
    if python.linkage == Linkage::Shared {
        files.push(folder.join("lib").join(format!("lib{name}.so.1.0")));
    }
    run(Command::new("strip").arg("--strip-all").args(&files))?;
    Ok(made)
}

fn embedded(python: &Interpreter, folder: &Path) -> Result<Interpreter, String> {
    let soname = format!("libpython3.{}.so.1.0", python.minor);
    let prefix = python.file();
    let prefix = prefix.parent().and_then(Path::parent).expect("PREFIX/bin");
    let library = ["lib", "lib/x86_64-linux-gnu"]
        .map(|lib| prefix.join(lib).join(&soname))
        .into_iter()
        .find(|library| library.is_file())
        .ok_or_else(|| format!("there is no {soname}"))?;
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).map_err(|e| e.to_string())?;
    let program = bin.join("acme-server");
    run(Command::new("gcc")
        .arg(workload::script("embedded.c"))
        .arg(&library)
        // A root's libc may be newer than the one here.
        .arg("-Wl,--unresolved-symbols=ignore-in-shared-libs")
        .arg(format!(
            "-Wl,-rpath,{}",
            library.parent().unwrap_or(&library).display()
        ))
        .arg("-o")
        .arg(&program))?;
    let mut environment = python.environment.clone();
    environment.push(("PYTHONHOME", python.prefix().into()));
    Ok(Interpreter {
        path: program,
        linkage: Linkage::Shared,
        environment,
        ..python.clone()
    })
}
