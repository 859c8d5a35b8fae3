//! When and of what sources a table was made.

use anyhow::{Context as _, Result};

use crate::host::{self, Host};

/// The day and the commit.
pub struct Origin {
    /// The day, UTC: 2024-02-29.
    pub day: String,
    /// The commit, and whether the work tree had changes beyond it.
    pub commit: String,
}

impl Origin {
    /// As of now.
    pub fn now(host: &Host) -> Result<Self> {
        let said = |program: &str, arguments: &[&str]| -> Result<String> {
            let mut command = host.as_user(program);
            let said = host::read(command.args(arguments))?;
            let said = String::from_utf8(said)
                .with_context(|| format!("`{}` writes no text", host::typed(&command)))?;
            Ok(said.trim().to_owned())
        };
        Ok(Self {
            day: said("date", &["-u", "+%F"])?,
            // By its hash: a tag says less of what it has.
            commit: said("git", &["describe", "--always", "--dirty", "--exclude=*"])?,
        })
    }
}
