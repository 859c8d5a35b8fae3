//! From a process that has a CPython mapped to one that can be read.

use std::{collections::HashMap, sync::Arc};

use leakcpu_common::{process::PyProcess, python::FramePlan};

use super::{
    PythonVersion, RemoteError, RemoteMemory, VersionError,
    layout::{
        GilPlace, InterpreterLayout, LayoutError,
        check::{Mismatch, check},
    },
};
use crate::discovery::{Discovery, DiscoveryError, FileId, Inspection, PythonTarget};

/// Why a process cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is not Python.
    #[error("process {pid} is not a CPython process")]
    NotPython {
        /// The process.
        pid: u32,
    },
    /// Its interpreter is still starting: ask again in a moment.
    #[error("the interpreter of process {pid} is not initialised yet: {what}")]
    NotReadyYet {
        /// The process.
        pid: u32,
        /// What is still missing.
        what: &'static str,
    },
    /// Its version cannot be told.
    #[error("{0}")]
    Version(#[from] VersionError),
    /// There is no layout for it.
    #[error("{0}")]
    Layout(#[from] LayoutError),
    /// The layout that should be right is not.
    #[error("this build of Python {version} is laid out unlike any known one: {mismatch}")]
    Mismatch {
        /// The version.
        version: PythonVersion,
        /// Where they differ.
        mismatch: Mismatch,
    },
    /// The file has no symbols to check the layout with.
    #[error(
        "this build of Python {version} is stripped of the symbols that its layout is checked with"
    )]
    Unverifiable {
        /// The version.
        version: PythonVersion,
    },
    /// What should be the GIL holds values that a GIL never has.
    #[error("this build of Python {version} does not keep its GIL where it should be")]
    NoGil {
        /// The version.
        version: PythonVersion,
    },
    /// Its memory could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Its entries in `/proc` could not be read.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

impl AttachError {
    /// The next step for the user.
    pub fn how_to_fix(&self) -> &'static str {
        match self {
            Self::NotPython { .. } => {
                "name a process that runs Python; `pyobserve classify` without -p finds them"
            }
            Self::NotReadyYet { .. } => "try again in a moment",
            Self::Version(_)
            | Self::Mismatch { .. }
            | Self::Unverifiable { .. }
            | Self::NoGil { .. } => {
                "report this build of Python; its exact times are right all the same"
            }
            Self::Layout(_) => {
                "use a release of Python 3.8 to 3.15; its exact times are right all the same"
            }
            Self::Remote(error) => error.how_to_fix(),
            Self::Discovery(error) => error.how_to_fix(),
        }
    }

    /// The process ended meanwhile.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Remote(RemoteError::Gone { .. }) | Self::Discovery(DiscoveryError::Gone { .. })
        )
    }
}

/// A process whose interpreter can be read.
#[derive(Clone, Debug)]
pub struct PythonProcess {
    /// The process.
    pub pid: u32,
    /// When it started, since boot, rounded down to a clock tick: with the pid it is
    /// the process' identity.
    pub start_boottime_ns: u64,
    /// Version of its interpreter.
    pub version: PythonVersion,
    /// Offsets of its interpreter.
    pub layout: Arc<InterpreterLayout>,
    /// What the kernel side must know of it. Its range of the GIL is empty where there is
    /// none.
    pub kernel: PyProcess,
    /// Its main interpreter had a GIL when it was looked at: always, but for
    /// free-threaded builds, where importing an extension module that asks for the GIL
    /// switches it on.
    pub gil_enabled: bool,
    /// Run-time address of `PyCode_Type`, if the file has the symbol.
    pub code_type: Option<u64>,
    /// That of `None`: what the interpreter's own frames between C and Python have for
    /// their code (3.13 and later).
    pub none: Option<u64>,
}

impl PythonProcess {
    /// Its memory.
    pub const fn memory(&self) -> RemoteMemory {
        RemoteMemory::new(self.pid)
    }
}

/// What is known of one binary.
#[derive(Debug)]
struct Known {
    version: PythonVersion,
    layout: Arc<InterpreterLayout>,
    /// The layout has been compared with a live process of this binary.
    checked: bool,
}

/// Attaches to processes; remembers layouts by binary.
#[derive(Debug, Default)]
pub struct Interpreters {
    known: HashMap<FileId, Known>,
}

impl Interpreters {
    /// One that knows no binary yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at `pid` and attaches to it if it is Python.
    pub fn attach_pid(
        &mut self,
        discovery: &mut Discovery,
        pid: u32,
    ) -> Result<(PythonTarget, PythonProcess), AttachError> {
        match discovery.inspect(pid)? {
            Inspection::Python(target) => {
                let process = self.attach(&target)?;
                Ok((*target, process))
            }
            Inspection::MightBecomePython => Err(AttachError::NotReadyYet {
                pid,
                what: "its libpython is not mapped",
            }),
            Inspection::Zombie => Err(DiscoveryError::Gone { pid }.into()),
            Inspection::NotPython | Inspection::KernelThread => Err(AttachError::NotPython { pid }),
        }
    }

