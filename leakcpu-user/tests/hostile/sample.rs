//! A process with one thread, three functions on its stack, in the layout of any build.

use leakcpu_common::{
    process::PyProcess,
    python::{FramePlan, NO_PLACEHOLDER},
};
use pyobserve::interpreter::{
    LineTableKind, PythonProcess, PythonVersion, RemoteMemory,
    layout::{GilPlace, InstructionPointer, InterpreterLayout},
};

use crate::image::{Image, Loaded};

/// `thread_id` of the only thread.
pub const THREAD_ID: u64 = 0x7f00_1234_5000;

/// First line of every function; they stand three lines below it.
pub const FIRST_LINE: u32 = 10;
/// The line that every function stands at.
pub const LINE: u32 = 13;

/// Leaf first: ASCII, Latin-1, UCS-2 and UCS-4 are four ways to write a string.
pub const NAMES: [&str; 3] = ["leaf", "café", "中文"];
/// The file of all of them.
pub const FILE: &str = "/srv/🐍.py";

/// Instructions of every function, in units of two bytes.
const UNITS: u64 = 8;
/// The one that every function stands at, in bytes.
const STANDS_AT: u64 = 10;

/// Where things are in the image.
#[derive(Clone, Debug)]
pub struct Sample {
    pub version: PythonVersion,
    pub layout: InterpreterLayout,
    pub image: Image,
    pub runtime: u64,
    pub tstate: u64,
    pub code_type: u64,
    pub member_table: u64,
    /// As [`NAMES`].
    pub codes: Vec<u64>,
    /// Leaf first, those of the interpreter's own C functions left out.
    pub frames: Vec<u64>,
    /// Line table, name and, where it has them, copies of the bytecode of the leaf.
    pub leaf_table: u64,
    pub leaf_name: u64,
    pub leaf_copies: Option<u64>,
}

impl Sample {
    pub fn new(version: PythonVersion, layout: InterpreterLayout) -> Self {
        let mut image = Image::default();
        let head = usize::try_from(layout.walk.runtime_interpreters_head).unwrap();
        let runtime = image.room(head + 16);
        let gil = usize::from(layout.gil.end);
        let interpreter = image.room(
            usize::try_from(layout.walk.interp_threads_head.max(layout.walk.interp_next)).unwrap()
                + 400,
        );
        let mut sample = Self {
            version,
            layout,
            runtime,
            tstate: image.room(320),
            code_type: image.room(512),
            member_table: image.room(0),
            codes: Vec::new(),
            frames: Vec::new(),
            leaf_table: 0,
            leaf_name: 0,
            leaf_copies: None,
            image,
        };
        let walk = layout.walk;
        for offset in [
            walk.runtime_interpreters_head,
            walk.runtime_main_interpreter,
        ] {
            sample.point(runtime, offset, interpreter);
        }
        sample.point(interpreter, walk.interp_threads_head, sample.tstate);
        if let GilPlace::BehindInterpreter(offset) = layout.gil.place {
            let gil = sample.image.room(gil);
            sample.point(interpreter, offset, gil);
        }
        sample.point(sample.tstate, layout.tstate_interp, interpreter);
        sample.point(sample.tstate, walk.tstate_thread_id, THREAD_ID);
        sample.add_members();
        for name in NAMES {
            sample.add_code(name);
        }
        sample.add_frames();
        sample
    }

    pub fn point(&mut self, address: u64, offset: impl Into<u64>, value: u64) {
        self.image.put_u64(address, offset.into(), value);
    }

