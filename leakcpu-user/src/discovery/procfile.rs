//! Reading files of `/proc/PID`.

use std::{fs, io, path::PathBuf};

use super::DiscoveryError;

/// `/proc/PID/<name>`.
pub(super) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// The error for a failed access to `/proc/PID/<name>`.
pub(super) fn error(pid: u32, name: &str, error: io::Error) -> DiscoveryError {
    let path = || path(pid, name).display().to_string();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) => DiscoveryError::Gone { pid },
        Some(libc::EACCES | libc::EPERM) => DiscoveryError::Denied { path: path() },
        _ => DiscoveryError::Io {
            path: path(),
            error,
        },
    }
}

pub(super) fn malformed(pid: u32, name: &str) -> DiscoveryError {
    DiscoveryError::Malformed {
        path: path(pid, name).display().to_string(),
    }
}

/// Whole content; bytes, because names in `/proc` need not be UTF-8.
pub(super) fn read(pid: u32, name: &str) -> Result<Vec<u8>, DiscoveryError> {
    fs::read(path(pid, name)).map_err(|e| error(pid, name, e))
}

/// Whole content with anything that is not UTF-8 replaced.
pub(super) fn read_text(pid: u32, name: &str) -> Result<String, DiscoveryError> {
    read(pid, name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Target of a symbolic link; `None` where it cannot be read.
pub(super) fn link(pid: u32, name: &str) -> Option<String> {
    fs::read_link(path(pid, name))
        .ok()
        .map(|target| target.to_string_lossy().into_owned())
}

/// Numeric names in a directory of `/proc`.
pub(super) fn numbers_in(directory: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        if let Some(number) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// Fields of `/proc/PID/stat` after the name in parentheses: number 0 is the state
/// (field 3 of `proc(5)`). The name may hold spaces and parentheses itself.
pub(super) fn stat_fields(stat: &str) -> Option<Vec<&str>> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().collect())
}

/// Value of a `Key:\tvalue` line of `/proc/PID/status`.
pub(super) fn status_value<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_a_hostile_name() {
        let fields = stat_fields("7 (a) S (b)) R 1 2 3").unwrap();
        assert_eq!(fields, ["R", "1", "2", "3"]);
        assert_eq!(stat_fields("no name here"), None);
    }

    #[test]
    fn status_keys_match_whole() {
        let status = "Name:\tx\nNSpid:\t10\t2\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n";
        assert_eq!(status_value(status, "NSpid"), Some("10\t2"));
        assert_eq!(status_value(status, "voluntary_ctxt_switches"), Some("5"));
        assert_eq!(status_value(status, "Uid"), None);
    }
}
