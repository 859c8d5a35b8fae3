//! Every number of every layout is what the compiler makes of CPython's own headers.
//!
//! `cargo xtask offsets` runs this with the table shown.

mod headers;

use std::collections::{BTreeMap, BTreeSet};

use headers::{Facts, Headers};
use leakcpu_common::python::{NO_DATASTACK, NO_PLACEHOLDER};
use pyobserve::{
    elf::{PythonElf, Symbol},
    interpreter::{
        PythonVersion,
        layout::{GilPlace, InstructionPointer, InterpreterLayout, debug_offsets},
    },
};

/// Minor versions whose layouts there are.
const MINORS: std::ops::RangeInclusive<u8> = 8..=15;

/// Set by `cargo xtask offsets`: a missing compiler or version is then no success.
const REQUIRE: &str = "PYOBSERVE_REQUIRE_HEADERS";

#[test]
fn layouts_are_the_compilers() {
    let required = std::env::var_os(REQUIRE).is_some();
    if !headers::has_compiler() {
        assert!(!required, "no C compiler: install one, or name it in CC");
        eprintln!("SKIPPED: no C compiler on this machine");
        return;
    }
    let installed = headers::installed();
    let (known, unknown): (Vec<_>, Vec<_>) = installed
        .iter()
        .partition(|headers| MINORS.contains(&headers.minor));
    for headers in unknown {
        eprintln!("SKIPPED: no layout of {}", headers.folder.display());
    }
    for minor in MINORS.filter(|minor| !known.iter().any(|headers| headers.minor == *minor)) {
        eprintln!("SKIPPED: no internal headers of 3.{minor} on this machine");
    }
    assert!(
        !required || !known.is_empty(),
        "no internal headers of any version: install python3-dev, or pyenv's builds"
    );
    let mut table = Table::default();
    for headers in known {
        let facts = headers::facts(headers);
        let hex = u32::try_from(facts.numbers["PY_VERSION_HEX"]).unwrap();
        let version = PythonVersion::from_hex(hex).unwrap();
        eprintln!("{version}: {}", headers.folder.display());
        let expected = match committed(headers, &facts, version) {
            Ok(expected) => expected,
            Err(why) => {
                table.wrong.push(format!("{}: {why}", headers.build()));
                continue;
            }
        };
        table.add(headers, &facts, &expected);
    }
    eprintln!("{table}");
    assert!(
        table.wrong.is_empty(),
        "layouts differ from the headers:\n  {}",
        table.wrong.join("\n  ")
    );
}

/// The numbers of the layout that pyobserve has of such a build, named as the facts are.
fn committed(
    headers: &Headers,
    facts: &Facts,
    version: PythonVersion,
) -> Result<BTreeMap<String, u64>, String> {
    let elf = PythonElf {
        machine: 62,
        runtime: Symbol {
            address: 0,
            size: facts.numbers["sizeof(_PyRuntimeState)"],
        },
        runtime_head: facts.runtime_head.clone(),
        version_hex: u32::try_from(facts.numbers["PY_VERSION_HEX"]).ok(),
        version_strings: BTreeSet::new(),
        has_api_3_8: true,
        has_api_3_9: true,
        has_api_3_10: true,
        code_type: None,
        frame_type: None,
        none: None,
        probes: pyobserve::elf::UsdtNotes::default(),
        segments: Vec::new(),
        build_id: None,
    };
    let layout = InterpreterLayout::of(&elf, version).map_err(|why| why.to_string())?;
    if layout.free_threaded != headers.free_threaded {
        return Err("taken for the other kind of build".to_owned());
    }
    let mut numbers = BTreeMap::new();
    for (name, number) in self::numbers(&layout).into_iter().chain(again(&layout)) {
        // What two parts of the layout have is the same in both.
        if *numbers.entry(name.to_owned()).or_insert(number) != number {
            return Err(format!("{name} differs between the parts of the layout"));
        }
    }
    numbers.insert("PY_VERSION_HEX".to_owned(), facts.numbers["PY_VERSION_HEX"]);
    numbers.insert("sizeof(_PyRuntimeState)".to_owned(), elf.runtime.size);
    if let Some(words) = debug_offsets::words(headers.minor) {
        // Cookie, version and kind of build lead them.
        let bytes = |words: usize| 8 * (3 + words) as u64;
        numbers.insert("sizeof(_Py_DebugOffsets)".to_owned(), bytes(words.len()));
        numbers.extend(words.iter().enumerate().map(|(i, word)| {
            let name = format!("_Py_DebugOffsets.{}.{}", word.group, word.name);
            (name, bytes(i))
        }));
    }
    Ok(numbers)
}