    /// `PyCode_Type.tp_members`.
    fn add_members(&mut self) {
        let object = self.layout.object;
        let line_table = match object.line_table_kind {
            LineTableKind::Lnotab => "co_lnotab",
            LineTableKind::Ranges | LineTableKind::Locations => "co_linetable",
        };
        let mut members = vec![
            ("co_argcount", 1),
            ("co_flags", object.code_flags),
            ("co_firstlineno", object.code_first_line),
            ("co_filename", object.code_filename),
            ("co_name", object.code_name),
            (line_table, object.code_line_table),
        ];
        members.extend(object.code_qualname.map(|offset| ("co_qualname", offset)));
        let names: Vec<u64> = members
            .iter()
            .map(|(name, _)| {
                let at = self.image.room(32);
                self.image.put(at, 0, name.as_bytes());
                at
            })
            .collect();
        // With the empty entry that ends it.
        self.member_table = self.image.room(40 * (members.len() + 1));
        for (i, ((_, offset), name)) in members.iter().zip(names).enumerate() {
            let at = 40 * i as u64;
            self.point(self.member_table, at, name);
            self.point(self.member_table, at + 16, u64::from(*offset));
        }
        self.point(self.code_type, object.tp_members, self.member_table);
    }

    /// A compact string, of the narrowest characters that it fits into.
    fn add_text(&mut self, text: &str) -> u64 {
        let object = self.layout.object;
        let widest = text.chars().map(u32::from).max().unwrap_or(0);
        let width = match widest {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        let characters: Vec<u8> = text
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes()[..width].to_vec())
            .collect();
        let is_ascii = widest < 0x80;
        let data = if is_ascii {
            object.unicode_ascii_data
        } else {
            object.unicode_compact_data
        };
        let at = self.image.room(usize::from(data) + characters.len() + 4);
        let state = 1 << object.unicode_compact_bit
            | u32::from(is_ascii) << object.unicode_ascii_bit
            | u32::try_from(width).unwrap() << object.unicode_kind_bit;
        self.point(at, object.unicode_length, text.chars().count() as u64);
        self.image
            .put_u32(at, u64::from(object.unicode_state), state);
        self.image.put(at, u64::from(data), &characters);
        at
    }

    fn add_code(&mut self, name: &str) {
        let object = self.layout.object;
        // Two units with a line more, then the rest with two more; the locations in the
        // form without columns.
        let table: &[u8] = match object.line_table_kind {
            LineTableKind::Lnotab => &[0, 1, 4, 2],
            LineTableKind::Ranges => &[4, 1, 12, 2],
            LineTableKind::Locations => &[0x80 | 13 << 3 | 1, 2, 0x80 | 13 << 3 | 5, 4],
        };
        let bytes = self
            .image
            .room(usize::from(object.bytes_data) + table.len() + 1);
        self.point(bytes, object.bytes_size, table.len() as u64);
        self.image.put(bytes, u64::from(object.bytes_data), table);

        let at = self.image.room(320);
        let name_at = self.add_text(name);
        let file = self.add_text(FILE);
        // `ob_refcnt`: it is alive.
        self.image.put_u64(at, 0, 1);
        self.point(at, object.ob_type, self.code_type);
        self.image
            .put_u32(at, u64::from(object.code_first_line), FIRST_LINE);
        self.point(at, object.code_filename, file);
        self.point(at, object.code_name, name_at);
        self.point(at, object.code_line_table, bytes);
        if let Some(offset) = object.code_qualname {
            self.point(at, offset, name_at);
            // 3.11 and later: so many units follow.
            self.point(at, object.bytes_size, UNITS);
        }
        if let Some(offset) = object.code_bytecode_copies
            && self.codes.is_empty()
        {
            let array = self.image.room(8 + 3 * 8);
            let copy = self.image.room(2 * 8);
            self.point(array, 0_u64, 3);
            self.point(array, 8_u64, at + self.code_start());
            // The second thread has not called it.
            self.point(array, 24_u64, copy);
            self.point(at, offset, array);
            self.leaf_copies = Some(array);
        }
        if self.codes.is_empty() {
            (self.leaf_table, self.leaf_name) = (bytes, name_at);
        }
        self.codes.push(at);
    }

    fn code_start(&self) -> u64 {
        match self.layout.object.instruction_pointer {
            InstructionPointer::Pointer(offset) => offset.into(),
            InstructionPointer::Bytes | InstructionPointer::Units => 0,
        }
    }

