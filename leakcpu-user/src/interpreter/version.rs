//! Which Python a file contains.

use std::fmt;

use super::layout::debug_offsets;
use crate::elf::PythonElf;

/// A CPython version. Ordered by age up to the patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PythonVersion {
    /// 3.
    pub major: u8,
    /// 8 in 3.8.18.
    pub minor: u8,
    /// 18 in 3.8.18, if known.
    pub patch: Option<u8>,
    /// Alpha, beta or candidate; layouts of the first two are not settled.
    pub level: ReleaseLevel,
}

/// Release level as in `PY_VERSION_HEX` (`Include/patchlevel.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseLevel {
    /// `a1`
    Alpha(u8),
    /// `b1`
    Beta(u8),
    /// `rc1`
    Candidate(u8),
    /// A release.
    Final,
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if let Some(patch) = self.patch {
            write!(f, ".{patch}")?;
        }
        match self.level {
            ReleaseLevel::Alpha(n) => write!(f, "a{n}"),
            ReleaseLevel::Beta(n) => write!(f, "b{n}"),
            ReleaseLevel::Candidate(n) => write!(f, "rc{n}"),
            ReleaseLevel::Final => Ok(()),
        }
    }
}

/// Why the version is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// `Py_Version` has a value that no release has.
    #[error("Py_Version is {hex:#x}, which is no version of Python 3")]
    BadHex {
        /// The value.
        hex: u32,
    },
    /// Neither `Py_Version` nor the exported API tell.
    #[error("the file exports neither Py_Version nor enough of the C API to tell its version")]
    NoEvidence,
    /// The API set is of one version, the text of another.
    #[error(
        "the exported API is that of 3.{minor}, but no version text of that minor version is there: {found:?}"
    )]
    Contradiction {
        /// Minor version by API.
        minor: u8,
        /// Version texts in the file.
        found: Vec<String>,
    },
}

impl PythonVersion {
    /// From `PY_VERSION_HEX`; `None` if it is not a version of Python 3.
    pub fn from_hex(hex: u32) -> Option<Self> {
        let [major, minor, patch, last] = hex.to_be_bytes();
        let serial = last & 0xf;
        let level = match last >> 4 {
            0xa => ReleaseLevel::Alpha(serial),
            0xb => ReleaseLevel::Beta(serial),
            0xc => ReleaseLevel::Candidate(serial),
            0xf => ReleaseLevel::Final,
            _ => return None,
        };
        (major == 3).then_some(Self {
            major,
            minor,
            patch: Some(patch),
            level,
        })
    }

    /// The version of a file: `Py_Version` from 3.11 on, or what `_Py_DebugOffsets`
    /// says where that is stripped (from 3.13 on); before them, the minor version by
    /// which public functions are exported and the patch level by the version text in
    /// the read-only data.
    pub fn of(elf: &PythonElf) -> Result<Self, VersionError> {
        if let Some(hex) = elf.version_hex.or_else(|| debug_offsets::version_hex(elf)) {
            return Self::from_hex(hex).ok_or(VersionError::BadHex { hex });
        }
        let minor = match (elf.has_api_3_8, elf.has_api_3_9, elf.has_api_3_10) {
            (true, true, true) => 10,
            (true, true, false) => 9,
            (true, false, false) => 8,
            // Exports `_PyRuntime` (3.7 and later) but nothing newer.
            (false, false, false) if elf.code_type.is_some() => 7,
            _ => return Err(VersionError::NoEvidence),
        };
        let prefix = format!("3.{minor}.");
        let mut patches: Vec<u8> = elf
            .version_strings
            .iter()
            .filter_map(|text| text.strip_prefix(&prefix))
            .filter_map(|patch| patch.trim_end_matches('+').parse().ok())
            .collect();
        patches.dedup();
        if patches.is_empty() && !elf.version_strings.is_empty() {
            let found = elf.version_strings.iter().cloned().collect();
            return Err(VersionError::Contradiction { minor, found });
        }
        // Two candidates: the minor version is certain, the patch level is not.
        let patch = if let [patch] = patches[..] {
            Some(patch)
        } else {
            None
        };
        Ok(Self {
            major: 3,
            minor,
            patch,
            level: ReleaseLevel::Final,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_values() {
        let text = |hex| PythonVersion::from_hex(hex).map(|version| version.to_string());
        assert_eq!(text(0x030b_07f0).as_deref(), Some("3.11.7"));
        assert_eq!(text(0x030d_00f0).as_deref(), Some("3.13.0"));
        assert_eq!(text(0x030f_00b3).as_deref(), Some("3.15.0b3"));
        assert_eq!(text(0x030e_00c2).as_deref(), Some("3.14.0rc2"));
        assert_eq!(text(0x0207_12f0), None);
        assert_eq!(text(0x030b_0770), None);
    }
}