fn numbers(layout: &InterpreterLayout) -> Vec<(&'static str, u64)> {
    let walk = &layout.walk;
    let object = &layout.object;
    let gil = &layout.gil;
    let lock = &layout.lock;
    let parts = &layout.parts;
    let in_frame = |offset: u16| u64::from(walk.frame_base) + u64::from(offset);
    let mut numbers = vec![
        (
            "_PyRuntimeState.interpreters.head",
            walk.runtime_interpreters_head.into(),
        ),
        (
            "_PyRuntimeState.interpreters.main",
            walk.runtime_main_interpreter.into(),
        ),
        (
            "PyInterpreterState.threads.head",
            walk.interp_threads_head.into(),
        ),
        ("PyInterpreterState.next", walk.interp_next.into()),
        ("PyThreadState.next", walk.tstate_next.into()),
        ("PyThreadState.interp", layout.tstate_interp.into()),
        ("PyThreadState.thread_id", walk.tstate_thread_id.into()),
        ("PyThreadState.frame", walk.tstate_frame.into()),
        ("frame.code", in_frame(walk.frame_code)),
        ("frame.instr", in_frame(walk.frame_instr)),
        ("frame.instr spare bits", walk.frame_instr_spare_bits.into()),
        ("frame.previous", in_frame(walk.frame_previous)),
        ("code pointer's tag", walk.code_tag_mask.into()),
        ("PyObject.ob_type", object.ob_type.into()),
        ("PyTypeObject.tp_members", object.tp_members.into()),
        ("PyTypeObject.tp_name", lock.tp_name.into()),
        ("PyTypeObject.tp_basicsize", lock.tp_basicsize.into()),
        ("sizeof(PyObject)", lock.head.into()),
        // Of `layout::check`.
        ("sizeof(PyMemberDef)", 40),
        ("PyMemberDef.offset", 16),
        ("PyCodeObject.co_flags", object.code_flags.into()),
        ("PyCodeObject.co_firstlineno", object.code_first_line.into()),
        ("PyCodeObject.co_filename", object.code_filename.into()),
        ("PyCodeObject.co_name", object.code_name.into()),
        (
            "PyCodeObject.co_qualname",
            object.code_qualname.unwrap_or(object.code_name).into(),
        ),
        ("PyCodeObject.co_linetable", object.code_line_table.into()),
        ("PyCodeObject.co_argcount", parts.arguments.into()),
        // What `interpreter::Signature` reads.
        ("co_kwonlyargcount - co_argcount", 8),
        ("PyCodeObject.co_consts", parts.constants.into()),
        ("PyCodeObject.co_names", parts.names.into()),
        ("PyCodeObject.co_localsplusnames", parts.locals.into()),
        ("PyTupleObject.ob_item", parts.tuple_items.into()),
        ("PyFloatObject.ob_fval", parts.float_value.into()),
        ("PyLongObject.ob_digit", parts.int_digits.into()),
        ("PyVarObject.ob_size", object.bytes_size.into()),
        ("PyBytesObject.ob_sval", object.bytes_data.into()),
        ("PyASCIIObject.length", object.unicode_length.into()),
        ("PyASCIIObject.state", object.unicode_state.into()),
        ("state.kind bit", object.unicode_kind_bit.into()),
        ("state.compact bit", object.unicode_compact_bit.into()),
        ("state.ascii bit", object.unicode_ascii_bit.into()),
        ("sizeof(PyASCIIObject)", object.unicode_ascii_data.into()),
        (
            "sizeof(PyCompactUnicodeObject)",
            object.unicode_compact_data.into(),
        ),
        ("gil.interval", gil.interval.into()),
        ("gil.last_holder", gil.last_holder.into()),
        ("gil.locked", gil.locked.into()),
        ("gil.cond", gil.cond.into()),
        ("gil.end", gil.end.into()),
        match gil.place {
            GilPlace::InRuntime(offset) => ("_PyRuntimeState.ceval.gil", offset.into()),
            GilPlace::BehindInterpreter(offset) => ("PyInterpreterState.ceval.gil", offset.into()),
        },
    ];
    if walk.tstate_native_thread_id != 0 {
        numbers.push((
            "PyThreadState.native_thread_id",
            walk.tstate_native_thread_id.into(),
        ));
    }
    if walk.tstate_datastack != NO_DATASTACK {
        numbers.extend([
            (
                "PyThreadState.datastack_chunk",
                walk.tstate_datastack.into(),
            ),
            // What `PyLayout` says of the fields behind it.
            ("datastack_top - datastack_chunk", 8),
            ("datastack_limit - datastack_chunk", 16),
            ("_PyStackChunk.previous", 0),
            ("_PyStackChunk.data", walk.chunk_data.into()),
        ]);
    }
    if walk.frame_indirect == 1 {
        numbers.extend([
            ("_PyCFrame.current_frame", walk.cframe_current_frame.into()),
            ("_PyCFrame.previous - current_frame", 8),
        ]);
    }
    if walk.placeholder_owner != NO_PLACEHOLDER {
        numbers.extend([
            ("frame.owner", in_frame(walk.frame_owner)),
            ("first placeholder owner", walk.placeholder_owner.into()),
        ]);
    }
    if walk.frame_entry_mask != 0 {
        numbers.push(("frame.is_entry", in_frame(walk.frame_entry)));
    }
    if walk.frame_root_mask != 0 {
        numbers.push(("frame.root", in_frame(walk.frame_root)));
    }
    numbers.extend(
        object
            .code_first_traceable
            .map(|offset| ("PyCodeObject._co_firsttraceable", offset.into())),
    );
    if let InstructionPointer::Pointer(offset) = object.instruction_pointer {
        numbers.push(("PyCodeObject.co_code_adaptive", offset.into()));
    }
    if let Some(offset) = object.code_bytecode_copies {
        numbers.push(("PyCodeObject.co_tlbc", offset.into()));
        // What `interpreter::Bytecode` reads.
        numbers.push(("_PyCodeArray.entries", 8));
    }
    let code = parts.code.map(|at| ("PyCodeObject.co_code", at.into()));
    let table = parts
        .exception_table
        .map(|at| ("PyCodeObject.co_exceptiontable", at.into()));
    numbers.extend(code.into_iter().chain(table));
    if let Some([cells, free]) = parts.cells {
        numbers.push(("PyCodeObject.co_cellvars", cells.into()));
        numbers.push(("PyCodeObject.co_freevars", free.into()));
    }
    if parts.has_int_tag {
        numbers.push(("PyLongObject.lv_tag", u64::from(parts.int_digits) - 8));
    }
    if lock.has_parking_lot {
        numbers.extend([
            ("RLock.thread", lock.rlock_owner.into()),
            ("RLock.level", lock.rlock_count.into()),
        ]);
    }
    numbers.extend(gil.enabled.map(|offset| ("gil.enabled", offset.into())));
    numbers
}

