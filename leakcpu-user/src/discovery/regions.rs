//! What lies behind the addresses of a process.

use procfs::process::{MMapPath, Process};

/// What a page of memory comes from if it is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backed {
    /// A file, by its path as the process' mount namespace names it.
    File(String),
    /// The swap device: memory of no file, or of one that lies in memory.
    Swap,
    /// Not known.
    Unknown,
}

/// The mappings of a process, in address order.
#[derive(Debug, Default)]
pub struct Regions(Vec<(std::ops::Range<u64>, Backed)>);

impl Regions {
    /// Reads `/proc/PID/maps`; empty if it cannot be read.
    pub fn read(pid: u32) -> Self {
        let swaps = swaps();
        let maps = i32::try_from(pid)
            .ok()
            .and_then(|pid| Process::new(pid).ok()?.maps().ok());
        let regions = maps.into_iter().flat_map(|maps| maps.0).map(|map| {
            let (start, end) = map.address;
            (start..end, backed(&map.pathname, swaps))
        });
        Self(regions.collect())
    }

    /// What is behind `address`; `None` if nothing is mapped there.
    pub fn at(&self, address: u64) -> Option<&Backed> {
        let after = self.0.partition_point(|(range, _)| range.end <= address);
        let (range, backed) = self.0.get(after)?;
        range.contains(&address).then_some(backed)
    }
}

/// Whether the machine swaps at all.
fn swaps() -> bool {
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    swaps.lines().count() > 1
}

fn backed(path: &MMapPath, swaps: bool) -> Backed {
    let in_memory = match path {
        MMapPath::Path(path) => {
            let path = path.to_string_lossy();
            // Names of shared memory, `mm/shmem.c` and `mm/memfd.c`.
            let marks = ["/dev/zero (deleted)", "/dev/shm/", "/memfd:", "/SYSV"];
            if !marks.iter().any(|mark| path.starts_with(mark)) {
                return Backed::File(path.into_owned());
            }
            true
        }
        MMapPath::Other(name) => name.starts_with("anon"),
        MMapPath::Heap
        | MMapPath::Stack
        | MMapPath::TStack(_)
        | MMapPath::Anonymous
        | MMapPath::Vsys(_) => true,
        _ => false,
    };
    if in_memory && swaps {
        Backed::Swap
    } else {
        Backed::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_of_a_file() {
        let regions = Regions::read(std::process::id());
        let here = code_is_of_a_file as fn() as usize as u64;
        let exe = std::env::current_exe().unwrap();
        assert_eq!(
            regions.at(here),
            Some(&Backed::File(exe.display().to_string()))
        );
        assert_eq!(regions.at(0), None);
        assert_eq!(regions.at(u64::MAX), None);
    }

    #[test]
    fn memory_of_no_file_is_swapped_if_anything_is() {
        let shared = MMapPath::Path("/dev/shm/a".into());
        for path in [MMapPath::Heap, MMapPath::Anonymous, shared] {
            assert_eq!(backed(&path, true), Backed::Swap);
            assert_eq!(backed(&path, false), Backed::Unknown);
        }
        assert_eq!(backed(&MMapPath::Vdso, true), Backed::Unknown);
    }
}
