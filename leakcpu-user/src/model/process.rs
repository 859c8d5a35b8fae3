//! One process.

use serde::{Deserialize, Serialize};

use super::{
    AuditedAt, Calls, Collector, CpuQuota, DroppedCall, FileRate, Function, Imports,
    NativeFunction, NativeStack, Pid, ProbeUse, RanInstead, Repeat, RepeatedCall, RoundTrips,
    Stack, Thread,
};

/// What is known of the interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonFacts {
    /// `3.11.7`; only `3.11` where the patch level is unknown.
    pub version: String,
    /// `cpython`.
    pub implementation: String,
    /// Built without the GIL; `None` if unknown.
    pub free_threaded: Option<bool>,
    /// Its probes; `None` if they were not looked at.
    #[serde(default)]
    pub usdt: Option<Vec<ProbeUse>>,
}

/// Why a process' stacks could not be read. Its times are exact all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// What went wrong.
    pub reason: String,
    /// The next step for the user.
    pub how_to_fix: String,
}

/// One Python process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Process id in the initial pid namespace.
    pub pid: Pid,
    /// Process id in its own pid namespace, if known.
    pub ns_pid: Option<u32>,
    /// Start time since boot; identity beside the pid.
    pub start_boottime_ns: Option<u64>,
    /// Path of the executable, as its own mount namespace names it.
    pub exe: Option<String>,
    /// Arguments.
    pub cmdline: Vec<String>,
    /// Interpreter facts; `None` if they could not be read.
    pub python: Option<PythonFacts>,
    /// Container id, from the cgroup path.
    pub container_id: Option<String>,
    /// cgroup path.
    pub cgroup: Option<String>,
    /// systemd unit, from the cgroup path.
    pub systemd_unit: Option<String>,
    /// Age at the end of the window (or at its death).
    pub lifetime_ns: Option<u64>,
    /// It ended during the window.
    pub exited: bool,
    /// Its threads; sums are over these.
    pub threads: Vec<Thread>,
    /// Functions, indexed by `FunctionId`.
    pub functions: Vec<Function>,
    /// Stacks, indexed by `StackId`. Index 0 is the empty stack.
    pub stacks: Vec<Stack>,
    /// Native functions, indexed by `NativeId`.
    #[serde(default)]
    pub natives: Vec<NativeFunction>,
    /// Native stacks, indexed by `NativeStackId`; empty unless asked for.
    #[serde(default)]
    pub native_stacks: Vec<NativeStack>,
    /// CPU quotas that hold for it, innermost group first.
    #[serde(default)]
    pub quotas: Vec<CpuQuota>,
    /// Who had the CPU while its threads were ready to run, most first.
    #[serde(default)]
    pub ran_instead: Vec<RanInstead>,
    /// What it exchanged with others as a client, most round trips first.
    #[serde(default)]
    pub round_trips: Vec<RoundTrips>,
    /// Which loops make its waits for answers come again and again, where that was looked at.
    #[serde(default)]
    pub repeats: Vec<Repeat>,
    /// What its threads call that only computes, and how often with the same arguments, where that
    /// was looked at.
    #[serde(default)]
    pub repeated_calls: Vec<RepeatedCall>,
    /// Calls whose coroutines it dropped, where that was met and the call is known.
    #[serde(default)]
    pub dropped_calls: Vec<DroppedCall>,
    /// How fast it reads and writes, if that takes CPU time that is worth a look.
    #[serde(default)]
    pub file_rate: Option<FileRate>,
    /// What its garbage collector did, if its probes were listened at.
    #[serde(default)]
    pub collector: Option<Collector>,
    /// What it did that is audited, if the probe of that was listened at.
    #[serde(default)]
    pub audits: Option<Vec<AuditedAt>>,
    /// What it called how often, if the probes of that were listened at.
    #[serde(default)]
    pub calls: Option<Calls>,
    /// What it imported, if the probes of that were listened at.
    #[serde(default)]
    pub imports: Option<Imports>,
    /// Why its stacks could not be read, if so.
    pub unreadable: Option<Unreadable>,
    /// Directories of the standard library and of installed packages of this
    /// interpreter: frames from there are not the user's own code.
    pub library_dirs: Vec<String>,
}

impl Process {
    /// A process of which nothing else is known.
    pub const fn new(pid: Pid) -> Self {
        Self {
            pid,
            ns_pid: None,
            start_boottime_ns: None,
            exe: None,
            cmdline: Vec::new(),
            python: None,
            container_id: None,
            cgroup: None,
            systemd_unit: None,
            lifetime_ns: None,
            exited: false,
            threads: Vec::new(),
            functions: Vec::new(),
            stacks: Vec::new(),
            natives: Vec::new(),
            native_stacks: Vec::new(),
            quotas: Vec::new(),
            ran_instead: Vec::new(),
            round_trips: Vec::new(),
            repeats: Vec::new(),
            repeated_calls: Vec::new(),
            dropped_calls: Vec::new(),
            file_rate: None,
            collector: None,
            audits: None,
            calls: None,
            imports: None,
            unreadable: None,
            library_dirs: Vec::new(),
        }
    }
}
