use std::collections::BTreeSet;

use super::*;
use crate::elf::Symbol;

macro_rules! real {
    ($name:literal) => {
        include_bytes!(concat!(
            "../../../../tests/corpus/debug_offsets/",
            $name,
            ".bin"
        ))
    };
}

/// The structures of real builds; those of free-threaded ones (`t`) as the compiler
/// makes them of the headers.
const REAL: [(&str, &[u8]); 7] = [
    ("3.13.0", real!("3.13.0")),
    ("3.13.5", real!("3.13.5")),
    ("3.13.0t", real!("3.13.0t")),
    ("3.14.10", real!("3.14.10")),
    ("3.14.10t", real!("3.14.10t")),
    ("3.15.2", real!("3.15.2")),
    ("3.15.2t", real!("3.15.2t")),
];

fn words_of(name: &str) -> Vec<u64> {
    let (_, bytes) = REAL.iter().find(|(real, _)| *real == name).unwrap();
    let words = bytes.as_chunks::<8>().0.iter();
    words.map(|word| u64::from_le_bytes(*word)).collect()
}

/// As if the symbol table agreed with the size that is published.
fn read(words: &[u64]) -> Result<InterpreterLayout, DebugOffsetsError> {
    let version = match words {
        [] => PythonVersion::from_hex(0x030d_00f0).unwrap(),
        words => version_of(words),
    };
    read_as(words, version, words.get(3).copied().unwrap_or(0))
}

fn read_as(
    words: &[u64],
    version: PythonVersion,
    runtime_bytes: u64,
) -> Result<InterpreterLayout, DebugOffsetsError> {
    let elf = PythonElf {
        machine: 62,
        runtime: Symbol {
            address: 0x1000,
            size: runtime_bytes,
        },
        runtime_head: words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        version_hex: None,
        version_strings: BTreeSet::new(),
        has_api_3_8: true,
        has_api_3_9: true,
        has_api_3_10: true,
        code_type: None,
        frame_type: None,
        none: None,
        probes: crate::elf::UsdtNotes::default(),
        segments: Vec::new(),
        build_id: None,
    };
    layout(&elf, version)
}

/// What the compiler says of the headers, by build.
#[test]
fn figures_of_every_build() {
    for (name, bytes) in REAL {
        let layout = read(&words_of(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        let minor: u8 = name[2..4].parse().unwrap();
        let free_threaded = name.ends_with('t');
        let head = if free_threaded { 16 } else { 0 };
        let (main, thread_id, owner) = match (minor, free_threaded) {
            (13, _) => (640, 152, 70),
            (14, false) => (816, 152, 74),
            (14, true) => (816, 152, 78),
            (_, false) => (944, 176, 74),
            (_, true) => (944, 176, 78),
        };
        assert_eq!(bytes.len(), [584, 760, 888][usize::from(minor) - 13]);
        assert_eq!(layout.free_threaded, free_threaded, "{name}");
        assert_eq!(layout.walk.runtime_main_interpreter, main, "{name}");
        assert_eq!(layout.walk.tstate_thread_id, thread_id, "{name}");
        assert_eq!(layout.walk.tstate_frame, 72, "{name}");
        assert_eq!(layout.walk.frame_owner, owner, "{name}");
        assert_eq!(layout.walk.frame_instr, 56, "{name}");
        assert_eq!(layout.walk.code_tag_mask, u16::from(minor > 13), "{name}");
        assert_eq!(layout.gil.place, GilPlace::BehindInterpreter(16), "{name}");
        assert_eq!(layout.gil.enabled, free_threaded.then_some(0), "{name}");
        assert_eq!(layout.object.ob_type, 8 + head, "{name}");
        assert_eq!(layout.object.code_qualname, Some(128 + head), "{name}");
        assert_eq!(
            layout.object.code_bytecode_copies,
            (free_threaded && minor > 13).then_some(224),
            "{name}"
        );
        let unicode = &layout.object;
        assert_eq!(
            (unicode.unicode_ascii_data, unicode.unicode_compact_data),
            (40 + head, 56 + head),
            "{name}"
        );
        let code_start = match (minor, free_threaded) {
            (13, false) => 200,
            (13, true) => 216,
            (_, false) => 208,
            (_, true) => 232,
        };
        assert_eq!(
            layout.object.instruction_pointer,
            InstructionPointer::Pointer(code_start),
            "{name}"
        );
    }
}

#[test]
fn what_is_unlike_it_is_refused() {
    let words = words_of("3.13.0");
    let with = |at: usize, value: u64| {
        let mut words = words.clone();
        words[at] = value;
        read_as(
            &words,
            PythonVersion::from_hex(0x030d_00f0).unwrap(),
            283_320,
        )
        .unwrap_err()
    };
    assert_eq!(with(0, 0), DebugOffsetsError::Cookie);
    assert!(matches!(
        with(1, 0x030d_01f0),
        DebugOffsetsError::Version {
            found: 0x030d_01f0,
            ..
        }
    ));
    let implausible = |error: DebugOffsetsError, name: &str| matches!(error, DebugOffsetsError::Implausible { field, .. } if field == name);
    assert!(implausible(with(2, 2), "free_threaded"));
    assert!(implausible(with(3, 290_000), "runtime_state.size"));
    assert!(matches!(
        read(&words[..72]),
        Err(DebugOffsetsError::Short { needed: 584, .. })
    ));
    assert!(matches!(read(&[]), Err(DebugOffsetsError::Cookie)));
    let future = PythonVersion::from_hex(0x0310_00f0).unwrap();
    let unknown = read_as(&words, future, 283_320).unwrap_err();
    assert_eq!(unknown, DebugOffsetsError::Unknown { version: future });
    assert!(unknown.to_string().contains("Python 3.16.0"), "{unknown}");
}

#[test]
fn no_offset_reaches_out_of_its_structure() {
    // Every word behind the head, one at a time.
    for (name, _) in REAL {
        let real = words_of(name);
        let layout = read(&real).unwrap();
        for at in 3..real.len() {
            for value in [u64::MAX, 1 << 40, 100_000_000] {
                let mut words = real.clone();
                words[at] = value;
                let changed = read_as(&words, version_of(&real), real[3]);
                if let Ok(changed) = changed {
                    assert_eq!(changed, layout, "{name}: word {at} is used unchecked");
                }
            }
        }
    }
}

/// A build whose structure has a word more or less than that of its minor version.
#[test]
fn a_shifted_structure_is_never_misread() {
    for (name, _) in REAL {
        let real = words_of(name);
        let layout = read(&real).unwrap();
        for at in 4..real.len() {
            let mut less = real.clone();
            less.remove(at);
            less.push(0);
            let mut shifted = vec![less];
            for value in [0, 8, 16, 64, 512] {
                let mut more = real.clone();
                more.insert(at, value);
                shifted.push(more);
            }
            for words in shifted {
                if let Ok(changed) = read_as(&words, version_of(&real), real[3]) {
                    assert_eq!(changed, layout, "{name}: shifted from word {at} on");
                }
            }
        }
    }
}

fn version_of(words: &[u64]) -> PythonVersion {
    PythonVersion::from_hex(u32::try_from(words[1]).unwrap()).unwrap()
}
