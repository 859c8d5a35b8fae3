//! Every layout that pyobserve has.

use std::{collections::BTreeSet, sync::OnceLock};

use pyobserve::{
    elf::{PythonElf, Symbol},
    interpreter::{PythonVersion, layout::InterpreterLayout},
};

/// Versions whose layouts come from the table, as `PY_VERSION_HEX`.
const TABLED: [u32; 5] = [
    0x0308_12f0,
    0x0309_12f0,
    0x030a_0df0,
    0x030b_07f0,
    0x030c_01f0,
];

macro_rules! published {
    ($($build:literal),*) => {
        [$(include_bytes!(concat!("../corpus/debug_offsets/", $build, ".bin")).as_slice()),*]
    };
}

/// `_Py_DebugOffsets` of real builds.
pub const PUBLISHED: [&[u8]; 7] = published!(
    "3.13.0", "3.13.5", "3.13.0t", "3.14.10", "3.14.10t", "3.15.2", "3.15.2t"
);

/// One of each.
pub fn all() -> &'static [(PythonVersion, InterpreterLayout)] {
    static ALL: OnceLock<Vec<(PythonVersion, InterpreterLayout)>> = OnceLock::new();
    ALL.get_or_init(build)
}

fn build() -> Vec<(PythonVersion, InterpreterLayout)> {
    let tabled = TABLED.iter().map(|hex| (*hex, [].as_slice()));
    let published = PUBLISHED.iter().map(|bytes| {
        let hex = u32::from_le_bytes(*bytes[8..].first_chunk().unwrap());
        (hex, *bytes)
    });
    tabled
        .chain(published)
        .map(|(hex, runtime_head)| {
            let version = PythonVersion::from_hex(hex).unwrap();
            let layout = InterpreterLayout::of(&elf(hex, runtime_head), version).unwrap();
            (version, layout)
        })
        .collect()
}

/// The facts of a file whose `_PyRuntime` begins with these bytes. Its size is what these
/// bytes say, if they say it.
pub fn elf(version_hex: u32, runtime_head: &[u8]) -> PythonElf {
    let size = runtime_head
        .get(24..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |size| u64::from_le_bytes(*size));
    PythonElf {
        machine: 62,
        runtime: Symbol { address: 0, size },
        runtime_head: runtime_head.to_vec(),
        version_hex: Some(version_hex),
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
    }
}
