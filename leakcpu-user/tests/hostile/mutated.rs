//! The corpus that is kept, and what becomes of it when bytes of it change.
//!
//! `cargo xtask fuzz` goes on from the same corpus for as long as one likes.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use proptest::prelude::*;

use crate::{layouts, sample::Sample, targets};

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(target)
}

/// Inputs of each target.
fn corpus() -> &'static BTreeMap<&'static str, Vec<Vec<u8>>> {
    static CORPUS: OnceLock<BTreeMap<&'static str, Vec<Vec<u8>>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        targets::ALL
            .iter()
            .map(|(name, _)| {
                let files = fs::read_dir(folder(name)).unwrap();
                let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
                paths.sort();
                let inputs = paths.iter().map(|path| fs::read(path).unwrap()).collect();
                (*name, inputs)
            })
            .collect()
    })
}

/// The generated images as inputs of `objects`.
fn images() -> Vec<(String, Vec<u8>)> {
    layouts::all()
        .iter()
        .enumerate()
        .map(|(i, &(version, layout))| {
            let sample = Sample::new(version, layout);
            let mut input = vec![0; 16];
            input[0] = u8::try_from(i).unwrap();
            let code_type = u32::try_from(sample.code_type - sample.runtime).unwrap();
            input[4..8].copy_from_slice(&code_type.to_le_bytes());
            input.extend_from_slice(sample.image.bytes());
            let t = if layout.free_threaded { "t" } else { "" };
            (format!("{version}{t}.bin"), input)
        })
        .collect()
}

/// The images in the corpus are those that the tests make; with `PYOBSERVE_BLESS=1` they
/// are written.
#[test]
fn images_of_the_corpus_are_those_of_the_tests() {
    for (name, input) in images() {
        let path = folder("objects").join(&name);
        if std::env::var_os("PYOBSERVE_BLESS").is_some() {
            fs::write(&path, &input).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(kept == input, "{name} differs: PYOBSERVE_BLESS=1 writes it");
    }
}

#[test]
fn every_input_of_the_corpus_is_met() {
    for (name, target) in targets::ALL {
        let inputs = &corpus()[name];
        assert!(inputs.len() > 1, "{name}: {} inputs", inputs.len());
        for input in inputs {
            target(input);
        }
    }
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Word(prop::sample::Index, u64),
    End(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let word = prop_oneof![
        any::<u64>(),
        (0..64_u64).prop_map(|shift| 1 << shift),
        (0..4096_u64),
        Just(u64::MAX),
    ];
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at(), word).prop_map(|(at, word)| Change::Word(at, word)),
        1 => at().prop_map(Change::End),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), 1..16_u8).prop_map(|(at, count)| Change::Remove(at, count)),
    ]
}

fn apply(input: &mut Vec<u8>, change: &Change) {
    if input.is_empty() {
        return;
    }
    match change {
        Change::Byte(at, byte) => {
            let at = at.index(input.len());
            input[at] = *byte;
        }
        Change::Word(at, word) => {
            let at = at.index(input.len()) & !7;
            for (byte, new) in input[at..].iter_mut().zip(word.to_le_bytes()) {
                *byte = new;
            }
        }
        Change::End(at) => input.truncate(at.index(input.len())),
        Change::Insert(at, bytes) => {
            let at = at.index(input.len());
            input.splice(at..at, bytes.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = at.index(input.len());
            let end = input.len().min(at + usize::from(*count));
            input.drain(at..end);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 20_000,
        // A failure is printed; there is no library source file to keep seeds beside.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_inputs_are_met(
        target in 0..targets::ALL.len(),
        input in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let (name, target) = targets::ALL[target];
        let mut input = input.get(&corpus()[name]).clone();
        for change in &changes {
            apply(&mut input, change);
        }
        target(&input);
    }
}
