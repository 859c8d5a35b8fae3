//! The interpreters of this host, and how a command runs on each.
//!
//! The pure tests of leakcpu-user include this file by its path: there is one list.

pub mod cache;
pub mod find;
mod place;

use std::{
    ffi::OsString,
    fmt, fs,
    ops::RangeInclusive,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Once,
};

pub use self::place::Place;

/// Minor versions that must be readable.
pub const SUPPORTED: RangeInclusive<u8> = 8..=15;

/// Where the code of the interpreter lies, as its own memory map says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// In the executable.
    Static,
    /// In a libpython beside it.
    Shared,
}

/// One `CPython` 3 and the way it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The executable, by the name it has where it runs.
    pub path: PathBuf,
    /// `11` of 3.11.2.
    pub minor: u8,
    /// `3.11.2`.
    pub version: String,
    /// Whether it brings a libpython.
    pub linkage: Linkage,
    /// Where it runs.
    pub place: Place,
    /// Variables it needs.
    pub environment: Vec<(&'static str, OsString)>,
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.version, self.file().display())?;
        if matches!(self.place, Place::Container(_)) {
            write!(f, ", in a container")?;
        }
        write!(f, ")")
    }
}

impl Interpreter {
    /// Whether `named` is its version: 3.11, or 3.11.7.
    pub fn is_called(&self, named: &str) -> bool {
        named == self.version || named == format!("3.{}", self.minor)
    }

    /// What to type to run it, to which its arguments are added. Whatever stands before
    /// the executable becomes it by exec, except in a container, where the first process
    /// stays outside.
    pub fn words(&self) -> Vec<OsString> {
        self.words_beside(&std::env::temp_dir())
    }

    /// The same for a script, which comes last.
    pub fn words_for(&self, script: &Path) -> Vec<OsString> {
        let folder = script.parent().expect("a script lies in a folder");
        let name = script.file_name().expect("a script has a name");
        let mut words = self.words_beside(folder);
        words.push(self.place.scripts(folder).join(name).into());
        words
    }

    fn words_beside(&self, scripts: &Path) -> Vec<OsString> {
        let mut words = self.place.enter(scripts);
        if !self.environment.is_empty() {
            words.push("env".into());
            for (name, value) in &self.environment {
                let mut setting = OsString::from(name);
                setting.push("=");
                setting.push(value);
                words.push(setting);
            }
        }
        words.push(self.path.clone().into());
        words
    }

    /// A command that runs it.
    pub fn command(&self) -> Command {
        command(&self.words())
    }

    /// A [tidy](tidy) command that runs a script of this host on it.
    pub fn script(&self, script: &Path) -> Command {
        let mut command = command(&self.words_for(script));
        tidy(&mut command);
        command
    }

    /// Its executable as this process sees it.
    pub fn file(&self) -> PathBuf {
        self.place.seen_from_here(&self.path)
    }

    /// Whether it is started directly.
    pub fn is_local(&self) -> bool {
        self.place == Place::Host
    }

    /// The folder it is installed in: that of `bin`, by its name where it runs.
    pub fn prefix(&self) -> &Path {
        self.path
            .parent()
            .and_then(Path::parent)
            .expect("an interpreter lies in PREFIX/bin")
    }

    /// The same interpreter in a container: a root file system and mount and pid
    /// namespaces of its own. One of this host lies in the container's `/opt`, where
    /// the host has nothing or something else.
    #[must_use]
    pub fn in_container(&self) -> Self {
        let mut inside = self.clone();
        match &self.place {
            Place::Container(_) => {}
            Place::Root(root) => inside.place = Place::Container(place::Image::Root(root.clone())),
            Place::Host => {
                let below = self.path.strip_prefix(self.prefix()).expect("it is below");
                inside.path = Path::new("/opt").join(below);
                inside.place = Place::Container(place::Image::Prefix(self.prefix().to_owned()));
                inside
                    .environment
                    .push(("LD_LIBRARY_PATH", "/opt/lib".into()));
            }
        }
        inside
    }
}

fn command(words: &[OsString]) -> Command {
    let (program, arguments) = words.split_first().expect("there is an executable");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Keeps variables of whoever runs this from an interpreter, and byte code from the
/// sources: root would own it.
pub fn tidy(command: &mut Command) -> &mut Command {
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
}

/// Whether this process may do what only root may.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Every interpreter found, of whatever version, oldest first: those of this host
/// (pyenv's and the system's), then those of root file systems.
pub fn found() -> &'static [Interpreter] {
    find::found()
}

/// Every interpreter of a supported version, oldest first; says aloud which versions
/// are missing.
pub fn supported() -> Vec<&'static Interpreter> {
    static SAID: Once = Once::new();
    let supported: Vec<_> = found()
        .iter()
        .filter(|python| SUPPORTED.contains(&python.minor))
        .collect();
    SAID.call_once(|| {
        for minor in SUPPORTED {
            if !supported.iter().any(|python| python.minor == minor) {
                eprintln!(
                    "SKIPPED: no CPython 3.{minor} here; \
                     `cargo xtask setup --interpreters` fetches what Debian has"
                );
            }
        }
    });
    supported
}

/// The same, of which there must be some.
pub fn all() -> Vec<&'static Interpreter> {
    let all = supported();
    assert!(
        !all.is_empty(),
        "no CPython 3.{} to 3.{} in $PYENV_ROOT, ~/.pyenv, on the PATH, or in a root file system",
        SUPPORTED.start(),
        SUPPORTED.end()
    );
    all
}

/// Those of [`supported`] that are started directly.
pub fn supported_here() -> Vec<&'static Interpreter> {
    let mut here = supported();
    here.retain(|python| python.is_local());
    here
}

/// The same, of which there must be some.
pub fn local() -> Vec<&'static Interpreter> {
    let local = supported_here();
    assert!(!local.is_empty(), "no CPython on this host itself");
    local
}

/// The oldest one that is started directly.
pub fn oldest() -> &'static Interpreter {
    local()[0]
}

/// The newest one that is started directly.
pub fn newest() -> &'static Interpreter {
    let local = local();
    local[local.len() - 1]
}

/// The one of that name that is started directly and was built from CPython's own sources; the
/// newest if no name is given.
pub fn own_build(named: Option<&str>) -> Option<&'static Interpreter> {
    let here = supported_here().into_iter();
    here.filter(|python| !is_debian(python))
        .rfind(|python| named.is_none_or(|named| python.is_called(named)))
}

/// Three that differ much: the oldest, the first that is `between`, and the newest.
pub fn few(between: impl Fn(&Interpreter) -> bool) -> Vec<&'static Interpreter> {
    let all = all();
    let middle = all.iter().find(|python| between(python));
    let mut few: Vec<&Interpreter> = [all.first(), middle, all.last()]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    few.dedup();
    few
}

/// Whether it is Debian's own, which is linked statically.
pub fn is_debian(python: &Interpreter) -> bool {
    python.is_local() && python.path.starts_with("/usr/bin")
}

/// Those newer than any supported version.
pub fn newer() -> Vec<&'static Interpreter> {
    found()
        .iter()
        .filter(|python| python.minor > *SUPPORTED.end())
        .collect()
}
