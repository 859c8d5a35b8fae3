//! A code object as the judgement needs it.

/// A code object's parts. Whatever is missing makes the judgement weaker, never wrong.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// 11 of Python 3.11.
    pub minor: u8,
    /// `co_code`, or `co_code_adaptive` as it is run.
    pub bytes: &'a [u8],
    /// `co_exceptiontable` (3.11 and later).
    pub exception_table: &'a [u8],
    /// `co_names`.
    pub names: &'a [String],
    /// `co_consts`.
    pub constants: &'a [Constant],
    /// `co_localsplusnames`; before 3.11 `co_varnames`.
    pub locals: &'a [String],
    /// `co_cellvars` and `co_freevars`, before 3.11.
    pub cells: &'a [String],
}

impl Code<'_> {
    pub(super) fn name(&self, index: u32) -> Option<&str> {
        self.names.get(index as usize).map(String::as_str)
    }

    pub(super) fn local(&self, index: u32) -> Option<&str> {
        self.locals.get(index as usize).map(String::as_str)
    }

    /// From 3.11 on cells are counted among the local variables.
    pub(super) fn cell(&self, index: u32) -> Option<&str> {
        let cells = if self.minor >= 11 {
            self.locals
        } else {
            self.cells
        };
        cells.get(index as usize).map(String::as_str)
    }
}

/// A constant, as far as it matters.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `None`.
    None,
    /// A `bool`.
    Bool(bool),
    /// An `int` of 64 bits.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A `tuple` of `str`: names of keyword arguments.
    Names(Vec<String>),
    /// A `tuple` of anything else, or a `frozenset`.
    Tuple,
    /// Anything else, or not known.
    Other,
}
