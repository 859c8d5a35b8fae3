//! One function for each decoder of foreign bytes: what the fuzzers of `fuzz/` and the
//! ordinary tests feed it. None may panic; some results are checked besides.

use std::collections::HashSet;

use leakcpu_common::{
    python::{FRAME_READ_BYTES, find_tstate},
    usdt::{arm64, x86_64},
};
use pyobserve::{
    bytecode::{Analysis, Code, Constant, SeenCallees},
    elf::{Image, Wanted, needs_libpython, python_elf, usdt_arguments, usdt_notes},
    interpreter::{
        CallReader, Callee, LineTableKind, PythonVersion, RemoteReader,
        layout::{InterpreterLayout, check::check},
        line_for, read_code, read_parts, read_signature, read_stack, threads,
    },
};

use crate::{
    image::Loaded,
    layouts,
    sample::{THREAD_ID, process},
};

/// A target by name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them; the names are those of the fuzz targets and of the corpus' folders.
pub const ALL: [Target; 7] = [
    ("elf", elf),
    ("debug_offsets", debug_offsets),
    ("line_table", line_table),
    ("text", text),
    ("objects", objects),
    ("bytecode", bytecode),
    ("usdt", usdt),
];

/// A file: header, segments, sections, symbols, notes, and what makes it a CPython.
pub fn elf(bytes: &[u8]) {
    let Ok(image) = Image::parse(bytes) else {
        return;
    };
    for segment in image.load_segments() {
        segment.load_bias(0x5555_0000_0000, segment.file_offset);
        let data = image.bytes_at(segment.address, u64::MAX);
        assert!(data.len() <= bytes.len());
    }
    image.build_id();
    let _ = image.symbols(Wanted::All, ["_PyRuntime", "main"]);
    let _ = image.section(".PyRuntime");
    let _ = needs_libpython(&image);
    let _ = usdt_notes(&image);
    if let Ok(Some(facts)) = python_elf(&image) {
        facts.load_bias(0x5555_0000_0000, 0x1000);
        if let Ok(version) = PythonVersion::of(&facts) {
            let _ = InterpreterLayout::of(&facts, version);
        }
    }
}

/// `_Py_DebugOffsets`: no offset of a layout reaches out of what is read at once.
pub fn debug_offsets(bytes: &[u8]) {
    let hex = bytes
        .get(8..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |hex| u32::from_le_bytes(*hex));
    let elf = layouts::elf(hex, bytes);
    let Ok(version) = PythonVersion::of(&elf) else {
        return;
    };
    let Ok(layout) = InterpreterLayout::of(&elf, version) else {
        return;
    };
    let window = FRAME_READ_BYTES;
    for offset in [
        layout.walk.frame_code,
        layout.walk.frame_previous,
        layout.walk.frame_instr,
    ] {
        assert!(usize::from(offset) + 8 <= window);
    }
    assert!(usize::from(layout.walk.frame_owner) < window);
    assert!(layout.object.unicode_ascii_data <= 96);
}

