//! Which process it is.

use serde::Serialize;

use crate::model::{ProbeUse, Process, PythonFacts};

/// What every document says of a process first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct IdentityDto {
    pid: u32,
    ns_pid: Option<u32>,
    start_boottime_ns: Option<u64>,
    exe: Option<String>,
    cmdline: Vec<String>,
    python: Option<PythonDto>,
    container_id: Option<String>,
    cgroup: Option<String>,
    systemd_unit: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct PythonDto {
    version: String,
    implementation: String,
    free_threaded: Option<bool>,
    interpreters: Option<Vec<()>>,
    usdt: Option<Vec<ProbeUse>>,
}

impl From<&Process> for IdentityDto {
    fn from(process: &Process) -> Self {
        Self {
            pid: process.pid.0,
            ns_pid: process.ns_pid,
            start_boottime_ns: process.start_boottime_ns,
            exe: process.exe.clone(),
            cmdline: process.cmdline.clone(),
            python: process.python.as_ref().map(PythonDto::from),
            container_id: process.container_id.clone(),
            cgroup: process.cgroup.clone(),
            systemd_unit: process.systemd_unit.clone(),
        }
    }
}

impl From<&PythonFacts> for PythonDto {
    fn from(python: &PythonFacts) -> Self {
        Self {
            version: python.version.clone(),
            implementation: python.implementation.clone(),
            free_threaded: python.free_threaded,
            interpreters: None,
            usdt: python.usdt.clone(),
        }
    }
}
