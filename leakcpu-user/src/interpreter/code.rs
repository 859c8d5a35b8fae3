//! Code objects.

use leakcpu_common::stack::{FILENAME_TAIL_BYTES, NAME_TAIL_BYTES, Testimony, witness};

use super::{
    Bytecode, LineTableKind, ObjectMemory, PythonProcess, RemoteError, RemoteReader, TextError,
    layout::{InstructionPointer, InterpreterLayout, ObjectLayout},
    line_table::{line_for, line_for_start},
    text::read_text,
};

/// Largest line table that is read; the largest of the standard library has 50 kB.
const MAX_LINE_TABLE_BYTES: usize = 2 << 20;

/// More than any known code object's fixed fields need.
const HEAD_BYTES: usize = 256;

/// Bytes of a line table that are read in one go with its object's head.
const TABLE_AHEAD_BYTES: usize = 512;

/// `CO_OPTIMIZED` of `Include/cpython/code.h`: the code of a function.
const CO_OPTIMIZED: u32 = 1;

/// Why a code object could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Memory could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What is at that address is no code object and was none when it was last freed.
    #[error("no code object at {address:#x}")]
    NotCode {
        /// The address.
        address: u64,
    },
    /// The code object at that address has been freed, or was while it was being read.
    #[error("the code object at {address:#x} has been freed")]
    Freed {
        /// The address.
        address: u64,
    },
    /// A name could not be read.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// A code object's own facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeObject {
    /// `co_name`.
    pub name: String,
    /// `co_qualname` (3.11 and later).
    pub qualname: Option<String>,
    /// `co_filename`.
    pub filename: String,
    /// Its lines.
    pub lines: CodeLines,
    /// [`witness`]: tells whether its address still holds the same code object.
    pub witness: u64,
    /// The body of a function, not of a module or class and not what `exec` runs.
    pub is_function: bool,
    /// Names and line table were read to their ends.
    pub is_whole: bool,
}

impl CodeObject {
    /// Whether the kernel side expects another code object at this address soon: as in
    /// `leakcpu_common::python`, where the rule is. A file name in another alphabet
    /// lies elsewhere than the kernel side looks.
    pub fn is_short_lived(&self) -> bool {
        let is_generated = self.filename.is_ascii()
            && self.filename.starts_with('<')
            && !self.filename.starts_with("<f");
        !self.is_function || is_generated
    }
}

/// From where a frame stands to the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLines {
    /// Address of the code object.
    pub address: u64,
    /// `co_firstlineno`.
    pub first_line: u32,
    /// `co_lnotab` or `co_linetable`.
    pub table: Box<[u8]>,
    /// `table` is all of it, not only its beginning.
    pub is_whole: bool,
    /// How it is written.
    pub kind: LineTableKind,
    /// How a frame of it says where it stands.
    pub instruction_pointer: InstructionPointer,
    /// Where its instructions are; nothing where frames do not point to them.
    pub bytecode: Bytecode,
    /// Instructions (of two bytes) before the first that belongs to the function;
    /// `None` before 3.11.
    pub first_traceable: Option<u32>,
}

impl CodeLines {
    /// The line a frame stands at; `instr` as in
    /// [`RawFrame::instr`](leakcpu_common::stack::RawFrame).
    pub fn line(&self, instr: u64) -> Option<u32> {
        let offset = self.offset(instr)?;
        let line = if self.is_whole {
            line_for
        } else {
            line_for_start
        };
        line(&self.table, self.kind, self.first_line, offset)
    }

    /// Whether a leaf frame that stands at `instr` is still being set up, so that
    /// Python's own tracebacks leave it out (`_PyFrame_IsIncomplete` of
    /// `Include/internal/pycore_frame.h`, 3.11 and later).
    pub fn is_before_start(&self, instr: u64) -> bool {
        let Some(first) = self.first_traceable else {
            return false;
        };
        self.offset(instr)
            .is_some_and(|offset| offset < 2 * i64::from(first))
    }