/// One byte for the machine, then where the arguments of a probe are, as its note says it.
pub fn usdt(bytes: &[u8]) {
    let Some((head, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let (machine, words) = if head & 1 == 0 {
        (62, x86_64::WORDS)
    } else {
        (183, arm64::WORDS)
    };
    let arguments = usdt_arguments(machine, text);
    assert!(arguments.len() <= 12);
    for argument in arguments.into_iter().flatten() {
        let register = |word| {
            assert!(word < words);
            Some(u64::MAX - u64::from(word))
        };
        assert!(argument.value(register, Some).is_some());
    }
}

/// One byte for the kind, four for the first line, eight for the offset, then the table.
pub fn line_table(bytes: &[u8]) {
    let Some((head, table)) = bytes.split_first_chunk::<13>() else {
        return;
    };
    let kind = match head[0] % 3 {
        0 => LineTableKind::Lnotab,
        1 => LineTableKind::Ranges,
        _ => LineTableKind::Locations,
    };
    let first_line = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let offset = i64::from_le_bytes(*head.last_chunk().expect("it is longer"));
    let line = line_for(table, kind, first_line, offset);
    if offset < 0 {
        assert_eq!(line, Some(first_line));
    }
    // What no entry reaches has no line, but that lnotab's last one has no end.
    let end = i64::try_from(512 * table.len()).expect("it is short");
    if offset > end && kind != LineTableKind::Lnotab {
        assert_eq!(line, None);
    }
}

/// One byte for the width, then the characters.
pub fn text(bytes: &[u8]) {
    let Some((head, characters)) = bytes.split_first() else {
        return;
    };
    let width = [1, 2, 4][usize::from(*head % 3)];
    let text = pyobserve::interpreter::decode_text(characters, width);
    let expected = characters.len() / usize::try_from(width).expect("it is small");
    assert_eq!(text.chars().count(), expected);
}

/// One byte for the layout and 15 that are not used, then memory: the runtime is at its
/// start, `PyCode_Type` at [`crate::sample::Sample::code_type`] of such an image.
pub fn objects(bytes: &[u8]) {
    let Some((head, memory)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let all = layouts::all();
    let (version, layout) = all[usize::from(head[0]) % all.len()];
    let code_type = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    let loaded = Loaded::new(memory);
    let runtime = loaded.start();
    let code_type = runtime.wrapping_add(code_type);
    let process = process(version, layout, runtime, code_type);
    let reader = RemoteReader::new(process.memory());
    let _ = threads(&process);
    let _ = check(process.memory(), &process.layout, code_type, None);
    let Some(tstate) = find_tstate(
        &reader,
        &layout.walk,
        process.kernel.main_interpreter,
        THREAD_ID,
        64,
    ) else {
        return;
    };
    let limit = 64;
    let (frames, _) = read_stack(&process, tstate, limit);
    // The root besides.
    assert!(frames.len() <= limit + 1);
    let mut seen = HashSet::new();
    for frame in frames {
        if !seen.insert(frame.address()) {
            continue;
        }
        if let Ok(code) = read_code(&process.memory(), &process, frame.address()) {
            code.lines.line(frame.instr);
        }
        if let Ok(parts) = read_parts(&process.memory(), &process, frame.address()) {
            judge(parts.code());
        }
        let _ = read_signature(&process, frame.address());
        let callee = Callee {
            code: frame.address(),
            arguments: 2,
        };
        let _ = CallReader::default().look(&process, tstate, &callee);
    }
}

/// One byte for the minor version, two for the length of the exception table, then that
/// table and the instructions.
pub fn bytecode(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<3>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
    let (exception_table, instructions) = rest.split_at(length.min(rest.len()));
    let texts = ["time", "done", "is_set", "lock", "sleep", "get_nowait"].map(str::to_owned);
    judge(Code {
        minor: head[0],
        bytes: instructions,
        exception_table,
        names: &texts,
        constants: &[
            Constant::None,
            Constant::Bool(false),
            Constant::Int(1),
            Constant::Text("job".to_owned()),
            Constant::Names(vec!["block".to_owned()]),
        ],
        locals: &texts,
        cells: &texts,
    });
}

/// Everything that is asked of a code object: what is said lies within it.
fn judge(code: Code<'_>) {
    let Ok(analysis) = Analysis::of(code) else {
        return;
    };
    let within = |ranges: &[std::ops::Range<u32>]| {
        let is_within = |range: &std::ops::Range<u32>| {
            range.start < range.end && range.end as usize <= code.bytes.len()
        };
        assert!(ranges.iter().all(is_within));
    };
    let none = SeenCallees::default();
    for (one, judged) in analysis.loops().iter().zip(analysis.judge_all()) {
        within(&one.ranges);
        within(judged.quiet.as_deref().unwrap_or_default());
        let _ = analysis.written(one);
        for lookup in analysis.steady_lookups(one) {
            within(&lookup.ranges);
        }
        if let Some(append) = analysis.only_appends(one) {
            within(&append.ranges);
        }
    }
    for instruction in analysis.instructions().iter().take(20) {
        let _ = analysis.dropped_call(instruction.offset);
    }
    let _ = analysis.pure_arguments("done", 2);
    let whole = analysis.judge_function(&none);
    within(&whole.returning);
    within(&whole.raising);
}
