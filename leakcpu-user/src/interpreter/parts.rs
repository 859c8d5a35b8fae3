//! What a code object's instructions refer to: names, constants, exception table.
//!
//! Read for the few code objects whose loops are judged (`crate::bytecode`).

use std::collections::HashMap;

use super::{
    CodeError, ObjectMemory, PythonProcess, RemoteError,
    code::{Head, read_bytes},
    layout::{InstructionPointer, InterpreterLayout},
    text::read_text,
};
use crate::bytecode::{Code, Constant, MAX_CODE_BYTES};

/// Most names, or constants, that are read of a code object.
const MAX_ITEMS: usize = 2048;

/// Longest text of a constant that is kept, in bytes: only names of keywords matter.
const MAX_TEXT_BYTES: usize = 100;

/// Largest tuple of keyword names.
const MAX_KEYWORDS: usize = 64;

/// A code object's parts, as far as a judgement of its loops needs them.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeParts {
    /// 11 of Python 3.11.
    pub minor: u8,
    /// Its instructions as it runs them.
    pub instructions: Vec<u8>,
    /// `co_exceptiontable`; empty before 3.11.
    pub exception_table: Vec<u8>,
    /// `co_names`.
    pub names: Vec<String>,
    /// `co_consts`.
    pub constants: Vec<Constant>,
    /// `co_localsplusnames`, before 3.11 `co_varnames`.
    pub locals: Vec<String>,
    /// `co_cellvars` and `co_freevars`, before 3.11.
    pub cells: Vec<String>,
}

impl CodeParts {
    /// What is judged.
    pub fn code(&self) -> Code<'_> {
        Code {
            minor: self.minor,
            bytes: &self.instructions,
            exception_table: &self.exception_table,
            names: &self.names,
            constants: &self.constants,
            locals: &self.locals,
            cells: &self.cells,
        }
    }
}

/// Reads the parts of the code object at `address` of `process` from `memory`. Instructions
/// and tables are whole or an error; of names and constants those behind the first 2048
/// are left out.
pub fn read_parts(
    memory: &impl ObjectMemory,
    process: &PythonProcess,
    address: u64,
) -> Result<CodeParts, CodeError> {
    let layout = &process.layout;
    let head = Head::read(memory, layout, address)?;
    if !head.is_code(process) {
        return Err(CodeError::NotCode { address });
    }
    if !head.is_alive(&layout.object) {
        return Err(CodeError::Freed { address });
    }
    let mut reader = Reader::new(memory, layout);
    let parts = &layout.parts;
    let instructions = match (parts.code, layout.object.instruction_pointer) {
        (None, InstructionPointer::Pointer(start)) => {
            let bytes = head.u64(layout.object.bytes_size).saturating_mul(2);
            memory.read_start(address.wrapping_add(start.into()), bytes, MAX_CODE_BYTES)?
        }
        (code, _) => reader.bytes(head.u64(code.unwrap_or_default()))?,
    };
    let exception_table = match parts.exception_table {
        Some(offset) => reader.bytes(head.u64(offset))?,
        None => Vec::new(),
    };
    let mut cells = Vec::new();
    for offset in parts.cells.into_iter().flatten() {
        cells.extend(reader.texts(head.u64(offset), MAX_ITEMS)?);
    }
    let read = CodeParts {
        minor: process.version.minor,
        instructions,
        exception_table,
        names: reader.texts(head.u64(parts.names), MAX_ITEMS)?,
        constants: reader.constants(head.u64(parts.constants))?,
        locals: reader.texts(head.u64(parts.locals), MAX_ITEMS)?,
        cells,
    };
    // The object may have been freed while its parts were being read.
    let again = Head::read(memory, layout, address)?;
    let is_same = |offset: u16| again.u64(offset) == head.u64(offset);
    let is_there =
        again.is_there(process) && again.parts(&layout.object) == head.parts(&layout.object);
    if !is_there || !is_same(parts.names) || !is_same(parts.constants) {
        return Err(CodeError::Freed { address });
    }
    Ok(read)
}

/// What an object is, by the name of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    None,
    Bool,
    Int,
    Float,
    Text,
    Tuple,
    FrozenSet,
    Other,
}

/// Reads objects whose type matters.
pub(super) struct Reader<'a, M> {
    memory: &'a M,
    layout: &'a InterpreterLayout,
    /// By address.
    types: HashMap<u64, Type>,
}

impl<'a, M: ObjectMemory> Reader<'a, M> {
    pub(super) fn new(memory: &'a M, layout: &'a InterpreterLayout) -> Self {
        Self {
            memory,
            layout,
            types: HashMap::new(),
        }
    }

    /// What tells an object from others: the value of a number, else its address.
    pub(super) fn identity(&mut self, object: u64) -> Result<u64, RemoteError> {
        Ok(match self.type_of(object)? {
            Type::Int => self.int(object)?.map_or(object, i64::cast_unsigned),
            Type::Float => self.field(object, self.layout.parts.float_value)?,
            _ => object,
        })
    }

