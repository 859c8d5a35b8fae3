//! Each Python process: can its memory be read, is its layout known?

use super::{Check, Status};
use crate::{
    discovery::{Discovery, PythonTarget},
    elf::CPYTHON,
    interpreter::{AttachError, Interpreters, PythonVersion},
    model::probes_in_words,
};

/// What its interpreter tells by itself.
fn probes(target: &PythonTarget) -> String {
    let elf = &target.image.elf;
    let minor = PythonVersion::of(elf).map_or(0, |version| version.minor);
    probes_in_words(minor, |probe| elf.probes.find(CPYTHON, probe).is_some())
}

pub(super) fn checks() -> Vec<Check> {
    let mut discovery = Discovery::new();
    let scan = match discovery.scan() {
        Ok(scan) => scan,
        Err(error) => {
            return vec![Check::bad(
                Status::Fail,
                "proc",
                "/proc",
                error.to_string(),
                "everything: processes cannot be found",
                error.how_to_fix(),
            )];
        }
    };
    let mut interpreters = Interpreters::new();
    let mut checks = Vec::new();
    for target in &scan.python {
        let pid = target.facts.pid;
        let id = format!("python-{pid}");
        let title = format!("Python process {pid} ({})", target.facts.comm);
        match interpreters.attach(target) {
            Ok(process) => checks.push(Check::pass(
                &id,
                &title,
                format!("CPython {}, readable; {}", process.version, probes(target)),
            )),
            // It ended between the scan and now.
            Err(error) if error.is_gone() => {}
            Err(error @ AttachError::NotReadyYet { .. }) => {
                checks.push(Check::pass(&id, &title, error.to_string()));
            }
            Err(error) => checks.push(Check::bad(
                Status::Warn,
                &id,
                &title,
                error.to_string(),
                "its functions and lines; its times and reasons are exact all the same",
                error.how_to_fix(),
            )),
        }
    }
    if checks.is_empty() {
        checks.push(Check::pass("python", "Python processes", "none runs now"));
    }
    checks
}