    /// What `instr` of a frame of function `i` is in the image.
    fn instr(&self, i: usize) -> u64 {
        match self.layout.object.instruction_pointer {
            InstructionPointer::Bytes => STANDS_AT,
            InstructionPointer::Units => STANDS_AT / 2,
            InstructionPointer::Pointer(_) => match self.leaf_copies {
                // In the third thread's copy, behind the array.
                Some(array) if i == 0 => array + 32 + STANDS_AT,
                _ => self.codes[i] + self.code_start() + STANDS_AT,
            },
        }
    }

    /// A frame for each function, from the root on: each was called by the next, the leaf
    /// by way of C.
    fn add_frames(&mut self) {
        let walk = self.layout.walk;
        let base = u64::from(walk.frame_base);
        let has_placeholders = walk.placeholder_owner != NO_PLACEHOLDER;
        let mut previous = 0;
        for i in (0..NAMES.len()).rev() {
            let is_entry = i == 0 || i + 1 == NAMES.len();
            if has_placeholders && is_entry {
                let at = self.image.room(112);
                self.point(at, base + u64::from(walk.frame_previous), previous);
                let owner = walk.placeholder_owner.to_le_bytes()[0];
                self.image
                    .put(at, base + u64::from(walk.frame_owner), &[owner]);
                previous = at;
            }
            let at = self.image.room(112);
            // Tagged, where a tag there may be.
            let code = self.codes[i] | u64::from(walk.code_tag_mask);
            self.point(at, base + u64::from(walk.frame_code), code);
            self.point(at, base + u64::from(walk.frame_previous), previous);
            let instr = self.instr(i);
            if walk.frame_instr_spare_bits == 32 {
                let instr = u32::try_from(instr).unwrap();
                let offset = base + u64::from(walk.frame_instr);
                self.image.put_u32(at, offset, instr);
            } else {
                self.point(at, base + u64::from(walk.frame_instr), instr);
            }
            if walk.frame_entry_mask != 0 {
                let offset = base + u64::from(walk.frame_entry);
                self.image.put(at, offset, &[u8::from(is_entry)]);
            }
            previous = at;
            self.frames.insert(0, at);
        }
        self.set_leaf(previous);
    }

    /// Makes the thread stand in the frame at `frame`.
    pub fn set_leaf(&mut self, frame: u64) {
        let walk = self.layout.walk;
        let mut at = frame;
        if walk.frame_indirect == 1 {
            let cframe = self.image.room(32);
            self.point(cframe, walk.cframe_current_frame, frame);
            at = cframe;
        }
        self.point(self.tstate, walk.tstate_frame, at);
    }

    /// Lets frame `i` have been called by the frame at `previous`.
    pub fn set_previous(&mut self, i: usize, previous: u64) {
        let walk = self.layout.walk;
        let offset = u64::from(walk.frame_base) + u64::from(walk.frame_previous);
        self.point(self.frames[i], offset, previous);
    }

    /// Into this process' memory, to be read as if it were another's.
    pub fn load(&self) -> (Loaded, PythonProcess) {
        let loaded = Loaded::new(self.image.bytes());
        let process = process(
            self.version,
            self.layout,
            loaded.at(self.runtime),
            loaded.at(self.code_type),
        );
        (loaded, process)
    }
}

/// This process, as one that has such an interpreter.
pub fn process(
    version: PythonVersion,
    layout: InterpreterLayout,
    runtime: u64,
    code_type: u64,
) -> PythonProcess {
    PythonProcess {
        pid: std::process::id(),
        start_boottime_ns: 0,
        version,
        kernel: PyProcess {
            layout: layout.walk,
            plan: FramePlan::of(&layout.walk),
            runtime,
            main_interpreter: RemoteMemory::new(std::process::id())
                .read_u64(runtime.wrapping_add(layout.walk.runtime_main_interpreter.into()))
                .unwrap_or(0),
            ..PyProcess::default()
        },
        layout: layout.into(),
        gil_enabled: true,
        code_type: Some(code_type),
        none: None,
    }
}