    /// Resolves everything that reading `target` needs, and checks it once per binary
    /// against the live process.
    pub fn attach(&mut self, target: &PythonTarget) -> Result<PythonProcess, AttachError> {
        let pid = target.facts.pid;
        let elf = &target.image.elf;
        let live = |linked: u64| linked.wrapping_add(target.image.load_bias);
        let known = match self.known.entry(target.image.file) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(empty) => {
                let version = PythonVersion::of(elf)?;
                let layout = Arc::new(InterpreterLayout::of(elf, version)?);
                empty.insert(Known {
                    version,
                    layout,
                    checked: false,
                })
            }
        };
        let (version, layout) = (known.version, Arc::clone(&known.layout));
        let memory = RemoteMemory::new(pid);
        let runtime = live(elf.runtime.address);
        // Ready first: before it has started, its types may not be relocated either.
        let main = main_interpreter(memory, &layout, runtime)
            .or_else(|error| match error {
                // The loader is still mapping the file, and what is there is not yet it.
                RemoteError::Unmapped { .. } => Ok(Err("its memory is not set up")),
                error => Err(error),
            })?
            .map_err(|what| AttachError::NotReadyYet { pid, what })?;
        if !known.checked {
            match (elf.code_type, elf.frame_type) {
                (Some(code_type), frame_type) => {
                    check(memory, &layout, live(code_type), frame_type.map(live))?
                        .map_err(|mismatch| AttachError::Mismatch { version, mismatch })?;
                }
                // Offsets from the binary itself need no second witness.
                (None, _) if layout.published => {}
                (None, _) => return Err(AttachError::Unverifiable { version }),
            }
            known.checked = true;
        }
        let gil = gil_address(memory, &layout, runtime, main)?.ok_or(AttachError::NotReadyYet {
            pid,
            what: "it has no GIL",
        })?;
        check_gil(memory, &layout, gil, pid, version)?;
        let gil_enabled = is_gil_enabled(memory, &layout, gil)?;
        // No address lies in an empty range.
        let at_gil = |offset: u16| {
            if gil_enabled {
                gil.wrapping_add(u64::from(offset))
            } else {
                0
            }
        };
        Ok(PythonProcess {
            pid,
            start_boottime_ns: target.facts.start_boottime_ns,
            version,
            kernel: PyProcess {
                layout: layout.walk,
                plan: FramePlan::of(&layout.walk),
                runtime,
                main_interpreter: main,
                gil_start: at_gil(layout.gil.cond),
                gil_end: at_gil(layout.gil.end),
                ..PyProcess::default()
            },
            gil_enabled,
            layout,
            code_type: elf.code_type.map(live),
            none: elf.none.map(live),
        })
    }
}

/// Address of the main interpreter state, or what is still missing. Its first thread
/// state must point back at it: before the interpreter has started there may be
/// anything in its place.
fn main_interpreter(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    runtime: u64,
) -> Result<Result<u64, &'static str>, RemoteError> {
    let main =
        memory.read_u64(runtime.wrapping_add(u64::from(layout.walk.runtime_main_interpreter)))?;
    if main == 0 {
        return Ok(Err("it has no interpreter state"));
    }
    let tstate = memory.read_u64(main.wrapping_add(u64::from(layout.walk.interp_threads_head)))?;
    if tstate == 0 {
        return Ok(Err("it has no thread state"));
    }
    let back = memory.read_u64(tstate.wrapping_add(u64::from(layout.tstate_interp)))?;
    Ok(if back == main {
        Ok(main)
    } else {
        Err("its thread state is not set up")
    })
}

/// Address of the main interpreter's GIL; `None` if it has not been created.
fn gil_address(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    runtime: u64,
    main_interpreter: u64,
) -> Result<Option<u64>, RemoteError> {
    match layout.gil.place {
        GilPlace::InRuntime(offset) => Ok(Some(runtime.wrapping_add(u64::from(offset)))),
        GilPlace::BehindInterpreter(offset) => {
            let gil = memory.read_u64(main_interpreter.wrapping_add(u64::from(offset)))?;
            Ok((gil != 0).then_some(gil))
        }
    }
}

/// Whether there is a GIL: `enabled` of a free-threaded build is 0, `INT_MAX`, or how
/// many threads asked for a GIL for a moment.
fn is_gil_enabled(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    gil: u64,
) -> Result<bool, RemoteError> {
    match layout.gil.enabled {
        None => Ok(true),
        Some(offset) => Ok(memory.read_u32(gil.wrapping_add(u64::from(offset)))? != 0),
    }
}

/// Sees that the words at `gil` are those of a GIL: `struct _gil_runtime_state` has
/// the switch interval in microseconds; `locked` is -1, 0 or 1. Free-threaded builds
/// create theirs as well and leave it alone.
fn check_gil(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    gil: u64,
    pid: u32,
    version: PythonVersion,
) -> Result<(), AttachError> {
    /// Users ask for thousands of seconds to keep the GIL; an address, which is what
    /// would be here in an unknown build, is larger.
    const MAX_INTERVAL_US: u64 = 10_000_000_000_000;
    let interval = memory.read_u64(gil.wrapping_add(u64::from(layout.gil.interval)))?;
    let holder = memory.read_u64(gil.wrapping_add(u64::from(layout.gil.last_holder)))?;
    let locked = memory
        .read_u32(gil.wrapping_add(u64::from(layout.gil.locked)))?
        .cast_signed();
    match locked {
        -1 => Err(AttachError::NotReadyYet {
            pid,
            what: "its GIL has not been created",
        }),
        0 | 1 if interval <= MAX_INTERVAL_US && holder % 8 == 0 => Ok(()),
        _ => Err(AttachError::NoGil { version }),
    }
}
