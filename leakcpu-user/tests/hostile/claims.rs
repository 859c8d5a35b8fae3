//! What a file claims to be.

use pyobserve::{
    elf::{Image, python_elf},
    interpreter::{
        PythonVersion,
        layout::{InterpreterLayout, LayoutError},
    },
};

use crate::layouts;

/// An embedder that exports nothing keeps the section, and with it the version.
#[test]
fn a_stripped_file_says_its_version_in_its_debug_offsets() {
    let bytes = include_bytes!("../corpus/elf/stripped-section-only.bin").as_slice();
    let facts = python_elf(&Image::parse(bytes).unwrap()).unwrap().unwrap();
    assert_eq!(facts.version_hex, None);
    let version = PythonVersion::of(&facts).unwrap();
    assert_eq!(version.to_string(), "3.14.10");
}

/// Of each real structure, one that says it is of another version.
#[test]
fn versions_without_a_layout_are_refused_with_a_sentence() {
    let refused = |hex: u32| {
        let layouts = layouts::PUBLISHED.iter().map(|bytes| {
            let mut bytes = bytes.to_vec();
            bytes[8..12].copy_from_slice(&hex.to_le_bytes());
            let elf = layouts::elf(hex, &bytes);
            let version = PythonVersion::of(&elf).unwrap();
            InterpreterLayout::of(&elf, version).unwrap_err()
        });
        layouts.collect::<Vec<_>>()
    };
    for error in refused(0x0310_00f0).iter().chain(&refused(0x0363_00f0)) {
        assert!(matches!(error, LayoutError::TooNew { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("is newer than 3.15"), "{text}");
        assert!(
            text.contains("size and the order of its _Py_DebugOffsets"),
            "{text}"
        );
    }
    for error in refused(0x030f_00b3).iter().chain(&refused(0x030e_00a7)) {
        assert!(matches!(error, LayoutError::PreRelease { .. }), "{error}");
    }
    for error in refused(0x0307_10f0) {
        assert!(matches!(error, LayoutError::TooOld { .. }), "{error}");
    }
}
