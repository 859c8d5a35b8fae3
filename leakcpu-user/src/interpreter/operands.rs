//! What the instruction that a thread executes takes from the stack, and what its loops go over:
//! types and sizes.
//!
//! The thread runs meanwhile. What is read counts only if it stood at the same instruction of the
//! same frame before and after, with the same values on the stack: then they are its operands, or
//! those of another turn of the same loop.
//!
//! Sources: `Include/object.h` (flags of types), `Include/cpython/listobject.h`,
//! `Include/cpython/dictobject.h`, `Include/setobject.h`, `Modules/_collectionsmodule.c`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    CodeLines, ObjectMemory, PythonProcess, RemoteError, RemoteMemory,
    frame_values::{code_of, innermost_frame},
    layout::InterpreterLayout,
};

/// Longest name of a type that is kept, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// A container says that it has more items than this only if it is none.
const MAX_ITEMS: u64 = 1 << 40;

/// Bits of `tp_flags`.
const HEAP_TYPE: u64 = 1 << 9;
const INT: u64 = 1 << 24;
const LIST: u64 = 1 << 25;
const TUPLE: u64 = 1 << 26;
const BYTES: u64 = 1 << 27;
const TEXT: u64 = 1 << 28;
const DICT: u64 = 1 << 29;

/// Values of a frame that are looked at while it stands somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperandPlace {
    /// The code object.
    pub lines: CodeLines,
    /// Where it is to stand, in bytes.
    pub ranges: Box<[Range<u32>]>,
    /// It is to stand at the same instruction before and after the look.
    pub is_one_instruction: bool,
    /// Numbers among the frame's variables and values, [`MAX_SLOTS`] of them at most.
    pub slots: Box<[u32]>,
}

/// Most values that are looked at in one place.
pub const MAX_SLOTS: usize = 4;

/// What kind of thing a value is: of this type, or of one made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperandType {
    /// `int`, `bool`.
    Int,
    /// `float`.
    Float,
    /// `str`.
    Text,
    /// `bytes`.
    Bytes,
    /// `list`.
    List,
    /// `tuple`.
    Tuple,
    /// `dict`.
    Dict,
    /// `set`, `frozenset`.
    Set,
    /// `collections.deque`.
    Deque,
    /// Anything else.
    Other,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// What kind of thing it is.
    pub of: OperandType,
    /// The name of its type, as far as it is plain text.
    pub type_name: String,
    /// How many items or characters it has.
    pub size: Option<u64>,
}

/// What a loop goes over, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iterated {
    /// The address of the list or tuple.
    pub container: u64,
    /// Its items.
    pub items: u64,
    /// The number of the next one.
    pub index: u64,
}

/// The operands of the instruction that the thread with its `PyThreadState` at `tstate` is at, if
/// that is one of `places`, and its number there.
pub fn operands(
    process: &PythonProcess,
    tstate: u64,
    places: &[OperandPlace],
) -> Result<Option<(usize, [Operand; 2])>, RemoteError> {
    let tag = u64::from(process.layout.walk.code_tag_mask);
    look(process, tstate, places, |memory, layout, values| {
        let left = operand(&memory, layout, values[0] & !tag)?;
        let right = operand(&memory, layout, values[1] & !tag)?;
        Ok(left.zip(right).map(|(left, right)| [left, right]))
    })
}

/// The value in the first slot of one of `places`, where the thread is.
pub fn single(
    process: &PythonProcess,
    tstate: u64,
    places: &[OperandPlace],
) -> Result<Option<(usize, Operand)>, RemoteError> {
    let tag = u64::from(process.layout.walk.code_tag_mask);
    look(process, tstate, places, |memory, layout, values| {
        operand(&memory, layout, values[0] & !tag)
    })
}