    /// Bytes from the first instruction to where `instr` says that a frame stands;
    /// `None` if that is outside the code: in a copy that was made since it was read.
    pub fn offset(&self, instr: u64) -> Option<i64> {
        match self.instruction_pointer {
            InstructionPointer::Bytes => Some(instr.cast_signed()),
            InstructionPointer::Units => instr.cast_signed().checked_mul(2),
            InstructionPointer::Pointer(code_start) => {
                let start = self.address.wrapping_add(u64::from(code_start));
                self.bytecode.offset(start, instr)
            }
        }
    }
}

/// The fixed part of a code object.
pub(super) struct Head([u8; HEAD_BYTES]);

impl Head {
    pub(super) fn read(
        memory: &impl ObjectMemory,
        layout: &InterpreterLayout,
        address: u64,
    ) -> Result<Self, RemoteError> {
        // Up to the end of the last field that is used, so as not to reach over the
        // end of the mapping.
        let fields = [
            layout.object.code_filename,
            layout.object.code_name,
            layout.object.code_line_table,
            layout.object.code_first_line,
            layout.walk.code_flags,
        ];
        let last = fields
            .into_iter()
            .chain(layout.object.code_qualname)
            .chain(layout.object.code_first_traceable)
            .chain(layout.object.code_bytecode_copies)
            .max()
            .unwrap_or(0);
        let bytes = (usize::from(last) + 8).min(HEAD_BYTES);
        let mut head = [0; HEAD_BYTES];
        memory.read_some(address, bytes, &mut head[..bytes])?;
        Ok(Self(head))
    }

    pub(super) fn u64(&self, offset: u16) -> u64 {
        self.0
            .get(usize::from(offset)..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |b| u64::from_le_bytes(*b))
    }

    fn u32(&self, offset: u16) -> u32 {
        self.0
            .get(usize::from(offset)..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |b| u32::from_le_bytes(*b))
    }

    /// What tells one code object from another while it is being read.
    pub(super) fn parts(&self, layout: &ObjectLayout) -> Testimony {
        Testimony {
            first_line: self.u32(layout.code_first_line),
            name: self.u64(layout.code_name),
            filename: self.u64(layout.code_filename),
            line_table: self.u64(layout.code_line_table),
            ..Testimony::default()
        }
    }

    pub(super) fn is_there(&self, process: &PythonProcess) -> bool {
        self.is_code(process) && self.is_alive(&process.layout.object)
    }

    /// A code object's type is `PyCode_Type`, which nothing else can have.
    pub(super) fn is_code(&self, process: &PythonProcess) -> bool {
        process
            .code_type
            .is_none_or(|code_type| self.u64(process.layout.object.ob_type) == code_type)
    }

    /// A freed object keeps its type and names until its memory is used again: pymalloc
    /// writes the address of the next free block, or 0, over the first word alone
    /// (`Objects/obmalloc.c`), which is the reference count (`Include/object.h`). In its
    /// upper half a living object has at most flags, in the last 16 bits (3.14); the
    /// address of a block has bits 32 to 46. Free-threaded builds have another first
    /// word, of which nothing is known.
    pub(super) fn is_alive(&self, layout: &ObjectLayout) -> bool {
        const HAS_REFERENCE_COUNT_FIRST: u16 = 8;
        if layout.ob_type != HAS_REFERENCE_COUNT_FIRST {
            return true;
        }
        self.u32(0) != 0 && self.u32(4).trailing_zeros() >= 16
    }
}

