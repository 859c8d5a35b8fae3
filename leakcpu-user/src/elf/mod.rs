//! ELF facts from bytes: symbols, sections, load addresses, build ids.
//!
//! Nothing here opens a path. [`Image`] reads from anything that implements
//! [`object::ReadRef`]: a byte slice, or a [`object::ReadCache`] over an open
//! file, which reads only the tables that are asked for.

mod error;
mod functions;
mod image;
mod python;
mod usdt;
mod usdt_arguments;

pub use error::ElfError;
pub use functions::FunctionSymbol;
pub use image::{Image, LoadSegment, Symbol, Wanted};
pub use python::{PythonElf, needs_libpython, python_elf};
pub use usdt::{CPYTHON, UsdtNotes, UsdtPlace, UsdtProbe, UsdtRefusal, usdt_notes};
pub use usdt_arguments::usdt_arguments;
