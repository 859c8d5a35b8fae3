//! Text that a task writes into a document, between two lines that mark its place.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::host::Host;

/// The lines between which the text stands.
pub struct Marks {
    /// Before it.
    pub begin: &'static str,
    /// After it.
    pub end: &'static str,
}

impl Marks {
    /// Puts `text`, which ends with a newline, into a file.
    pub fn put(&self, host: &Host, file: &Path, text: &str) -> Result<()> {
        let all =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let all = self.replaced(&all, text).with_context(|| {
            format!(
                "{} has no lines `{}` and `{}`",
                file.display(),
                self.begin,
                self.end
            )
        })?;
        write(host, file, &all)
    }

    fn replaced(&self, all: &str, text: &str) -> Option<String> {
        let (before, rest) = all.split_once(self.begin)?;
        let (_, after) = rest.split_once(self.end)?;
        Some(format!("{before}{}\n{text}{}{after}", self.begin, self.end))
    }
}

/// Writes a file as the user, whose it is.
pub fn write(host: &Host, file: &Path, text: &str) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    fs::write(file, text).with_context(failed)?;
    host.give_to_user(file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Marks;

    #[test]
    fn a_text_stands_between_its_marks() {
        let marks = Marks {
            begin: "<!-- begin -->",
            end: "<!-- end -->",
        };
        let all = "a\n<!-- begin -->\nold\n<!-- end -->\nb\n";
        let want = "a\n<!-- begin -->\nnew\n<!-- end -->\nb\n";
        assert_eq!(marks.replaced(all, "new\n").as_deref(), Some(want));
        assert_eq!(marks.replaced("none", "new\n"), None);
    }
}
