//! Starting a program of the corpus, with what it needs.

use std::{path::PathBuf, process::Command, time::Duration};

use super::labels::{FOLDER, Label, Need};
use crate::{
    cgroup::ControlGroup,
    interpreter::{self, Interpreter},
    servers::{Postgres, Redis},
    venv,
    workload::{self, Workload},
};

/// Quotas are per this period.
const PERIOD: Duration = Duration::from_millis(100);

/// The servers that programs talk to; started when the first one needs them.
#[derive(Debug, Default)]
pub struct Servers {
    redis: Option<Redis>,
    postgres: Option<Postgres>,
}

impl Servers {
    /// Tells a program where its servers are; why one is missing, else.
    pub(crate) fn tell(&mut self, command: &mut Command, needs: &[Need]) -> Result<(), String> {
        for need in needs {
            let (name, value) = self.variable(*need)?;
            command.env(name, value);
        }
        Ok(())
    }

    fn variable(&mut self, need: Need) -> Result<(&'static str, String), String> {
        let missing = "its server is not installed: `cargo xtask setup --servers`";
        match need {
            Need::Redis => {
                if self.redis.is_none() {
                    self.redis = Redis::start();
                }
                let redis = self.redis.as_ref().ok_or(missing)?;
                Ok((
                    "PYOBSERVE_CORPUS_REDIS",
                    redis.socket().display().to_string(),
                ))
            }
            Need::Postgres => {
                if self.postgres.is_none() {
                    self.postgres = Postgres::start();
                }
                let postgres = self.postgres.as_ref().ok_or(missing)?;
                let host = postgres.address.ip().to_string();
                Ok(("PYOBSERVE_CORPUS_POSTGRES", postgres.conninfo(&host)))
            }
        }
    }
}

/// A program that runs and does what its label says.
#[derive(Debug)]
pub struct Program {
    /// Its process, which has said that it is ready.
    pub workload: Workload,
    /// Its file by the name that it knows.
    pub file: PathBuf,
    /// Goes after the process.
    quota: Option<ControlGroup>,
}

impl Program {
    /// Starts the program of a label; why it cannot run, if something is missing.
    pub fn start(
        python: &Interpreter,
        label: &Label,
        servers: &mut Servers,
    ) -> Result<Self, String> {
        let python = with_packages(python, &label.packages)?;
        let (mut command, file) = command(&python, FOLDER, &label.name);
        servers.tell(&mut command, &label.servers)?;
        let quota = match label.quota_pct {
            None => None,
            Some(pct) => Some(
                ControlGroup::with_quota(&label.name, PERIOD * pct / 100)
                    .ok_or("no control group with a quota can be made here")?,
            ),
        };
        let workload = Workload::spawn(command, &label.name);
        if let Some(group) = &quota {
            group.take(workload.pid);
        }
        Ok(Self {
            workload,
            file,
            quota,
        })
    }

    /// For how long its quota has held it back since it is ready; nothing if it has none.
    pub fn held_back_ns(&self) -> u64 {
        let held_back = self.quota.as_ref().map_or(0, ControlGroup::throttled_ns);
        u64::try_from(held_back).unwrap_or(0)
    }
}

/// An interpreter with what a program needs; why there is none, else.
pub(crate) fn with_packages(
    python: &Interpreter,
    packages: &[String],
) -> Result<Interpreter, String> {
    if packages.is_empty() {
        return Ok(python.clone());
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    venv::with_packages(python, &names)
        .ok_or_else(|| format!("{} cannot be had for {}", names.join(", "), python.version))
}

/// The command of a program in a folder of workloads, and its file as the interpreter sees
/// it. The folder above is what a root sees, for the programs share a file there.
pub(crate) fn command(python: &Interpreter, folder: &str, name: &str) -> (Command, PathBuf) {
    let mut words = python.words_for(&workload::script("truth.py"));
    let shared = PathBuf::from(words.pop().expect("the script is the last word"));
    let file = shared.with_file_name(folder).join(format!("{name}.py"));
    words.push(file.clone().into());
    let mut command = Command::new(&words[0]);
    interpreter::tidy(command.args(&words[1..]));
    (command, file)
}
