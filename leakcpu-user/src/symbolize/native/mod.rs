//! Names of native code: of the instructions that samples interrupted, and of the
//! frames of native stacks.
//!
//! Addresses are turned into places in files while the process lives, and the files
//! are held open, so that their symbols can be read when it is gone. Symbols are read
//! through bounded reads, never mapped: a file that its owner truncates costs names,
//! not us. A name is exact only if its symbol covers the address.

mod call;
mod debug_file;
mod demangle;
mod elf_names;
mod files;
mod kernel;
mod perf_map;
mod space;
mod symbolizer;
mod vdso;

pub use call::{is_after_call, is_root};
pub use files::CodeFiles;
pub use kernel::is_kernel_address;
pub use space::AddressSpace;
pub use symbolizer::{Address, NativeName, NativeSymbolizer, Owner};