/// What the walk has of its own of what the readers of objects have as well.
fn again(layout: &InterpreterLayout) -> [(&'static str, u64); 7] {
    let walk = &layout.walk;
    [
        ("PyCodeObject.co_flags", walk.code_flags.into()),
        ("PyCodeObject.co_firstlineno", walk.code_first_line.into()),
        ("PyCodeObject.co_filename", walk.code_filename.into()),
        ("PyCodeObject.co_name", walk.code_name.into()),
        ("PyCodeObject.co_qualname", walk.code_qualname.into()),
        ("PyCodeObject.co_linetable", walk.code_line_table.into()),
        ("sizeof(PyASCIIObject)", walk.text_data.into()),
    ]
}

/// Numbers by name and build.
#[derive(Default)]
struct Table {
    builds: Vec<String>,
    rows: BTreeMap<String, BTreeMap<String, String>>,
    wrong: Vec<String>,
}

impl Table {
    fn add(&mut self, headers: &Headers, facts: &Facts, committed: &BTreeMap<String, u64>) {
        let build = headers.build();
        if !self.builds.contains(&build) {
            self.builds.push(build.clone());
        }
        let names: BTreeSet<&String> = facts.numbers.keys().chain(committed.keys()).collect();
        let text = |number: Option<&u64>| number.map_or("none".to_owned(), u64::to_string);
        for name in names {
            let (fact, ours) = (facts.numbers.get(name), committed.get(name));
            let cell = if fact == ours {
                text(fact)
            } else {
                self.wrong.push(format!(
                    "{build}: {name} is {} in {}, {} in the layout",
                    text(fact),
                    headers.folder.display(),
                    text(ours)
                ));
                format!("{}!={}", text(fact), text(ours))
            };
            let row = self.rows.entry(name.clone()).or_default();
            row.insert(build.clone(), cell);
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:52}", "")?;
        for build in &self.builds {
            write!(f, " {build:>8}")?;
        }
        // The words of the published structure are many, and only their order counts.
        for (name, row) in &self.rows {
            let is_wrong = row.values().any(|cell| cell.contains("!="));
            if name.starts_with("_Py_DebugOffsets.") && !is_wrong || name == "PY_VERSION_HEX" {
                continue;
            }
            write!(f, "\n{name:52}")?;
            for build in &self.builds {
                let cell = row.get(build).map_or("-", String::as_str);
                write!(f, " {cell:>8}")?;
            }
        }
        Ok(())
    }
}
