//! Names for frames, or why there is none; what a wait waits for.
//!
//! "The operation failed" and "this frame has no name" are different answers: the
//! outer `Result` of [`Symbolizer::symbolize`] is the first, the inner the second.

mod cache;
mod code_table;
mod library;
mod name;
pub mod native;
mod symbolizer;
mod waits;

pub use code_table::{CodeId, CodeTable, Sight, Verification};
pub use library::{is_library_file, library_dir, library_dirs};
pub use name::{FunctionName, NoName, SymbolizeError, SymbolizedFrame};
pub use symbolizer::Symbolizer;
pub use waits::{NamedWait, name_wait};
