//! What test harnesses say on their last line, summed up.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    ops::AddAssign,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::host;

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and groups that failed without saying which.
    pub failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Tally {
    /// One failure that no harness counted.
    pub const ONE_FAILED: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// Reads `test result: ok. 5 passed; 0 failed; ...`; any other line is none.
    fn from_line(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            counts.split(';').find_map(|part| {
                let (number, name) = part.trim().split_once(' ')?;
                (name == word).then(|| number.parse().ok())?
            })
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
        })
    }
}

/// Runs a command whose output holds harness lines, shows it, and sums them up. A
/// command that fails while no test did (it did not build, it crashed) counts as
/// one failure.
#[expect(clippy::print_stdout, reason = "the harness' output is passed on")]
pub fn run(command: &mut Command) -> Result<Tally> {
    let line = host::typed(command);
    eprintln!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut tally = Tally::default();
    let mut reader = BufReader::new(stdout);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader
            .read_until(b'\n', &mut bytes)
            .with_context(|| format!("cannot read what `{line}` prints"))?;
        if read == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&bytes);
        print!("{text}");
        std::io::stdout().flush().ok();
        if let Some(counted) = Tally::from_line(text.trim_end()) {
            tally += counted;
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() && tally.failed == 0 {
        eprintln!("`{line}` failed ({status}) and no test says why: counted as one failure");
        tally += Tally::ONE_FAILED;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Tally, run};

    #[test]
    fn a_harness_line_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        let tally = Tally {
            passed: 12,
            failed: 3,
        };
        assert_eq!(Tally::from_line(line), Some(tally));
    }

    #[test]
    fn any_other_line_is_not() {
        for line in [
            "test result: ok",
            "test a::result ... ok",
            "running 3 tests",
            " test result: ok. 1 passed; 0 failed",
            "test result: ok. many passed; 0 failed",
        ] {
            assert_eq!(Tally::from_line(line), None, "{line}");
        }
    }

    #[test]
    fn a_crash_counts_as_a_failure() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test result: ok. 2 passed; 0 failed;'; kill -KILL $$",
        ]);
        let tally = Tally {
            passed: 2,
            failed: 1,
        };
        assert_eq!(run(&mut command).expect("sh runs"), tally);
    }
}
