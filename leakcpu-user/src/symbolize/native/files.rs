//! The files of code, held open while their processes come and go.

use std::{collections::HashMap, ffi::OsString, fs::File, sync::Arc};

use crate::discovery::{self, Mapping};

/// Which file a mapping is of, as `/proc/PID/maps` shows it. While the file is held
/// open its inode cannot be another's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    device: (u32, u32),
    inode: u64,
    path: OsString,
}

impl FileKey {
    pub(super) fn of(mapping: &Mapping) -> Self {
        Self {
            device: mapping.device,
            inode: mapping.inode,
            path: mapping.path.clone(),
        }
    }
}

#[derive(Debug)]
struct Held {
    file: Arc<File>,
    last_used: u64,
}

/// Files of code by identity: at most as many as it was made for.
#[derive(Debug)]
pub struct CodeFiles {
    held: HashMap<FileKey, Held>,
    limit: usize,
    clock: u64,
    evicted: u64,
}

impl CodeFiles {
    /// Holds at most `limit` files open.
    pub fn new(limit: usize) -> Self {
        Self {
            held: HashMap::new(),
            limit: limit.max(1),
            clock: 0,
            evicted: 0,
        }
    }

    /// Files that were let go for want of room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The file that `mapping` of process `pid` maps; opened if it is not held.
    pub(super) fn get(&mut self, pid: u32, mapping: &Mapping) -> Option<Arc<File>> {
        self.clock += 1;
        let key = FileKey::of(mapping);
        if let Some(held) = self.held.get_mut(&key) {
            held.last_used = self.clock;
            return Some(Arc::clone(&held.file));
        }
        let file = discovery::open_code(pid, mapping).ok()?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        if self.held.len() >= self.limit {
            let oldest = self.held.iter().min_by_key(|(_, held)| held.last_used);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.held.remove(&key);
                self.evicted += 1;
            }
        }
        let file = Arc::new(file);
        self.held.insert(
            key,
            Held {
                file: Arc::clone(&file),
                last_used: self.clock,
            },
        );
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::{Backing, code_ranges};

    #[test]
    fn no_more_files_than_asked_for() {
        let pid = std::process::id();
        let mappings: Vec<Arc<Mapping>> = code_ranges(pid)
            .unwrap()
            .into_iter()
            .filter_map(|range| match range.backing {
                Backing::File(mapping) => Some(mapping),
                _ => None,
            })
            .collect();
        assert!(mappings.len() >= 2, "a test has a C library: {mappings:?}");
        let mut files = CodeFiles::new(1);
        for _ in 0..2 {
            assert!(files.get(pid, &mappings[0]).is_some());
        }
        assert_eq!((files.held.len(), files.evicted()), (1, 0));
        assert!(files.get(pid, &mappings[1]).is_some());
        assert_eq!((files.held.len(), files.evicted()), (1, 1));
    }
}
