//! Files of every kind give facts or an error, never a panic.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use object::ReadCache;
use proptest::prelude::*;
use pyobserve::elf::{
    ElfError, Image, PythonElf, UsdtNotes, UsdtRefusal, Wanted, needs_libpython, python_elf,
    usdt_notes,
};
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
    let _ = usdt_notes(&image);
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

/// The probes of a file as binutils' readelf lists them: name, place, semaphore and arguments, each
/// as linked; `None` if there is no readelf.
fn listed(path: &Path) -> Option<BTreeSet<String>> {
    let output = Command::new("readelf").arg("-nW").arg(path).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut probes = BTreeSet::new();
    let (mut name, mut at) = ("", "");
    for line in text.lines().map(str::trim) {
        if let Some(found) = line.strip_prefix("Name: ") {
            name = found;
        } else if let Some(found) = line.strip_prefix("Location: ") {
            at = found;
        } else if let Some(arguments) = line.strip_prefix("Arguments:") {
            let parts: Vec<&str> = at
                .split([',', ' '])
                .filter(|part| part.starts_with("0x"))
                .collect();
            let [place, _, semaphore] = parts[..] else {
                panic!("{at:?} of {}", path.display());
            };
            probes.insert(format!("{name} {place} {semaphore} {}", arguments.trim()));
        }
    }
    Some(probes)
}

#[test]
fn probes_are_those_that_readelf_lists() {
    let mut found = 0;
    for path in interpreter_files() {
        let Some(listed) = listed(&path) else {
            eprintln!("SKIPPED: no readelf here");
            return;
        };
        let bytes = fs::read(&path).unwrap();
        let image = Image::parse(&*bytes).unwrap();
        let notes = usdt_notes(&image).unwrap();
        assert_eq!(notes.refused, [], "{}", path.display());
        let address = |offset| image.address_of(offset).unwrap();
        let mut places = 0;
        for probe in &notes.probes {
            assert_eq!(probe.provider, "python");
            for place in &probe.places {
                places += 1;
                let semaphore = probe.semaphore.map_or(0, address);
                let start = format!(
                    "{} {:#018x} {semaphore:#018x} ",
                    probe.name,
                    address(place.offset)
                );
                let of_it = listed.iter().find_map(|line| line.strip_prefix(&start));
                let texts = of_it.unwrap_or_else(|| panic!("{start} is not in {listed:#?}"));
                assert_eq!(place.arguments.len(), texts.split(' ').count(), "{texts}");
                // Every operand of these files is understood.
                assert!(place.arguments.iter().all(Option::is_some), "{texts}");
            }
        }
        assert_eq!(places, listed.len(), "{}", path.display());
        found += places;
    }
    eprintln!("{found} places of probes");
}

/// Debian's interpreters have probes; theirs, and where they are in the file.
fn with_notes() -> Option<(Vec<u8>, Range<usize>)> {
    interpreter_files().into_iter().find_map(|path| {
        let bytes = fs::read(path).ok()?;
        let image = Image::parse(&*bytes).ok()?;
        let (_, section) = image.section(".note.stapsdt").ok()??;
        let start = section.as_ptr() as usize - bytes.as_ptr() as usize;
        let notes = start..start + section.len();
        Some((bytes, notes))
    })
}

fn notes_of(bytes: &[u8]) -> UsdtNotes {
    usdt_notes(&Image::parse(bytes).unwrap()).unwrap()
}

#[test]
fn wild_notes_are_refused_by_name() {
    let Some((mut bytes, section)) = with_notes() else {
        eprintln!("SKIPPED: no interpreter with probes here");
        return;
    };
    let before = notes_of(&bytes);
    // Behind the head of 12 bytes and the owner of 8: the place, the base and the semaphore.
    let place = section.start + 20;
    let first = before.probes[0].name.clone();
    let kept: Vec<u8> = bytes[place..place + 24].to_vec();
    for (at, why) in [(0, UsdtRefusal::NotInCode), (16, UsdtRefusal::NotInData)] {
        bytes[place + at..place + at + 8].copy_from_slice(&0xdead_0000_u64.to_le_bytes());
        let notes = notes_of(&bytes);
        assert_eq!(notes.refused, [(first.clone(), why)]);
        let places = |notes: &UsdtNotes| {
            notes
                .probes
                .iter()
                .map(|probe| probe.places.len())
                .sum::<usize>()
        };
        assert_eq!(places(&notes) + 1, places(&before));
        bytes[place..place + 24].copy_from_slice(&kept);
    }
    // The file was linked anew, 16 bytes lower, and its notes were left as they were.
    let base = u64::from_le_bytes(*kept[8..].first_chunk().unwrap());
    bytes[place + 8..place + 16].copy_from_slice(&(base + 16).to_le_bytes());
    let moved = notes_of(&bytes);
    assert_eq!(
        moved.probes[0].places[0].offset,
        before.probes[0].places[0].offset - 16
    );
    bytes[place..place + 24].copy_from_slice(&kept);
    // A note that says that it is longer than the rest of them.
    bytes[section.start + 4..section.start + 8].copy_from_slice(&u32::MAX.to_le_bytes());
    let cut = notes_of(&bytes);
    assert_eq!(cut.refused, [(String::new(), UsdtRefusal::Cut)]);
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
