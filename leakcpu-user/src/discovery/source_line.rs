//! A line of a program's source, as it was when the program started.
//!
//! The file is looked for where the process sees it. It may be anything by now: another
//! version of the program, a FIFO, a file on a machine that does not answer. So it is taken
//! only if it is a plain file of a local file system that was last changed before the process
//! started, and if the function begins where its code says.

use std::{
    fs::{Metadata, OpenOptions},
    io::{BufRead, BufReader, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::time::{ClockId, clock_gettime};

use super::files::is_remote;

/// Largest part of a file that is read.
const MAX_BYTES: u64 = 4 << 20;
/// Longest line that is given back, in characters.
const MAX_LINE: usize = 120;

/// Where a function is, as its code object says.
#[derive(Clone, Copy, Debug)]
pub struct SourcePlace<'a> {
    /// `co_filename`.
    pub file: &'a str,
    /// `co_name`.
    pub function: &'a str,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// The line that is wanted.
    pub line: u32,
}

/// The text of a line without the space around it; `None` if the file is not there, or not
/// the one that the program was started from. `start_boottime_ns` is when the process started.
pub fn source_line(pid: u32, start_boottime_ns: u64, place: SourcePlace<'_>) -> Option<String> {
    let path = Path::new(place.file);
    if !path.is_absolute() || is_remote(pid, path) {
        return None;
    }
    let mut inside = PathBuf::from(format!("/proc/{pid}/root"));
    inside.extend(path.components().skip(1));
    // What is no plain file may make an ordinary open wait.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(inside)
        .ok()?;
    let facts = file.metadata().ok().filter(Metadata::is_file)?;
    if facts.mtime() > unix_seconds(start_boottime_ns)? {
        return None;
    }
    find(BufReader::new(file.take(MAX_BYTES)), place)
}

/// When that was, in seconds since the epoch by today's clock.
fn unix_seconds(boottime_ns: u64) -> Option<i64> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let booted_s = now.tv_sec() - since_boot.tv_sec();
    booted_s.checked_add(i64::try_from(boottime_ns / 1_000_000_000).ok()?)
}

fn find(source: impl BufRead, place: SourcePlace<'_>) -> Option<String> {
    let lines = source.lines();
    let mut begins = place.function == "<module>";
    for (number, line) in (1..=place.line).zip(lines) {
        let line = line.ok()?;
        // Decorators come first, and what a lambda or a comprehension is in has another name.
        begins |= number >= place.first_line
            && (place.function.starts_with('<') || defines(&line, place.function));
        if number == place.line && begins {
            return tidy(&line);
        }
    }
    None
}

/// `def name(` or `async def name(`.
fn defines(line: &str, function: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line
        .strip_prefix("def ")
        .and_then(|rest| rest.trim_start().strip_prefix(function));
    name.is_some_and(|rest| rest.trim_start().starts_with(['(', '[']))
}

/// What may be shown on a terminal.
fn tidy(line: &str) -> Option<String> {
    let line = line.trim();
    let plain = line.chars().filter(|c| !c.is_control());
    let text: String = plain.take(MAX_LINE).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "import time\n\n@cached\nasync def wait(flag):\n    while not flag:\n        \x1b[2Jpass\n";

    fn line(function: &str, first_line: u32, line: u32) -> Option<String> {
        let place = SourcePlace {
            file: "/srv/a.py",
            function,
            first_line,
            line,
        };
        find(SOURCE.as_bytes(), place)
    }

    #[test]
    fn a_line_is_given_if_the_function_begins_where_its_code_says() {
        assert_eq!(line("wait", 3, 5).as_deref(), Some("while not flag:"));
        assert_eq!(line("<module>", 1, 1).as_deref(), Some("import time"));
        // Another version of the file: the function is elsewhere, or has another name.
        assert_eq!(line("wait", 5, 5), None);
        assert_eq!(line("waiting", 3, 5), None);
        assert_eq!(line("wait", 3, 50), None);
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        assert_eq!(line("wait", 3, 6).as_deref(), Some("[2Jpass"));
    }

    #[test]
    fn a_file_that_was_changed_since_the_start_is_another() {
        let own = std::process::id();
        let place = SourcePlace {
            file: file!(),
            function: "<module>",
            first_line: 1,
            line: 1,
        };
        assert_eq!(source_line(own, u64::MAX / 2, place), None, "not absolute");
        let path = std::env::current_exe().expect("it has a path");
        let file = path.with_extension("py");
        std::fs::write(&file, "done = False\n").expect("it can be written");
        let place = SourcePlace {
            file: file.to_str().expect("it is plain text"),
            ..place
        };
        let later = u64::MAX / 2;
        assert_eq!(
            source_line(own, later, place).as_deref(),
            Some("done = False")
        );
        assert_eq!(source_line(own, 0, place), None);
        std::fs::remove_file(&file).expect("it is there");
    }
}