/// What the loops go over whose iterators are in the slots of one of `places`, where the thread
/// is: in pairs from 3.15 on, with a number beside each.
pub fn iterated(
    process: &PythonProcess,
    tstate: u64,
    places: &[OperandPlace],
) -> Result<Option<(usize, [Iterated; 2])>, RemoteError> {
    let each = if process.version.minor >= 15 { 2 } else { 1 };
    look(process, tstate, places, |memory, layout, values| {
        let one = |number: usize| {
            let at = each * number;
            let beside = (each == 2).then(|| values[at + 1]);
            over(memory, layout, values[at], beside)
        };
        Ok(one(0)?.zip(one(1)?).map(|(first, second)| [first, second]))
    })
}

/// Reads what is meant of the values of one of `places`, if the thread is there before and after,
/// with the same values.
fn look<T>(
    process: &PythonProcess,
    tstate: u64,
    places: &[OperandPlace],
    read: impl FnOnce(
        RemoteMemory,
        &InterpreterLayout,
        [u64; MAX_SLOTS],
    ) -> Result<Option<T>, RemoteError>,
) -> Result<Option<(usize, T)>, RemoteError> {
    let Some(before) = Moment::of(process, tstate, places)? else {
        return Ok(None);
    };
    let found = read(process.memory(), &process.layout, before.values)?;
    let is_same = Moment::of(process, tstate, places)?.is_some_and(|after| {
        let is_there = after.instr == before.instr || !places[before.place].is_one_instruction;
        let after = Moment {
            instr: before.instr,
            ..after
        };
        is_there && after == before
    });
    Ok(found.filter(|_| is_same).map(|found| (before.place, found)))
}

/// Where a thread stands.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Moment {
    frame: u64,
    instr: u64,
    place: usize,
    values: [u64; MAX_SLOTS],
}

impl Moment {
    fn of(
        process: &PythonProcess,
        tstate: u64,
        places: &[OperandPlace],
    ) -> Result<Option<Self>, RemoteError> {
        let frame = innermost_frame(process, tstate);
        if frame == 0 {
            return Ok(None);
        }
        let layout = &process.layout;
        let memory = process.memory();
        let code = code_of(process, frame)?;
        let at = u64::from(layout.walk.frame_base) + u64::from(layout.walk.frame_instr);
        let word = memory.read_u64(frame.wrapping_add(at))?;
        let instr = match layout.walk.frame_instr_spare_bits & 63 {
            0 => word,
            // A number of 32 bits, with another one beside it.
            bits => ((word << bits).cast_signed() >> bits).cast_unsigned(),
        };
        let place = places.iter().position(|place| {
            let offset = place.lines.offset(instr);
            let offset = offset.and_then(|offset| u32::try_from(offset).ok());
            let is_in = |offset| place.ranges.iter().any(|range| range.contains(&offset));
            place.lines.address == code && offset.is_some_and(is_in)
        });
        let Some(place) = place else {
            return Ok(None);
        };
        let mut values = [0; MAX_SLOTS];
        for (value, slot) in values.iter_mut().zip(&places[place].slots) {
            let at = u64::from(layout.parts.frame_locals) + 8 * u64::from(*slot);
            *value = memory.read_u64(frame.wrapping_add(at))?;
        }
        Ok(Some(Self {
            frame,
            instr,
            place,
            values,
        }))
    }
}

/// What an iterator goes over, if that is a list or tuple; from 3.15 on the loop may keep the
/// list itself, and the number of the next item beside it (`Python/ceval.c`,
/// `_PyForIter_VirtualIteratorNext`; `Include/internal/pycore_stackref.h` for how numbers are
/// told).
fn over(
    memory: RemoteMemory,
    layout: &InterpreterLayout,
    value: u64,
    beside: Option<u64>,
) -> Result<Option<Iterated>, RemoteError> {
    let object = value & !u64::from(layout.walk.code_tag_mask);
    let Some(found) = operand(&memory, layout, object)? else {
        return Ok(None);
    };
    if let (OperandType::List | OperandType::Tuple, Some(items)) = (found.of, found.size) {
        let number = beside.filter(|number| number & 3 == 3);
        return Ok(number.map(|number| Iterated {
            container: object,
            items,
            index: number >> 2,
        }));
    }
    if !matches!(found.type_name.as_str(), "list_iterator" | "tuple_iterator") {
        return Ok(None);
    }
    // `it_index` and `it_seq` of `listiterobject` and `_PyTupleIterObject`.
    let head = u64::from(layout.lock.head);
    let index = memory.read_u64(object.wrapping_add(head))?;
    let container = memory.read_u64(object.wrapping_add(head + 8))?;
    let items = match operand(&memory, layout, container)? {
        Some(of) if matches!(of.of, OperandType::List | OperandType::Tuple) => of.size,
        _ => None,
    };
    Ok(items.map(|items| Iterated {
        container,
        items,
        // One that has come to its end says -1.
        index: index.min(items),
    }))
}

