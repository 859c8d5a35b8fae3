//! Names for frames, or why there is none; what a wait waits for.
//!
//! "The operation failed" and "this frame has no name" are different answers: the
//! outer `Result` of [`Symbolizer::symbolize`] is the first, the inner the second.

mod library;
pub mod native;
mod symbolizer;
mod waits;

pub use library::{is_library_file, library_dir};
pub use symbolizer::{
    FunctionName, NoName, SymbolizeError, SymbolizedFrame, Symbolizer, Verification,
};
pub use waits::{NamedWait, name_wait};