    pub(super) fn word(&self, address: u64) -> Result<u64, RemoteError> {
        let mut bytes = [0; 8];
        self.memory.read_some(address, 8, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn field(&self, object: u64, offset: u16) -> Result<u64, RemoteError> {
        self.word(object.wrapping_add(offset.into()))
    }

    /// A `bytes` object, whole.
    fn bytes(&self, address: u64) -> Result<Vec<u8>, RemoteError> {
        let (bytes, is_whole) = read_bytes(self.memory, &self.layout.object, address)?;
        if is_whole {
            Ok(bytes)
        } else {
            let bytes = bytes.len();
            Err(RemoteError::Unmapped { address, bytes })
        }
    }

    /// The first items of a tuple.
    pub(super) fn items(&self, tuple: u64, limit: usize) -> Result<Vec<u64>, RemoteError> {
        let count = self.field(tuple, self.layout.object.bytes_size)?;
        let count = count.min(limit as u64);
        let start = tuple.wrapping_add(self.layout.parts.tuple_items.into());
        let bytes = self.memory.read_start(start, count * 8, limit * 8)?;
        let words = bytes.as_chunks::<8>().0.iter();
        Ok(words.map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// A tuple of texts; what is no text is empty, so that it names nothing.
    fn texts(&self, tuple: u64, limit: usize) -> Result<Vec<String>, RemoteError> {
        let text = |item| {
            read_text(self.memory, &self.layout.object, item)
                .map_or_else(|_| String::new(), |text| text.value)
        };
        Ok(self.items(tuple, limit)?.into_iter().map(text).collect())
    }

    fn constants(&mut self, tuple: u64) -> Result<Vec<Constant>, RemoteError> {
        let items = self.items(tuple, MAX_ITEMS)?;
        items.into_iter().map(|item| self.constant(item)).collect()
    }

    fn constant(&mut self, object: u64) -> Result<Constant, RemoteError> {
        Ok(match self.type_of(object)? {
            Type::None => Constant::None,
            // `Py_False` is 0, `Py_True` 1.
            Type::Bool => match self.int(object)? {
                Some(value) => Constant::Bool(value != 0),
                None => Constant::Other,
            },
            Type::Int => self.int(object)?.map_or(Constant::Other, Constant::Int),
            Type::Float => {
                let bits = self.field(object, self.layout.parts.float_value)?;
                Constant::Float(f64::from_bits(bits))
            }
            Type::Text => match read_text(self.memory, &self.layout.object, object) {
                Ok(text) => Constant::Text(start_of(text.value)),
                Err(_) => Constant::Other,
            },
            Type::Tuple => self.names(object)?,
            Type::FrozenSet => Constant::Tuple,
            Type::Other => Constant::Other,
        })
    }

    /// A tuple, which may be one of keywords' names.
    fn names(&mut self, tuple: u64) -> Result<Constant, RemoteError> {
        let count = self.field(tuple, self.layout.object.bytes_size)?;
        if count == 0 || count > MAX_KEYWORDS as u64 {
            return Ok(Constant::Tuple);
        }
        for item in self.items(tuple, MAX_KEYWORDS)? {
            if self.type_of(item)? != Type::Text {
                return Ok(Constant::Tuple);
            }
        }
        self.texts(tuple, MAX_KEYWORDS).map(Constant::Names)
    }

    /// An integer of at most 62 bits.
    pub(super) fn int(&self, object: u64) -> Result<Option<i64>, RemoteError> {
        let parts = &self.layout.parts;
        let size = self.field(object, parts.int_digits - 8)?;
        let (count, is_negative) = if parts.has_int_tag {
            (size >> 3, size & 3 == 2)
        } else {
            let size = size.cast_signed();
            (size.unsigned_abs(), size < 0)
        };
        let digits = match count {
            0 => return Ok(Some(0)),
            1 | 2 => self.field(object, parts.int_digits)?,
            _ => return Ok(None),
        };
        let (low, high) = (
            digits & 0xffff_ffff,
            if count == 2 { digits >> 32 } else { 0 },
        );
        let value = (low | high << 30).cast_signed();
        Ok(Some(if is_negative { -value } else { value }))
    }

    fn type_of(&mut self, object: u64) -> Result<Type, RemoteError> {
        let address = self.field(object, self.layout.object.ob_type)?;
        if let Some(known) = self.types.get(&address) {
            return Ok(*known);
        }
        let name = self.field(address, self.layout.lock.tp_name)?;
        let mut text = [0; 16];
        let read = self.memory.read_some(name, 1, &mut text)?;
        let text = text[..read].split(|byte| *byte == 0).next();
        let found = match text.unwrap_or_default() {
            b"NoneType" => Type::None,
            b"bool" => Type::Bool,
            b"int" => Type::Int,
            b"float" => Type::Float,
            b"str" => Type::Text,
            b"tuple" => Type::Tuple,
            b"frozenset" => Type::FrozenSet,
            _ => Type::Other,
        };
        self.types.insert(address, found);
        Ok(found)
    }
}

fn start_of(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}
