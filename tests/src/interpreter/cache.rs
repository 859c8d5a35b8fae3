//! Where the set-up keeps the root file systems it makes and the kernels it fetches.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The environment variable that names another cache folder.
pub const VARIABLE: &str = "PYOBSERVE_CACHE";

/// The cache folder: what the variable says, else `pyobserve` in the user's own.
pub fn folder(home: Option<&Path>) -> Option<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let cache = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .or_else(|| Some(home?.join(".cache")))?;
        Some(cache.join("pyobserve"))
    })
}

/// The folder of the root file systems in it.
pub fn roots(cache: &Path) -> PathBuf {
    cache.join("roots")
}

/// The folder of the kernels in it.
pub fn kernels(cache: &Path) -> PathBuf {
    cache.join("kernels")
}

/// Whether a folder's name is that of a whole root; one in the making has a dot in it.
pub fn is_whole(root: &Path) -> bool {
    root.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| !name.contains('.'))
}
