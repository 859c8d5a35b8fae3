//! Code objects.

use super::{
    Bytecode, LineTableKind, PythonProcess, RemoteError, RemoteMemory, TextError,
    layout::{InstructionPointer, ObjectLayout},
    line_table::line_for,
    text::read_text,
};

/// Largest line table that is read; the largest of the standard library has 50 kB.
const MAX_LINE_TABLE_BYTES: usize = 2 << 20;

/// More than any known code object's fixed fields need.
const HEAD_BYTES: usize = 256;

/// Why a code object could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Memory could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What is at that address is not (or no longer) a code object.
    #[error("no code object at {address:#x}")]
    NotCode {
        /// The address.
        address: u64,
    },
    /// A name could not be read.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// What tells whether memory at an address still holds the same code object: cheap
/// to read, and no two code objects alive at once share all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeWitness {
    /// `co_firstlineno`.
    pub first_line: u32,
    /// Address of `co_name`.
    pub name: u64,
    /// Address of `co_filename`.
    pub filename: u64,
    /// Address of the line table.
    pub line_table: u64,
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
    /// To see later whether it is still there.
    pub witness: CodeWitness,
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
    /// How it is written.
    pub kind: LineTableKind,
    /// How a frame of it says where it stands.
    pub instruction_pointer: InstructionPointer,
    /// Where its instructions are; nothing where frames do not point to them.
    pub bytecode: Bytecode,
}

impl CodeLines {
    /// The line a frame stands at; `instr` as in
    /// [`RawFrame::instr`](leakcpu_common::stack::RawFrame).
    pub fn line(&self, instr: u64) -> Option<u32> {
        let offset = self.offset(instr)?;
        line_for(&self.table, self.kind, self.first_line, offset)
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
struct Head([u8; HEAD_BYTES]);

impl Head {
    fn read(
        memory: RemoteMemory,
        layout: &ObjectLayout,
        address: u64,
    ) -> Result<Self, RemoteError> {
        // Up to the end of the last field that is used, so as not to reach over the
        // end of the mapping.
        let fields = [
            layout.code_filename,
            layout.code_name,
            layout.code_line_table,
            layout.code_first_line,
        ];
        let last = fields
            .into_iter()
            .chain(layout.code_qualname)
            .chain(layout.code_bytecode_copies)
            .max()
            .unwrap_or(0);
        let bytes = (usize::from(last) + 8).min(HEAD_BYTES);
        let mut head = [0; HEAD_BYTES];
        memory.read(address, &mut head[..bytes])?;
        Ok(Self(head))
    }

    fn u64(&self, offset: u16) -> u64 {
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

    fn witness(&self, layout: &ObjectLayout) -> CodeWitness {
        CodeWitness {
            first_line: self.u32(layout.code_first_line),
            name: self.u64(layout.code_name),
            filename: self.u64(layout.code_filename),
            line_table: self.u64(layout.code_line_table),
        }
    }

    /// A code object's type is `PyCode_Type`, which nothing else can have.
    fn is_code(&self, process: &PythonProcess) -> bool {
        process
            .code_type
            .is_none_or(|code_type| self.u64(process.layout.object.ob_type) == code_type)
    }
}

/// Reads the code object at `address`.
pub fn read_code(process: &PythonProcess, address: u64) -> Result<CodeObject, CodeError> {
    let memory = process.memory();
    let layout = &process.layout.object;
    let head = Head::read(memory, layout, address)?;
    if !head.is_code(process) {
        return Err(CodeError::NotCode { address });
    }
    let witness = head.witness(layout);
    let qualname = match layout.code_qualname {
        Some(offset) => Some(read_text(memory, layout, head.u64(offset))?),
        None => None,
    };
    let table_bytes = memory.read_u64(
        witness
            .line_table
            .wrapping_add(u64::from(layout.bytes_size)),
    )?;
    let table = memory.read_vec(
        witness
            .line_table
            .wrapping_add(u64::from(layout.bytes_data)),
        table_bytes,
        MAX_LINE_TABLE_BYTES,
    )?;
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
        name: read_text(memory, layout, witness.name)?,
        qualname,
        filename: read_text(memory, layout, witness.filename)?,
        lines: CodeLines {
            address,
            first_line: witness.first_line,
            table: table.into(),
            kind: layout.line_table_kind,
            instruction_pointer: layout.instruction_pointer,
            bytecode,
        },
        witness,
    };
    // The object may have been freed while its parts were being read.
    if read_witness(process, address)? != Some(witness) {
        return Err(CodeError::NotCode { address });
    }
    Ok(code)
}

/// Reads the witness of the code object at `address`; `None` if there is none.
pub fn read_witness(
    process: &PythonProcess,
    address: u64,
) -> Result<Option<CodeWitness>, RemoteError> {
    let layout = &process.layout.object;
    let head = Head::read(process.memory(), layout, address)?;
    Ok(head.is_code(process).then(|| head.witness(layout)))
}
