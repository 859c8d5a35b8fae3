//! CPython: versions, layouts, remote reads, code objects, line tables.
//!
//! Everything is read from outside with bounded `process_vm_readv` calls; the
//! target is neither stopped nor changed. A layout is data ([`layout`]): a new
//! version is a new table or a new list of published offsets, no new code.

mod argument_values;
mod attach;
mod awaited_lock;
mod bytecode;
mod code;
mod frame_values;
pub mod layout;
mod line_table;
mod memory;
mod operands;
mod parked;
mod parts;
mod remote;
mod seen_calls;
mod signature;
mod stack;
mod text;
mod threads;
mod version;

pub use argument_values::ArgumentValue;
pub use attach::{AttachError, Interpreters, PythonProcess};
pub use awaited_lock::{AwaitedLock, AwaitedLockError, LockKind, RLockOwner, awaited_lock};
pub use bytecode::Bytecode;
pub use code::{CodeError, CodeLines, CodeObject, read_code, read_witness};
pub use frame_values::{FrameValues, MAX_VALUES, frame_values};
pub use line_table::{LineTableKind, line_for, line_for_start};
pub use memory::{CopiedMemory, ObjectMemory};
pub use operands::{Iterated, Operand, OperandPlace, OperandType, iterated, operands, single};
pub use parked::{ParkedError, ParkedStack, parked, parked_native};
pub use parts::{CodeParts, read_parts};
pub use remote::{RemoteError, RemoteMemory, RemoteReader};
pub use seen_calls::{CallReader, Callee, MAX_ARGUMENTS, SeenCall};
pub use signature::{Signature, read_signature};
pub use stack::read_stack;
pub use text::{TextError, decode_text};
pub use threads::{PyThread, ThreadsError, running_state, threads};
pub use version::{PythonVersion, VersionError};
