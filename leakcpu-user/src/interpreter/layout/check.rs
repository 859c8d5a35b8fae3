//! A layout against what the live interpreter says of itself: the member tables of
//! `PyCode_Type` and `PyFrame_Type` name fields and their offsets.
//!
//! Source: `PyMemberDef` in `Include/structmember.h` (`Include/descrobject.h` from
//! 3.12): name, type, offset, flags, doc; 40 bytes.

use super::{InterpreterLayout, ObjectLayout};
use crate::interpreter::{LineTableKind, RemoteError, RemoteMemory};

const MEMBER_BYTES: usize = 40;
const MEMBER_OFFSET: usize = 16;
/// `PyCode_Type` has 16 at most.
const MAX_MEMBERS: u64 = 64;
/// Longest member name is `co_posonlyargcount`.
const NAME_BYTES: usize = 24;

/// The layout is not that of the interpreter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{type_name} has {member} at {}, the known layout at {expected}", at(*found))]
pub struct Mismatch {
    /// `PyCode_Type` or `PyFrame_Type`.
    pub type_name: &'static str,
    /// The member that differs.
    pub member: &'static str,
    /// Its offset in the layout.
    pub expected: u64,
    /// Its offset in the process; `None` if the type has no such member.
    pub found: Option<u64>,
}

fn at(found: Option<u64>) -> String {
    found.map_or_else(|| "no place".to_owned(), |offset| offset.to_string())
}

/// Compares the live types at these run-time addresses with `layout`.
pub fn check(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    code_type: u64,
    frame_type: Option<u64>,
) -> Result<Result<(), Mismatch>, RemoteError> {
    let code = compare(
        memory,
        &layout.object,
        "PyCode_Type",
        code_type,
        &code_members(&layout.object),
    )?;
    // From 3.11 on the frame object says nothing about the interpreter's frames.
    match frame_type {
        Some(frame_type) if code.is_ok() && layout.walk.frame_base != 0 => compare(
            memory,
            &layout.object,
            "PyFrame_Type",
            frame_type,
            &frame_members(layout),
        ),
        _ => Ok(code),
    }
}

fn code_members(object: &ObjectLayout) -> Vec<(&'static str, u64)> {
    let line_table = match object.line_table_kind {
        LineTableKind::Lnotab => "co_lnotab",
        LineTableKind::Ranges | LineTableKind::Locations => "co_linetable",
    };
    let mut members = vec![
        ("co_flags", u64::from(object.code_flags)),
        ("co_firstlineno", u64::from(object.code_first_line)),
        ("co_filename", u64::from(object.code_filename)),
        ("co_name", u64::from(object.code_name)),
        (line_table, u64::from(object.code_line_table)),
    ];
    members.extend(
        object
            .code_qualname
            .map(|offset| ("co_qualname", u64::from(offset))),
    );
    members
}

fn frame_members(layout: &InterpreterLayout) -> Vec<(&'static str, u64)> {
    let from_base = |offset: u16| u64::from(layout.walk.frame_base + offset);
    let mut members = vec![
        ("f_back", from_base(layout.walk.frame_previous)),
        ("f_code", from_base(layout.walk.frame_code)),
    ];
    // 3.10 computes `f_lasti`, so that it is no plain member there.
    if layout.object.line_table_kind == LineTableKind::Lnotab {
        members.push(("f_lasti", from_base(layout.walk.frame_instr)));
    }
    members
}

fn compare(
    memory: RemoteMemory,
    object: &ObjectLayout,
    type_name: &'static str,
    type_address: u64,
    expected: &[(&'static str, u64)],
) -> Result<Result<(), Mismatch>, RemoteError> {
    let table = memory.read_u64(type_address.wrapping_add(u64::from(object.tp_members)))?;
    let mut found = vec![None; expected.len()];
    for i in 0..MAX_MEMBERS {
        let mut entry = [0; MEMBER_BYTES];
        memory.read(table.wrapping_add(i * MEMBER_BYTES as u64), &mut entry)?;
        let word = |at: usize| {
            entry[at..]
                .first_chunk()
                .map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        if word(0) == 0 {
            break;
        }
        let mut name = [0; NAME_BYTES];
        memory.read(word(0), &mut name)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Some(i) = expected
            .iter()
            .position(|(member, _)| member.as_bytes() == name)
        {
            found[i] = Some(word(MEMBER_OFFSET));
        }
    }
    let wrong = expected
        .iter()
        .zip(found)
        .find(|((_, offset), found)| Some(*offset) != *found);
    Ok(match wrong {
        Some(((member, expected), found)) => Err(Mismatch {
            type_name,
            member,
            expected: *expected,
            found,
        }),
        None => Ok(()),
    })
}
