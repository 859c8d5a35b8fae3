//! What can go wrong while reading an ELF file.

/// Why a file gave no facts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The file does not begin with the ELF magic number.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file of another word size or byte order.
    #[error("a 32-bit or big-endian ELF file: only 64-bit little-endian ones are read")]
    Foreign,
    /// A table lies outside the file, or contradicts itself.
    #[error("corrupt ELF file: {what}: {why}")]
    Corrupt {
        /// Which part.
        what: &'static str,
        /// What the parser says.
        why: String,
    },
    /// A table is larger than anything that was ever seen.
    #[error("{what} of {bytes} bytes is more than the {limit} that are read")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
}

impl ElfError {
    pub(super) fn corrupt(what: &'static str) -> impl FnOnce(object::read::Error) -> Self {
        move |why| Self::Corrupt {
            what,
            why: why.to_string(),
        }
    }
}
