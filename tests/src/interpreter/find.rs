//! Finding interpreters: pyenv's, the system's, those of root file systems.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{Interpreter, Linkage, Place, cache, is_root};

/// Root file systems to look into besides those of the cache, separated by colons.
const ROOTS_VARIABLE: &str = "PYOBSERVE_TEST_ROOTS";

/// Every interpreter of this host, once.
pub fn found() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut places = BTreeSet::new();
        for folder in folders() {
            // `python3.11` may be a link to another that is found as well.
            let paths = pythons(&folder);
            places.extend(
                paths
                    .filter_map(|path| path.canonicalize().ok())
                    .map(|path| (Place::Host, path)),
            );
        }
        for root in roots() {
            for path in pythons(&root.join("usr/bin")) {
                let name = path.file_name().expect("it has one").to_owned();
                places.insert((Place::Root(root.clone()), Path::new("/usr/bin").join(name)));
            }
        }
        let mut found: Vec<Interpreter> = places
            .into_iter()
            .filter_map(|(place, path)| ask(place, path))
            .collect();
        found.sort_by(|a, b| (a.minor, &a.place, &a.path).cmp(&(b.minor, &b.place, &b.path)));
        found
    })
}

/// What the names of free-threaded builds end with.
const FREE_THREADED: char = 't';

/// Every `python3.N` in a folder, free-threaded ones (`python3.14t`) too.
fn pythons(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .and_then(|name| name.to_str()?.strip_prefix("python3."))
            .is_some_and(|minor| minor.trim_end_matches(FREE_THREADED).parse::<u8>().is_ok())
    })
}

/// Folders that may hold `python3.N`.
fn folders() -> Vec<PathBuf> {
    let on_path: Vec<PathBuf> = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect())
        .unwrap_or_default();
    let mut roots: Vec<PathBuf> = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    roots.extend(home().map(|home| home.join(".pyenv")));
    // Under sudo both may be root's; the caller's shims are still on the PATH.
    roots.extend(
        on_path
            .iter()
            .filter_map(|p| p.parent())
            .map(Path::to_owned),
    );
    let mut folders: Vec<PathBuf> = roots
        .iter()
        .filter_map(|root| fs::read_dir(root.join("versions")).ok())
        .flat_map(Iterator::flatten)
        .map(|version| version.path().join("bin"))
        .collect();
    folders.push(PathBuf::from("/usr/bin"));
    folders.push(PathBuf::from("/usr/local/bin"));
    folders
}

/// The cache folder of whoever runs the tests.
pub fn cache_folder() -> Option<PathBuf> {
    cache::folder(home().as_deref())
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

/// Root file systems: those of the cache, and those that are named.
fn roots() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = cache::folder(home().as_deref())
        .and_then(|cache| fs::read_dir(cache::roots(&cache)).ok())
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|root| cache::is_whole(root))
        .collect();
    let named = env::var_os(ROOTS_VARIABLE).unwrap_or_default();
    roots.extend(env::split_paths(&named).filter(|root| root.is_absolute()));
    if !roots.is_empty() && !is_root() {
        eprintln!(
            "SKIPPED: {} root file systems, which only root can enter",
            roots.len()
        );
        return Vec::new();
    }
    roots
}

fn ask(place: Place, path: PathBuf) -> Option<Interpreter> {
    const SAY: &str = "import sys; \
        print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3], \
        'libpython' in open('/proc/self/maps').read())";
    let mut python = Interpreter {
        path,
        minor: 0,
        version: String::new(),
        linkage: Linkage::Static,
        place,
        environment: Vec::new(),
    };
    let output = python.command().args(["-c", SAY]).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    if !output.status.success() {
        eprintln!(
            "SKIPPED: {} does not run: {}",
            python.file().display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        return None;
    }
    let mut words = said.split_whitespace();
    if words.next()? != "cpython" {
        return None;
    }
    words.next()?.clone_into(&mut python.version);
    python.minor = python
        .version
        .strip_prefix("3.")?
        .split('.')
        .next()?
        .parse()
        .ok()?;
    if words.next()? == "True" {
        python.linkage = Linkage::Shared;
    }
    Some(python)
}
