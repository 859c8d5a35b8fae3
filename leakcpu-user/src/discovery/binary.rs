//! What a mapped file is, decided once per file.

use std::{
    collections::HashMap,
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::PathBuf,
    sync::Arc,
};

use object::ReadCache;

use super::Mapping;
use crate::elf::{ElfError, Image, PythonElf, needs_libpython, python_elf};

/// Identity of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device, as `stat` has it.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Size.
    pub bytes: u64,
    /// Time of the last change, since 1970.
    pub modified_ns: i128,
}

impl FileId {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }
}

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It defines `_PyRuntime`.
    Python(Arc<PythonElf>),
    /// It does not, but asks the loader for a libpython.
    NeedsLibpython,
    /// Neither; or not an ELF file, or one that cannot be parsed.
    Other,
}

/// Verdicts by content. Holds one small entry per file ever mapped executable.
#[derive(Debug, Default)]
pub(super) struct BinaryCache {
    verdicts: HashMap<FileId, Verdict>,
    parsed: u64,
}

impl BinaryCache {
    /// How many files have been parsed.
    pub(super) fn parsed(&self) -> u64 {
        self.parsed
    }

    /// The verdict on the file behind `mapping` of process `pid`.
    pub(super) fn verdict(&mut self, pid: u32, mapping: &Mapping) -> io::Result<(FileId, Verdict)> {
        let file = open_mapped(pid, mapping)?;
        let metadata = file.metadata()?;
        let id = FileId::of(&metadata);
        if let Some(verdict) = self.verdicts.get(&id) {
            return Ok((id, verdict.clone()));
        }
        self.parsed += 1;
        let verdict = if metadata.is_file() {
            judge(file).unwrap_or_else(|error| {
                tracing::debug!(path = %mapping.path.display(), %error, "not taken for Python");
                Verdict::Other
            })
        } else {
            Verdict::Other
        };
        self.verdicts.insert(id, verdict.clone());
        Ok((id, verdict))
    }
}

/// The interpreter in a file that no process has mapped yet; `None` if it is none, or has it in
/// a library.
pub fn python_file(file: &File) -> io::Result<Option<(FileId, Arc<PythonElf>)>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(match judge(file.try_clone()?) {
        Ok(Verdict::Python(elf)) => Some((FileId::of(&metadata), elf)),
        Ok(Verdict::NeedsLibpython | Verdict::Other) | Err(_) => None,
    })
}

fn judge(file: File) -> Result<Verdict, ElfError> {
    let cache = ReadCache::new(file);
    let image = Image::parse(&cache)?;
    if let Some(python) = python_elf(&image)? {
        return Ok(Verdict::Python(Arc::new(python)));
    }
    Ok(if needs_libpython(&image)? {
        Verdict::NeedsLibpython
    } else {
        Verdict::Other
    })
}

/// Opens the very file that is mapped: by address range where we may (that works
/// for removed files too), else by its path inside the process' mount namespace,
/// provided that it is still the same inode.
pub(super) fn open_mapped(pid: u32, mapping: &Mapping) -> io::Result<File> {
    let exact = format!(
        "/proc/{pid}/map_files/{:x}-{:x}",
        mapping.start, mapping.end
    );
    let open = |path: PathBuf| {
        // A path under /proc/PID/root may meanwhile be anything, a FIFO for one.
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
    };
    let first_error = match open(PathBuf::from(exact)) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    let mut by_path = PathBuf::from(format!("/proc/{pid}/root"));
    by_path.push(std::ffi::OsStr::from_bytes(
        mapping
            .path
            .as_bytes()
            .strip_prefix(b"/")
            .unwrap_or_default(),
    ));
    for path in [by_path, PathBuf::from(format!("/proc/{pid}/exe"))] {
        if let Ok(file) = open(path)
            && file
                .metadata()
                .is_ok_and(|found| found.ino() == mapping.inode)
        {
            return Ok(file);
        }
    }
    Err(first_error)
}
