//! Which number is which operation, by minor version.
//!
//! [`generated`] comes from the interpreters' own modules by `cargo xtask opcodes`.
//! Numbers of one minor version are the same in every build of it, free-threaded ones
//! included: `Include/opcode_ids.h` (3.13 and later) has no conditions.
//!
//! Specialized and instrumented instructions are rows of the operation they stand for.
//! The super-instructions of 3.11 and 3.12 are rows of their first part: the second one
//! stays where it was. Those of 3.13 and later are operations of their own, which
//! [`lower`](super::lower) takes apart.

#[rustfmt::skip]
mod generated;

pub use generated::Op;

/// What the argument of a jump counts, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    /// No jump.
    Nowhere,
    /// From the start of the code.
    Absolute,
    /// From the next instruction on.
    Forward,
    /// From the next instruction back.
    Backward,
}

/// One opcode of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    /// The operation, or the one it is a variant of.
    pub(super) op: Op,
    /// Inline cache entries that follow, of two bytes each.
    pub(super) caches: u8,
    /// Its argument means something.
    pub(super) has_arg: bool,
    /// What it means as a jump.
    pub(super) jump: Jump,
}

/// The opcodes of 3.`minor` by number; `None` for a version that is not known.
pub(super) fn of(minor: u8) -> Option<&'static [Option<Opcode>; 256]> {
    generated::TABLES
        .iter()
        .find(|(of, _)| *of == minor)
        .map(|(_, table)| *table)
}

/// Minor versions whose opcodes are known, ascending.
pub fn known_minors() -> impl Iterator<Item = u8> {
    generated::TABLES.iter().map(|(minor, _)| *minor)
}

const fn row(number: u8, op: Op, caches: u8, has_arg: bool, jump: Jump) -> (u8, Opcode) {
    let opcode = Opcode {
        op,
        caches,
        has_arg,
        jump,
    };
    (number, opcode)
}

const fn table(rows: &[(u8, Opcode)]) -> [Option<Opcode>; 256] {
    let mut table = [None; 256];
    let mut i = 0;
    while i < rows.len() {
        let (number, opcode) = rows[i];
        table[number as usize] = Some(opcode);
        i += 1;
    }
    table
}
