//! What a call was given: numbers, texts and tuples of them, by value.
//!
//! Only what nobody can change, and what hashes and compares by its value alone: of these types
//! themselves, not of classes made from them.
//!
//! Sources: `Include/object.h` (flags of types), `Include/cpython/tupleobject.h`,
//! `Include/cpython/bytesobject.h`.

use std::collections::HashMap;

use super::{
    ObjectMemory, RemoteError, TextError, code::read_bytes, layout::InterpreterLayout,
    parts::Reader, text::read_text,
};

/// Longest text that is read, in bytes.
const MAX_BYTES: u64 = 1024;
/// Most items of a tuple.
const MAX_ITEMS: usize = 16;
/// Tuples in tuples.
const MAX_DEPTH: usize = 2;
/// Longest name of such a type, with its end.
const NAME_BYTES: usize = 9;
/// `Py_TPFLAGS_HEAPTYPE` of `tp_flags`: a class of the program.
const HEAP_TYPE: u64 = 1 << 9;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgumentValue {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// `int` of at most 60 bits.
    Int(i64),
    /// The bits of a `float` that is a number.
    Float(u64),
    /// `str`.
    Text(Box<str>),
    /// `bytes`.
    Bytes(Box<[u8]>),
    /// `tuple`.
    Tuple(Box<[Self]>),
}

impl ArgumentValue {
    /// The name of its type.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::Tuple(_) => "tuple",
        }
    }
}

/// A type whose values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exact {
    None,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    Tuple,
}

/// Types by address, for as long as one process is looked at; `None` is any other type.
#[derive(Debug, Default)]
pub(super) struct KnownTypes(HashMap<u64, Option<Exact>>);

impl KnownTypes {
    /// The value of the object at an address; `None` if it is no such value, or too large.
    pub(super) fn value(
        &mut self,
        memory: &impl ObjectMemory,
        layout: &InterpreterLayout,
        object: u64,
    ) -> Result<Option<ArgumentValue>, RemoteError> {
        self.value_within(memory, layout, object, MAX_DEPTH)
    }

    fn value_within(
        &mut self,
        memory: &impl ObjectMemory,
        layout: &InterpreterLayout,
        object: u64,
        depth: usize,
    ) -> Result<Option<ArgumentValue>, RemoteError> {
        if object == 0 || !object.is_multiple_of(8) {
            return Ok(None);
        }
        let reader = Reader::new(memory, layout);
        let of = reader.field(object, layout.object.ob_type)?;
        let Some(of) = self.type_at(memory, layout, of)? else {
            return Ok(None);
        };
        Ok(match of {
            Exact::None => Some(ArgumentValue::None),
            // `Py_False` is 0, `Py_True` 1.
            Exact::Bool => reader.int(object)?.map(|n| ArgumentValue::Bool(n != 0)),
            Exact::Int => reader.int(object)?.map(ArgumentValue::Int),
            Exact::Float => {
                let bits = reader.field(object, layout.parts.float_value)?;
                let is_number = !f64::from_bits(bits).is_nan();
                is_number.then_some(ArgumentValue::Float(bits))
            }
            Exact::Text => text(memory, layout, object)?,
            Exact::Bytes => {
                if reader.field(object, layout.object.bytes_size)? > MAX_BYTES {
                    return Ok(None);
                }
                let (bytes, is_whole) = read_bytes(memory, &layout.object, object)?;
                is_whole.then(|| ArgumentValue::Bytes(bytes.into()))
            }
            Exact::Tuple => {
                let count = reader.field(object, layout.object.bytes_size)?;
                if count > MAX_ITEMS as u64 || depth == 0 {
                    return Ok(None);
                }
                let mut values = Vec::new();
                for item in reader.items(object, MAX_ITEMS)? {
                    match self.value_within(memory, layout, item, depth - 1)? {
                        Some(value) => values.push(value),
                        None => return Ok(None),
                    }
                }
                Some(ArgumentValue::Tuple(values.into()))
            }
        })
    }

    /// The value of the object at an address, if that is a number.
    pub(super) fn number(
        &mut self,
        memory: &impl ObjectMemory,
        layout: &InterpreterLayout,
        object: u64,
    ) -> Result<Option<u64>, RemoteError> {
        if object == 0 || !object.is_multiple_of(8) {
            return Ok(None);
        }
        let reader = Reader::new(memory, layout);
        let of = reader.field(object, layout.object.ob_type)?;
        Ok(match self.type_at(memory, layout, of)? {
            Some(Exact::Int) => reader.int(object)?.map(i64::cast_unsigned),
            Some(Exact::Float) => Some(reader.field(object, layout.parts.float_value)?),
            _ => None,
        })
    }

    fn type_at(
        &mut self,
        memory: &impl ObjectMemory,
        layout: &InterpreterLayout,
        address: u64,
    ) -> Result<Option<Exact>, RemoteError> {
        if let Some(known) = self.0.get(&address) {
            return Ok(*known);
        }
        let reader = Reader::new(memory, layout);
        let flags = reader.field(address, layout.parts.tp_flags)?;
        let name = reader.field(address, layout.lock.tp_name)?;
        let mut text = [0; NAME_BYTES];
        let read = memory.read_some(name, 1, &mut text)?;
        let found = exact(flags, &text[..read]);
        self.0.insert(address, found);
        Ok(found)
    }
}

fn text(
    memory: &impl ObjectMemory,
    layout: &InterpreterLayout,
    object: u64,
) -> Result<Option<ArgumentValue>, RemoteError> {
    let text = match read_text(memory, &layout.object, object) {
        Ok(text) => text,
        Err(TextError::Remote(RemoteError::TooLong { .. }) | TextError::NotCompact { .. }) => {
            return Ok(None);
        }
        Err(TextError::Remote(error)) => return Err(error),
    };
    // What is no character is read as this one, whatever it was.
    let is_exact = text.is_whole && !text.value.contains(char::REPLACEMENT_CHARACTER);
    let is_short = text.value.len() as u64 <= MAX_BYTES;
    Ok((is_exact && is_short).then(|| ArgumentValue::Text(text.value.into())))
}

/// Which type this is, by its flags and the beginning of its name.
fn exact(flags: u64, name: &[u8]) -> Option<Exact> {
    if flags & HEAP_TYPE != 0 {
        return None;
    }
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(match &name[..end] {
        b"NoneType" => Exact::None,
        b"bool" => Exact::Bool,
        b"int" => Exact::Int,
        b"float" => Exact::Float,
        b"str" => Exact::Text,
        b"bytes" => Exact::Bytes,
        b"tuple" => Exact::Tuple,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_languages_own_types_are_read() {
        assert_eq!(exact(0, b"int\0"), Some(Exact::Int));
        assert_eq!(exact(0, b"NoneType\0"), Some(Exact::None));
        assert_eq!(exact(HEAP_TYPE, b"int\0"), None);
        assert_eq!(exact(0, b"integer\0"), None);
        assert_eq!(exact(0, b"a long na"), None);
    }
}
