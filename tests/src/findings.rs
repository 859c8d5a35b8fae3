//! Programs that raise one finding each, and others that look alike: `workloads/findings`.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{
    corpus::{
        labels::{Need, marked_lines},
        program::{self, Servers},
    },
    interpreter::Interpreter,
    workload::{self, Workload},
};

/// The programs' folder among the workloads.
const FOLDER: &str = "findings";

/// How a program is told to do what its rule is about, and to do the same without.
pub const SLOW: &str = "slow";
/// See [`SLOW`].
pub const FIXED: &str = "fixed";

/// What a program is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Of the file, without its ending.
    pub name: String,
    /// The rule that it is about.
    pub rule: String,
    /// The function that the slow one raises it in.
    pub function: String,
    /// Whether there is a slow one.
    #[serde(default = "yes")]
    pub slow: bool,
    /// What else it can do that must not raise the rule.
    pub alike: Vec<String>,
    /// What to install besides the standard library, as pip takes it.
    pub packages: Vec<String>,
    /// Servers it talks to.
    pub servers: Vec<Need>,
    /// Whether it can tell how much faster the mended one is.
    pub ratio: bool,
    /// Why it is slow.
    pub reason: String,
    /// Why the slow one is not found yet.
    pub missing: Option<String>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct File {
    program: Vec<Program>,
}

/// The times that one unit of work took both ways.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ratio {
    /// As the slow one does it.
    pub slow_ns: u64,
    /// As the mended one does it.
    pub fixed_ns: u64,
}

fn folder() -> PathBuf {
    workload::script(FOLDER)
}

/// Reads what all of them are.
pub fn read() -> Result<Vec<Program>> {
    let path = folder().join("labels.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(file.program)
}

impl Program {
    /// What it can be told to do, the slow one first.
    pub fn modes(&self) -> Vec<&str> {
        let both = [SLOW, FIXED].into_iter().filter(|_| self.slow);
        both.chain(self.alike.iter().map(String::as_str)).collect()
    }

    /// The lines that the slow one may be blamed for.
    pub fn lines(&self) -> Result<Vec<u32>> {
        marked_lines(&folder().join(format!("{}.py", self.name)))
    }

    /// Starts it; why it cannot run, if something is missing.
    pub fn start(
        &self,
        python: &Interpreter,
        mode: &str,
        servers: &mut Servers,
    ) -> Result<Workload, String> {
        let command = self.command(python, mode, servers)?;
        Ok(Workload::spawn(command, &format!("{} {mode}", self.name)))
    }

    /// The times that it takes itself; why there are none, if something is missing.
    pub fn ratio(&self, python: &Interpreter, servers: &mut Servers) -> Result<Ratio, String> {
        let output = self
            .command(python, "ratio", servers)?
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{error} in {last:?}: {said}")
        })
    }

    fn command(
        &self,
        python: &Interpreter,
        mode: &str,
        servers: &mut Servers,
    ) -> Result<Command, String> {
        let python = program::with_packages(python, &self.packages)?;
        let (mut command, _) = program::command(&python, FOLDER, &self.name);
        command.arg(mode).stderr(Stdio::null());
        servers.tell(&mut command, &self.servers)?;
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_program_is_known_and_its_lines_are_marked() {
        let all = read().expect("labels.toml is right");
        let mut names = BTreeSet::from(["shared".to_owned()]);
        for program in &all {
            assert!(names.insert(program.name.clone()), "{} twice", program.name);
            assert!(!program.reason.is_empty(), "{}", program.name);
            assert_eq!(program.slow, !program.function.is_empty());
            let lines = program.lines().expect("its program is there");
            assert_eq!(program.slow, !lines.is_empty(), "{}", program.name);
        }
        let there: BTreeSet<String> = fs::read_dir(folder())
            .expect("the folder is there")
            .flatten()
            .filter_map(|entry| entry.path().file_name()?.to_str().map(str::to_owned))
            .filter_map(|name| Some(name.strip_suffix(".py")?.to_owned()))
            .collect();
        assert_eq!(names, there);
    }
}