/// What a value is; `None` if there is none, or it is no object that can be understood.
fn operand(
    memory: &impl ObjectMemory,
    layout: &InterpreterLayout,
    object: u64,
) -> Result<Option<Operand>, RemoteError> {
    let word = |address: u64, offset: u16| -> Result<u64, RemoteError> {
        let mut bytes = [0; 8];
        memory.read_some(address.wrapping_add(offset.into()), 8, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    };
    if object == 0 || !object.is_multiple_of(8) {
        return Ok(None);
    }
    let of = word(object, layout.object.ob_type)?;
    let flags = word(of, layout.parts.tp_flags)?;
    let mut name = [0; MAX_NAME_BYTES];
    let read = memory.read_some(word(of, layout.lock.tp_name)?, 1, &mut name)?;
    let Some(type_name) = plain(&name[..read]) else {
        return Ok(None);
    };
    let of = kind(flags, &type_name);
    let size = match of {
        OperandType::Int | OperandType::Float | OperandType::Other => None,
        OperandType::Set => Some(word(object, layout.parts.set_used)?),
        // The word behind the head is the length of a text, and how many items a dict has, too.
        _ => Some(word(object, layout.object.bytes_size)?),
    };
    if size.is_some_and(|size| size > MAX_ITEMS) {
        return Ok(None);
    }
    Ok(Some(Operand {
        of,
        type_name,
        size,
    }))
}

/// By the flags that a type has from `list` and the like; those without a flag by their names,
/// which a class of the program may have too.
fn kind(flags: u64, name: &str) -> OperandType {
    let flagged = [
        (INT, OperandType::Int),
        (LIST, OperandType::List),
        (TUPLE, OperandType::Tuple),
        (BYTES, OperandType::Bytes),
        (TEXT, OperandType::Text),
        (DICT, OperandType::Dict),
    ];
    if let Some((_, of)) = flagged.iter().find(|(flag, _)| flags & flag != 0) {
        return *of;
    }
    match name {
        "float" if flags & HEAP_TYPE == 0 => OperandType::Float,
        // Numbers of numpy, each an object of its own.
        _ if name.starts_with("numpy.float") => OperandType::Float,
        _ if name.starts_with("numpy.int") || name.starts_with("numpy.uint") => OperandType::Int,
        "set" | "frozenset" if flags & HEAP_TYPE == 0 => OperandType::Set,
        // A dot is in no class's own name.
        "collections.deque" => OperandType::Deque,
        _ => OperandType::Other,
    }
}

/// A name that is fit to be printed.
fn plain(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = &bytes[..end];
    let is_plain = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_plain.then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_the_program_are_not_taken_for_others() {
        assert_eq!(kind(LIST | HEAP_TYPE, "Basket"), OperandType::List);
        assert_eq!(kind(HEAP_TYPE, "list"), OperandType::Other);
        assert_eq!(kind(HEAP_TYPE, "set"), OperandType::Other);
        assert_eq!(kind(0, "set"), OperandType::Set);
        assert_eq!(kind(HEAP_TYPE, "collections.deque"), OperandType::Deque);
    }

    #[test]
    fn names_that_are_no_plain_text_are_none() {
        assert_eq!(plain(b"list\0..."), Some("list".to_owned()));
        assert_eq!(plain(b"\0"), None);
        assert_eq!(plain(b"a\x1b[31m\0"), None);
        assert_eq!(plain(b"no end"), None);
    }
}
