//! Where CPython keeps what is read, as data.
//!
//! 3.8 to 3.12 come from [`table`], measured from the headers of those versions and
//! checked against the live `PyCode_Type` and `PyFrame_Type` ([`check`]); later
//! versions publish their offsets in the binary ([`debug_offsets`]).

pub mod check;
pub mod debug_offsets;
mod lock;
mod parts;
mod table;

use leakcpu_common::python::PyLayout;

use super::{LineTableKind, PythonVersion, version::ReleaseLevel};
use crate::elf::PythonElf;

pub use lock::LockLayout;
pub use parts::PartsLayout;

/// How a frame says where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionPointer {
    /// `f_lasti` counts bytes (3.8, 3.9).
    Bytes,
    /// `f_lasti` counts instructions of two bytes (3.10).
    Units,
    /// A pointer to an instruction; the code begins this far into the code object
    /// (`co_code_adaptive`, 3.11 and later).
    Pointer(u16),
}

/// Offsets in objects, in bytes. Sources: `Include/cpython/code.h`,
/// `Include/cpython/unicodeobject.h`, `Include/cpython/bytesobject.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLayout {
    /// `PyObject.ob_type`.
    pub ob_type: u16,
    /// `PyTypeObject.tp_members`.
    pub tp_members: u16,
    /// `PyCodeObject.co_flags`.
    pub code_flags: u16,
    /// `PyCodeObject.co_firstlineno`.
    pub code_first_line: u16,
    /// `PyCodeObject.co_filename`.
    pub code_filename: u16,
    /// `PyCodeObject.co_name`.
    pub code_name: u16,
    /// `PyCodeObject.co_qualname` (3.11 and later).
    pub code_qualname: Option<u16>,
    /// `PyCodeObject.co_lnotab` or `co_linetable`.
    pub code_line_table: u16,
    /// `PyCodeObject._co_firsttraceable` (3.11 and later): a frame that stands before
    /// this instruction is still being set up.
    pub code_first_traceable: Option<u16>,
    /// `PyCodeObject.co_tlbc` (free-threaded builds from 3.14 on): the copies of its
    /// bytecode that threads run instead of its own.
    pub code_bytecode_copies: Option<u16>,
    /// How that table is written.
    pub line_table_kind: LineTableKind,
    /// How a frame says where it stands.
    pub instruction_pointer: InstructionPointer,
    /// `PyASCIIObject.length`.
    pub unicode_length: u16,
    /// `PyASCIIObject.state`.
    pub unicode_state: u16,
    /// First bit of `state.kind` (three bits).
    pub unicode_kind_bit: u8,
    /// Bit of `state.compact`.
    pub unicode_compact_bit: u8,
    /// Bit of `state.ascii`.
    pub unicode_ascii_bit: u8,
    /// Where an ASCII string's characters are.
    pub unicode_ascii_data: u16,
    /// Where another compact string's characters are.
    pub unicode_compact_data: u16,
    /// `PyVarObject.ob_size`.
    pub bytes_size: u16,
    /// `PyBytesObject.ob_sval`.
    pub bytes_data: u16,
}

/// Where the GIL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GilPlace {
    /// Inside `_PyRuntime` (up to 3.11).
    InRuntime(u32),
    /// Behind `PyInterpreterState.ceval.gil` (3.12 and later).
    BehindInterpreter(u32),
}

/// Offsets in `struct _gil_runtime_state` (`Include/internal/pycore_gil.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GilLayout {
    /// Where it is.
    pub place: GilPlace,
    /// `enabled` (free-threaded builds): 0 as long as there is no GIL.
    pub enabled: Option<u16>,
    /// `interval`.
    pub interval: u16,
    /// `last_holder`.
    pub last_holder: u16,
    /// `locked`: 1 held, 0 free, -1 not created yet.
    pub locked: u16,
    /// `cond`; followed without a gap by `mutex`, `switch_cond` and `switch_mutex`.
    pub cond: u16,
    /// End of `switch_mutex`.
    pub end: u16,
}

/// All offsets of one interpreter build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpreterLayout {
    /// What the frame walk needs, in the kernel as well.
    pub walk: PyLayout,
    /// Objects.
    pub object: ObjectLayout,
    /// The GIL.
    pub gil: GilLayout,
    /// Locks.
    pub lock: LockLayout,
    /// What instructions refer to.
    pub parts: PartsLayout,
    /// `PyThreadState.interp`.
    pub tstate_interp: u16,
    /// Built without the GIL (`Py_GIL_DISABLED`).
    pub free_threaded: bool,
    /// The table, or the binary itself?
    pub published: bool,
}

/// Why there is no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Built for another processor.
    #[error("built for ELF machine {machine}: only x86-64 is read so far")]
    Machine {
        /// `e_machine`.
        machine: u16,
    },
    /// Too old.
    #[error("Python {version} is older than 3.8, the oldest that is read")]
    TooOld {
        /// The version.
        version: PythonVersion,
    },
    /// No table, and the order of what it publishes is not known.
    #[error(
        "Python {version} is newer than 3.{}, the newest that is read so far: the size and the \
         order of its _Py_DebugOffsets are not known, and are not guessed",
        debug_offsets::KNOWN_MINORS.end()
    )]
    TooNew {
        /// The version.
        version: PythonVersion,
    },
    /// An alpha or beta.
    #[error("Python {version} is a pre-release: its layout is not settled")]
    PreRelease {
        /// The version.
        version: PythonVersion,
    },
    /// The published offsets are not usable.
    #[error(transparent)]
    DebugOffsets(#[from] debug_offsets::DebugOffsetsError),
}

/// `EM_X86_64` of `elf.h`.
const EM_X86_64: u16 = 62;

impl InterpreterLayout {
    /// The layout of the CPython in a file.
    pub fn of(elf: &PythonElf, version: PythonVersion) -> Result<Self, LayoutError> {
        if elf.machine != EM_X86_64 {
            return Err(LayoutError::Machine {
                machine: elf.machine,
            });
        }
        if matches!(
            version.level,
            ReleaseLevel::Alpha(_) | ReleaseLevel::Beta(_)
        ) {
            return Err(LayoutError::PreRelease { version });
        }
        if version.minor < table::OLDEST_MINOR {
            return Err(LayoutError::TooOld { version });
        }
        if let Some(layout) = table::layout(version.minor) {
            return Ok(layout);
        }
        if !debug_offsets::KNOWN_MINORS.contains(&version.minor) {
            return Err(LayoutError::TooNew { version });
        }
        Ok(debug_offsets::layout(elf, version)?)
    }
}
