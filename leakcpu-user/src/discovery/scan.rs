//! Looking for CPython processes.

use std::{collections::HashMap, io, sync::Arc};

use super::{
    DiscoveryError, Mapping, ProcessFacts,
    binary::{BinaryCache, FileId, Verdict},
    maps::{executable_mappings, is_writable},
    process::{Stat, process_facts},
    procfile,
};
use crate::elf::PythonElf;

/// The CPython that a process has mapped.
#[derive(Clone, Debug)]
pub struct PythonImage {
    /// Facts of the file.
    pub elf: Arc<PythonElf>,
    /// Which file.
    pub file: FileId,
    /// Its path, as the process' own mount namespace names it.
    pub path: String,
    /// What the loader added to the addresses as linked.
    pub load_bias: u64,
}

/// A process that has a CPython mapped. Whether it has been initialised is for
/// the interpreter room to say.
#[derive(Clone, Debug)]
pub struct PythonTarget {
    /// The process.
    pub facts: ProcessFacts,
    /// Its CPython.
    pub image: PythonImage,
}

/// What a process is.
#[derive(Debug)]
pub enum Inspection {
    /// It has a CPython mapped.
    Python(Box<PythonTarget>),
    /// It is just being executed and nothing is mapped yet, or only a file that asks
    /// for a libpython: ask again.
    MightBecomePython,
    /// It is something else; that may change with the next exec or `dlopen`.
    NotPython,
    /// It is a kernel thread.
    KernelThread,
    /// It is dead and waits to be collected.
    Zombie,
}

/// The outcome of looking at every process.
#[derive(Debug, Default)]
pub struct Scan {
    /// CPython processes, by pid.
    pub python: Vec<PythonTarget>,
    /// Processes to ask about again in a moment.
    pub might_become_python: Vec<u32>,
    /// Processes that this user may not look at, with the reason.
    pub unreadable: Vec<(u32, DiscoveryError)>,
    /// Processes that are something else.
    pub others: usize,
}

/// Verdicts of one scan by what `maps` itself shows, to spare even the look at
/// the file; valid only while nothing is unmounted, so never kept.
type Seen = HashMap<((u32, u32), u64), (FileId, Verdict)>;

/// Finds CPython processes; remembers which files are CPython.
#[derive(Debug, Default)]
pub struct Discovery {
    binaries: BinaryCache,
}

impl Discovery {
    /// A discovery that knows no file yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many files have been parsed so far.
    pub fn files_parsed(&self) -> u64 {
        self.binaries.parsed()
    }

    /// Looks at every process except this one.
    pub fn scan(&mut self) -> Result<Scan, DiscoveryError> {
        let mut pids = procfile::numbers_in("/proc").map_err(|error| DiscoveryError::Io {
            path: "/proc".to_owned(),
            error,
        })?;
        pids.sort_unstable();
        let own = std::process::id();
        let mut seen = Seen::new();
        let mut scan = Scan::default();
        for pid in pids.into_iter().filter(|pid| *pid != own) {
            match self.inspect_with(pid, &mut seen) {
                Ok(Inspection::Python(target)) => scan.python.push(*target),
                Ok(Inspection::MightBecomePython) => scan.might_become_python.push(pid),
                Ok(Inspection::NotPython) => scan.others += 1,
                Ok(Inspection::KernelThread | Inspection::Zombie)
                | Err(DiscoveryError::Gone { .. }) => {}
                Err(error) => scan.unreadable.push((pid, error)),
            }
        }
        Ok(scan)
    }

    /// Looks at one process.
    pub fn inspect(&mut self, pid: u32) -> Result<Inspection, DiscoveryError> {
        self.inspect_with(pid, &mut Seen::new())
    }

    /// True if the process has been executed so recently that its libpython is not
    /// mapped yet: ask again in a moment.
    pub fn might_become_python(&mut self, pid: u32) -> Result<bool, DiscoveryError> {
        Ok(matches!(self.inspect(pid)?, Inspection::MightBecomePython))
    }

    fn inspect_with(&mut self, pid: u32, seen: &mut Seen) -> Result<Inspection, DiscoveryError> {
        let stat = Stat::read(pid)?;
        if stat.is_kernel_thread() {
            return Ok(Inspection::KernelThread);
        }
        if matches!(stat.state, 'Z' | 'X' | 'x') {
            return Ok(Inspection::Zombie);
        }
        let maps = procfile::read(pid, "maps")?;
        if maps.is_empty() {
            // The address space is gone: the process is exiting.
            return Err(DiscoveryError::Gone { pid });
        }
        let mut mappings = executable_mappings(&maps);
        if mappings.is_empty() {
            // No program has no code: the kernel is just executing it.
            return Ok(Inspection::MightBecomePython);
        }
        // The executable and files called python are the likeliest; the order saves
        // time and decides nothing.
        let exe = procfile::link(pid, "exe");
        mappings.sort_by_key(|mapping| {
            let path = mapping.path.to_string_lossy();
            (Some(&*path) != exe.as_deref(), !path.contains("python"))
        });
        let mut needs_libpython = false;
        let mut denied = None;
        for mapping in &mappings {
            match self.verdict(pid, mapping, seen) {
                Ok((file, Verdict::Python(elf))) => {
                    let Some(load_bias) = elf.load_bias(mapping.start, mapping.file_offset) else {
                        continue;
                    };
                    if !is_writable(&maps, elf.runtime.address.wrapping_add(load_bias)) {
                        // The loader has mapped the code and not yet the data.
                        return Ok(Inspection::MightBecomePython);
                    }
                    return Ok(Inspection::Python(Box::new(PythonTarget {
                        facts: process_facts(pid)?,
                        image: PythonImage {
                            elf,
                            file,
                            path: mapping.path.to_string_lossy().into_owned(),
                            load_bias,
                        },
                    })));
                }
                Ok((_, Verdict::NeedsLibpython)) => needs_libpython = true,
                Ok((_, Verdict::Other)) => {}
                Err(error) => denied = Some((mapping, error)),
            }
        }
        // A libpython that is mapped but defines no `_PyRuntime` is 3.6 or older.
        let is_libpython =
            |mapping: &Mapping| mapping.path.to_string_lossy().contains("/libpython");
        if needs_libpython && !mappings.iter().any(is_libpython) {
            return Ok(Inspection::MightBecomePython);
        }
        match denied {
            Some((mapping, error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(DiscoveryError::Denied {
                    path: mapping.path.to_string_lossy().into_owned(),
                })
            }
            // Files that are gone for good were something else, as far as can be told.
            Some(_) | None => Ok(Inspection::NotPython),
        }
    }

    fn verdict(
        &mut self,
        pid: u32,
        mapping: &Mapping,
        seen: &mut Seen,
    ) -> io::Result<(FileId, Verdict)> {
        let key = (mapping.device, mapping.inode);
        if let Some(known) = seen.get(&key) {
            return Ok(known.clone());
        }
        let verdict = self.binaries.verdict(pid, mapping)?;
        seen.insert(key, verdict.clone());
        Ok(verdict)
    }
}
