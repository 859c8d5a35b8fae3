//! What is looked at in a code object while a stack is walked.

use super::{
    layout::PyLayout,
    walk::{MemRead, field, word},
};
use crate::stack::witness;

/// `CO_OPTIMIZED` of `Include/cpython/code.h`: the code of a function. Bodies of
/// modules and classes and what `exec` and `eval` compile are without it; they run once
/// and are freed.
const CO_OPTIMIZED: u64 = 1;

/// A code object's fields that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeWords {
    /// [`witness`].
    pub witness: u64,
    /// Address of `co_filename`.
    pub filename: u64,
    /// Address of `co_name`.
    pub name: u64,
    /// Address of `co_qualname`.
    pub qualname: u64,
    /// Address of the line table.
    pub line_table: u64,
    /// It is the body of a function.
    pub is_function: bool,
}

/// Reads them.
#[inline(always)]
pub fn read_code<M: MemRead>(mem: &mut M, layout: &PyLayout, code: u64) -> Option<CodeWords> {
    let buf = mem.read_wide(code)?;
    let first_line = field(buf, layout.code_first_line) as u32;
    let name = word(buf, layout.code_name);
    let filename = word(buf, layout.code_filename);
    let line_table = word(buf, layout.code_line_table);
    Some(CodeWords {
        witness: witness(first_line, name, filename, line_table),
        filename,
        name,
        qualname: word(buf, layout.code_qualname),
        line_table,
        is_function: field(buf, layout.code_flags) & CO_OPTIMIZED != 0,
    })
}

/// Whether a code object with this file name was generated: `<string>`, `<attrs ...>`.
/// `<frozen ...>` is no such name.
#[inline(always)]
pub fn is_generated<M: MemRead>(mem: &M, layout: &PyLayout, filename: u64) -> bool {
    let Some(text) = mem.read_u64(filename.wrapping_add(u64::from(layout.text_data))) else {
        return false;
    };
    let [first, second, ..] = text.to_le_bytes();
    first == b'<' && second != b'f'
}
