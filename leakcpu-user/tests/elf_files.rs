//! Files of every kind give facts or an error, never a panic.

mod support;

use std::{fs, path::PathBuf, sync::Mutex};

use object::ReadCache;
use proptest::prelude::*;
use pyobserve::elf::{ElfError, Image, PythonElf, Wanted, needs_libpython, python_elf};
use support::interpreter;

/// Everything that is ever asked of a file.
fn read_all(bytes: &[u8]) -> Result<Option<PythonElf>, ElfError> {
    let image = Image::parse(bytes)?;
    image.load_segments();
    image.build_id();
    let _ = image.symbols(Wanted::All, ["_PyRuntime", "main"]);
    let _ = image.section(".PyRuntime");
    let addresses = [0, 0x1000, 0x2000, u64::MAX];
    let _ = image.functions_at(Wanted::All, &addresses);
    let _ = image.functions_at(Wanted::Exported, &addresses);
    image.debug_link();
    for at in addresses {
        image.address_of(at);
        image.bytes_before::<8>(at);
        image.linkage_table_at(at);
    }
    let _ = image.bytes_at(
        image.load_segments().first().map_or(0, |s| s.address),
        u64::MAX,
    );
    let _ = needs_libpython(&image);
    python_elf(&image)
}

/// The executables and libraries of the installed interpreters.
fn interpreter_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for python in interpreter::supported() {
        let name = format!("libpython3.{}.so.1.0", python.minor);
        let library = python.file().parent().unwrap().join("../lib").join(name);
        files.extend(
            [
                fs::canonicalize(python.file()).ok(),
                fs::canonicalize(library).ok(),
            ]
            .into_iter()
            .flatten(),
        );
    }
    files
}

#[test]
fn facts_of_real_interpreters() {
    let mut pythons = 0;
    for path in interpreter_files() {
        let bytes = fs::read(&path).unwrap();
        let facts = read_all(&bytes).unwrap();
        // The same through a file that is read table by table.
        let cache = ReadCache::new(fs::File::open(&path).unwrap());
        let image = Image::parse(&cache).unwrap();
        assert_eq!(python_elf(&image).unwrap(), facts, "{}", path.display());
        let Some(facts) = facts else {
            assert!(needs_libpython(&image).unwrap(), "{}", path.display());
            continue;
        };
        pythons += 1;
        assert!(
            facts.code_type.is_some() && facts.frame_type.is_some(),
            "{}",
            path.display()
        );
        assert!(facts.runtime.size > 600, "{}", path.display());
        assert!(
            facts.version_hex.is_some()
                != facts.version_strings.iter().any(|v| v.starts_with("3."))
        );
        assert!(facts.segments.len() >= 2);
    }
    eprintln!("{pythons} files define _PyRuntime");
}

#[test]
fn what_is_no_elf_file() {
    assert!(matches!(read_all(b""), Err(ElfError::NotElf)));
    assert!(matches!(
        read_all(b"#!/usr/bin/python3\n# padding"),
        Err(ElfError::NotElf)
    ));
    assert!(matches!(read_all(b"\x7fELF"), Err(ElfError::NotElf)));
    let mut foreign = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(read_all(&foreign), Ok(None));
    foreign[4] = 1;
    assert!(matches!(read_all(&foreign), Err(ElfError::Foreign)));
    foreign[4] = 2;
    foreign[5] = 2;
    assert!(matches!(read_all(&foreign), Err(ElfError::Foreign)));
}

/// One real interpreter file, small enough to be read a thousand times.
fn sample() -> Option<&'static Mutex<Vec<u8>>> {
    static SAMPLE: std::sync::OnceLock<Option<Mutex<Vec<u8>>>> = std::sync::OnceLock::new();
    SAMPLE
        .get_or_init(|| {
            let files = interpreter_files()
                .into_iter()
                .filter_map(|path| fs::read(path).ok());
            let pythons = files.filter(|bytes| matches!(read_all(bytes), Ok(Some(_))));
            pythons.min_by_key(Vec::len).map(Mutex::new)
        })
        .as_ref()
}

/// Offsets of the tables: file header, program headers, section headers, and the
/// first kilobytes of the sections in between.
fn interesting(bytes: &[u8]) -> Vec<usize> {
    let section_headers = usize::from_le_bytes(*bytes[40..].first_chunk().unwrap());
    let mut offsets: Vec<usize> = (0..16 << 10).collect();
    offsets.extend(section_headers..bytes.len());
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        // A failure is printed; there is no library source file to keep seeds beside.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read_all(&bytes);
    }

    #[test]
    fn random_bytes_behind_the_magic_number(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read_all(&[b"\x7fELF\x02\x01\x01", bytes.as_slice()].concat());
    }

    #[test]
    fn a_truncated_interpreter(end in any::<proptest::sample::Index>(), near_start in any::<bool>()) {
        let Some(sample) = sample() else { return Ok(()) };
        let bytes = sample.lock().unwrap();
        let end = end.index(if near_start { 4096 } else { bytes.len() });
        let _ = read_all(&bytes[..end]);
    }

    #[test]
    fn a_corrupted_interpreter(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let Some(sample) = sample() else { return Ok(()) };
        let mut bytes = sample.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let offsets = interesting(&bytes);
        let changes: Vec<_> = changes.iter().map(|(at, value)| (offsets[at.index(offsets.len())], *value)).collect();
        let before: Vec<u8> = changes.iter().map(|(at, _)| bytes[*at]).collect();
        for (at, value) in &changes {
            bytes[*at] = *value;
        }
        let outcome = std::panic::catch_unwind(|| { let _ = read_all(&bytes); });
        // In reverse, in case one place was changed twice.
        for ((at, _), value) in changes.iter().zip(before).rev() {
            bytes[*at] = value;
        }
        prop_assert!(outcome.is_ok());
    }
}