/// Reads the code object at `address` of `process` from `memory`.
pub fn read_code(
    memory: &impl ObjectMemory,
    process: &PythonProcess,
    address: u64,
) -> Result<CodeObject, CodeError> {
    let layout = &process.layout.object;
    let head = Head::read(memory, &process.layout, address)?;
    if !head.is_code(process) {
        return Err(CodeError::NotCode { address });
    }
    if !head.is_alive(layout) {
        return Err(CodeError::Freed { address });
    }
    let qualname = match layout.code_qualname {
        Some(offset) => Some(read_text(memory, layout, head.u64(offset))?),
        None => None,
    };
    let name = read_text(memory, layout, head.u64(layout.code_name))?;
    let filename = read_text(memory, layout, head.u64(layout.code_filename))?;
    let (table, is_table_whole) = match read_bytes(memory, layout, head.u64(layout.code_line_table))
    {
        Ok(table) => table,
        // Without it there is a name all the same.
        Err(RemoteError::Unmapped { .. } | RemoteError::TooLong { .. }) => (Vec::new(), false),
        Err(error) => return Err(error.into()),
    };
    let is_whole = name.is_whole
        && filename.is_whole
        && qualname.as_ref().is_none_or(|text| text.is_whole)
        && is_table_whole;
    let bytecode = match layout.instruction_pointer {
        InstructionPointer::Pointer(code_start) => Bytecode::read(
            memory,
            head.u64(layout.bytes_size),
            layout
                .code_bytecode_copies
                .map_or(0, |offset| head.u64(offset)),
            address.wrapping_add(u64::from(code_start)),
        )?,
        InstructionPointer::Bytes | InstructionPointer::Units => Bytecode::default(),
    };
    let code = CodeObject {
        lines: CodeLines {
            address,
            first_line: head.u32(layout.code_first_line),
            table: table.into(),
            is_whole: is_table_whole,
            kind: layout.line_table_kind,
            instruction_pointer: layout.instruction_pointer,
            bytecode,
            first_traceable: layout.code_first_traceable.map(|offset| head.u32(offset)),
        },
        witness: witness(Testimony {
            name_tag: name.tag(NAME_TAIL_BYTES),
            filename_tag: filename.tag(FILENAME_TAIL_BYTES),
            ..head.parts(layout)
        }),
        is_function: head.u32(process.layout.walk.code_flags) & CO_OPTIMIZED != 0,
        is_whole,
        name: name.value,
        qualname: qualname.map(|text| text.value),
        filename: filename.value,
    };
    // The object may have been freed while its parts were being read.
    let again = Head::read(memory, &process.layout, address)?;
    if !again.is_there(process) || again.parts(layout) != head.parts(layout) {
        return Err(CodeError::Freed { address });
    }
    Ok(code)
}

/// Reads the witness of the code object at `address`; `None` if there is none.
pub fn read_witness(process: &PythonProcess, address: u64) -> Result<Option<u64>, RemoteError> {
    let head = Head::read(&process.memory(), &process.layout, address)?;
    if !head.is_there(process) {
        return Ok(None);
    }
    let mut reader = RemoteReader::new(process.memory());
    let words = leakcpu_common::python::read_code(&mut reader, &process.layout.walk, address);
    Ok(words.map(|words| words.witness))
}

/// The contents of a `bytes` object, and whether they are all of them.
pub(super) fn read_bytes(
    memory: &impl ObjectMemory,
    layout: &ObjectLayout,
    address: u64,
) -> Result<(Vec<u8>, bool), RemoteError> {
    let data_offset = usize::from(layout.bytes_data);
    let mut ahead = [0; TABLE_AHEAD_BYTES];
    let read = memory.read_some(address, data_offset, &mut ahead)?;
    let ahead = &ahead[..read];
    let length = ahead
        .get(usize::from(layout.bytes_size)..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |b| u64::from_le_bytes(*b));
    let end = usize::try_from(length).map_or(usize::MAX, |n| data_offset.saturating_add(n));
    if let Some(bytes) = ahead.get(data_offset..end) {
        return Ok((bytes.to_vec(), true));
    }
    let data = address.wrapping_add(u64::from(layout.bytes_data));
    let bytes = memory.read_start(data, length, MAX_LINE_TABLE_BYTES)?;
    let is_whole = bytes.len() as u64 == length;
    Ok((bytes, is_whole))
}
