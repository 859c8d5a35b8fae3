//! Which files are the interpreter's or a package's, and which the user's own.

use std::collections::BTreeSet;

/// True for the standard library, installed packages and frozen modules.
pub fn is_library_file(path: &str) -> bool {
    path.starts_with("<frozen ") || library_dir(path).is_some()
}

/// The directory that makes `path` library code: up to `site-packages` or
/// `dist-packages`, or `lib/python3.X` (or `lib/python3XY.zip`) of an installation.
pub fn library_dir(path: &str) -> Option<&str> {
    let mut end = 0;
    let mut previous = "";
    let mut standard_library = None;
    for part in path.split_inclusive('/') {
        end += part.len();
        let Some(name) = part.strip_suffix('/') else {
            break;
        };
        if matches!(name, "site-packages" | "dist-packages") {
            return path.get(..end - 1);
        }
        let in_lib = matches!(previous, "lib" | "lib64") || previous.starts_with("lib-python");
        if standard_library.is_none() && in_lib && is_python_dir(name) {
            standard_library = path.get(..end - 1);
        }
        previous = name;
    }
    standard_library
}

/// Directories of the standard library and of installed packages that any of `files`
/// is from.
pub fn library_dirs<'a>(files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let dirs: BTreeSet<&str> = files.filter_map(library_dir).collect();
    dirs.into_iter().map(str::to_owned).collect()
}

/// `python3.12`, `python3.13t`, `python312.zip`.
fn is_python_dir(name: &str) -> bool {
    let Some(version) = name.strip_prefix("python3") else {
        return false;
    };
    let version = version
        .strip_suffix(".zip")
        .or_else(|| version.strip_prefix('.'))
        .unwrap_or("");
    let digits = version.trim_end_matches(['t', 'd']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_file_it_is() {
        for (path, directory) in [
            (
                "/usr/lib/python3.11/threading.py",
                Some("/usr/lib/python3.11"),
            ),
            (
                "/usr/lib/python3/dist-packages/yaml/__init__.py",
                Some("/usr/lib/python3/dist-packages"),
            ),
            (
                "/opt/py/lib/python3.13t/asyncio/events.py",
                Some("/opt/py/lib/python3.13t"),
            ),
            (
                "/v/lib/python3.12/site-packages/requests/api.py",
                Some("/v/lib/python3.12/site-packages"),
            ),
            (
                "/usr/lib/python312.zip/json/decoder.py",
                Some("/usr/lib/python312.zip"),
            ),
            ("/home/me/lib/app.py", None),
            ("/home/me/python3.11/app.py", None),
            ("/home/me/lib/python3.11", None),
            ("app.py", None),
            ("", None),
            ("<string>", None),
            ("/srv/é/lib/python3.8/é.py", Some("/srv/é/lib/python3.8")),
        ] {
            assert_eq!(library_dir(path), directory, "{path}");
            assert_eq!(is_library_file(path), directory.is_some(), "{path}");
        }
        assert!(is_library_file("<frozen importlib._bootstrap>"));
    }
}
