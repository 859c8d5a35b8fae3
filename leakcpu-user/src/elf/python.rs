//! What a file that contains CPython tells about it.

use std::collections::BTreeSet;

use object::ReadRef;

use super::{ElfError, Image, LoadSegment, Symbol, UsdtNotes, Wanted, usdt_notes};

/// Initial bytes of `_PyRuntime` that are kept: `_Py_DebugOffsets`, which leads it
/// from 3.13 on, has 888 bytes in 3.15.
const RUNTIME_HEAD_BYTES: u64 = 2048;

/// Read-only data searched for a version string.
const MAX_RODATA_BYTES: usize = 64 << 20;

/// Facts of an ELF file that defines `_PyRuntime`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonElf {
    /// `e_machine`.
    pub machine: u16,
    /// `_PyRuntime`, as linked.
    pub runtime: Symbol,
    /// Its first initial bytes, as far as the file has them (not in `.bss`).
    pub runtime_head: Vec<u8>,
    /// Value of `Py_Version` (`PY_VERSION_HEX`), from 3.11 on.
    pub version_hex: Option<u32>,
    /// Strings in the read-only data that look like `3.9.18`; only where
    /// `version_hex` is missing.
    pub version_strings: BTreeSet<String>,
    /// Exports `PyConfig_InitPythonConfig`, public API since 3.8.
    pub has_api_3_8: bool,
    /// Exports `PyFrame_GetCode`, public API since 3.9.
    pub has_api_3_9: bool,
    /// Exports `PyIter_Send`, public API since 3.10.
    pub has_api_3_10: bool,
    /// `PyCode_Type`, as linked.
    pub code_type: Option<u64>,
    /// `PyFrame_Type`, as linked.
    pub frame_type: Option<u64>,
    /// `_Py_NoneStruct`, as linked.
    pub none: Option<u64>,
    /// The probes that it announces (USDT).
    pub probes: UsdtNotes,
    /// What is mapped where.
    pub segments: Vec<LoadSegment>,
    /// The linker's build id.
    pub build_id: Option<Vec<u8>>,
}

impl PythonElf {
    /// What the loader added to linked addresses, given one mapping of the file.
    pub fn load_bias(&self, mapped_at: u64, mapped_offset: u64) -> Option<u64> {
        self.segments
            .iter()
            .find_map(|segment| segment.load_bias(mapped_at, mapped_offset))
    }
}

const NAMES: [&str; 8] = [
    "_PyRuntime",
    "Py_Version",
    "PyCode_Type",
    "PyFrame_Type",
    "_Py_NoneStruct",
    "PyConfig_InitPythonConfig",
    "PyFrame_GetCode",
    "PyIter_Send",
];

/// The facts, or `None` if the file is not CPython: it defines no `_PyRuntime`,
/// neither exported nor in its full symbol table, and has no section of that name.
pub fn python_elf<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
) -> Result<Option<PythonElf>, ElfError> {
    let mut found = image.symbols(Wanted::Exported, NAMES)?;
    if found[0].is_none() {
        found = image.symbols(Wanted::All, NAMES)?;
    }
    if found[0].is_none() {
        // A stripped embedder keeps the section (3.10 and later).
        found[0] = image
            .section(".PyRuntime")?
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(address, bytes)| Symbol {
                address,
                size: bytes.len() as u64,
            });
    }
    let [
        Some(runtime),
        version,
        code_type,
        frame_type,
        none,
        api_3_8,
        api_3_9,
        api_3_10,
    ] = found
    else {
        return Ok(None);
    };
    let version_hex = version
        .and_then(|symbol| image.bytes_at(symbol.address, 4).try_into().ok())
        .map(u32::from_le_bytes)
        .filter(|hex| *hex != 0);
    let version_strings = match version_hex {
        Some(_) => BTreeSet::new(),
        None => image
            .section(".rodata")?
            .map(|(_, bytes)| version_strings(&bytes[..bytes.len().min(MAX_RODATA_BYTES)]))
            .unwrap_or_default(),
    };
    Ok(Some(PythonElf {
        machine: image.machine(),
        runtime,
        runtime_head: image
            .bytes_at(runtime.address, RUNTIME_HEAD_BYTES.min(runtime.size))
            .to_vec(),
        version_hex,
        version_strings,
        has_api_3_8: api_3_8.is_some(),
        has_api_3_9: api_3_9.is_some(),
        has_api_3_10: api_3_10.is_some(),
        code_type: code_type.map(|symbol| symbol.address),
        frame_type: frame_type.map(|symbol| symbol.address),
        none: none.map(|symbol| symbol.address),
        probes: usdt_notes(image)?,
        segments: image.load_segments(),
        build_id: image.build_id(),
    }))
}

/// True if the loader will map a `libpython` beside this file.
pub fn needs_libpython<'data, R: ReadRef<'data>>(
    image: &Image<'data, R>,
) -> Result<bool, ElfError> {
    Ok(image
        .needed()?
        .iter()
        .any(|library| library.starts_with("libpython")))
}

/// Texts of the shape `3.<minor>.<patch>`, with what may follow in a version
/// (`3.9.18+`, `3.10.0rc1`), that a NUL ends. Linkers let a string share the end of
/// another (`/opt/python-3.9.18`), so that what precedes may be anything but a part of
/// the version.
fn version_strings(bytes: &[u8]) -> BTreeSet<String> {
    bytes
        .split(|byte| *byte == 0)
        .filter_map(version_at_end)
        .collect()
}

fn version_at_end(text: &[u8]) -> Option<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".+".contains(byte);
    let start = text
        .iter()
        .rposition(|byte| !is_part(byte))
        .map_or(0, |before| before + 1);
    let version = std::str::from_utf8(&text[start..]).ok()?;
    let (minor, patch) = version.strip_prefix("3.")?.split_once('.')?;
    let is_number = |text: &str| {
        !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit())
    };
    let patch_number = patch.trim_end_matches(|c: char| !c.is_ascii_digit());
    let patch_number = patch_number
        .split(|c: char| c.is_ascii_alphabetic())
        .next()?;
    (is_number(minor) && is_number(patch_number)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_strings_are_told_from_other_text() {
        let text = b"x\x003.9.18\x003.9\x003.a.b\x003.10.0rc1\x00/py-3.9.1\x003.8.1/lib\x003.11.2+\x0013.4.5\x00";
        let found: Vec<_> = version_strings(text).into_iter().collect();
        assert_eq!(found, ["3.10.0rc1", "3.11.2+", "3.9.1", "3.9.18"]);
    }
}
