//! Names that have been read, within bounds.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::name::{FunctionName, Named, Role};
use crate::interpreter::{CodeObject, PythonProcess};

/// Most memory that names, line tables and texts take together: some 200,000 code
/// objects of ordinary size.
const MAX_BYTES: usize = 96 << 20;

/// Identity of a process image: pid and start time, and where its interpreter is,
/// which changes with an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ImageKey {
    pid: u32,
    start_boottime_ns: u64,
    runtime: u64,
}

impl ImageKey {
    pub(super) fn of(process: &PythonProcess) -> Self {
        Self {
            pid: process.pid,
            start_boottime_ns: process.start_boottime_ns,
            runtime: process.kernel.runtime,
        }
    }
}

/// A code object: where it is, and its witness.
pub(super) type CodeKey = (u64, u64);

#[derive(Debug, Default)]
struct Image {
    names: HashMap<CodeKey, Named>,
    bytes: usize,
}

/// Names by image and code object.
#[derive(Debug)]
pub(super) struct NameCache {
    images: HashMap<ImageKey, Image>,
    texts: HashSet<Arc<str>>,
    /// Of all images; texts are counted with the name that brought them.
    bytes: usize,
    max_bytes: usize,
    /// Names dropped for want of room.
    pub(super) evicted: u64,
}

impl Default for NameCache {
    fn default() -> Self {
        Self::with_limit(MAX_BYTES)
    }
}

impl NameCache {
    fn with_limit(max_bytes: usize) -> Self {
        Self {
            images: HashMap::new(),
            texts: HashSet::new(),
            bytes: 0,
            max_bytes,
            evicted: 0,
        }
    }

    pub(super) fn get(&self, image: ImageKey, code: CodeKey) -> Option<&Named> {
        self.images.get(&image)?.names.get(&code)
    }

    /// Keeps what matters of `code`, and makes room for it.
    pub(super) fn insert(&mut self, image: ImageKey, code: CodeObject) {
        let role = Role::of(&code);
        let is_short_lived = code.is_short_lived();
        let (name, name_bytes) = self.intern(code.qualname.as_deref().unwrap_or(&code.name));
        let (file, file_bytes) = self.intern(&code.filename);
        let bytes = size_of::<(CodeKey, Named)>()
            + size_of::<FunctionName>()
            + code.lines.table.len()
            + name_bytes
            + file_bytes;
        let named = Named {
            function: Arc::new(FunctionName {
                name,
                file,
                first_line: code.lines.first_line,
            }),
            witness: code.witness,
            role,
            is_short_lived,
            lines: code.lines,
        };
        if self.bytes + bytes > self.max_bytes {
            self.evict();
        }
        self.bytes += bytes;
        let entry = self.images.entry(image).or_default();
        entry.bytes += bytes;
        // A name that is there already is the same, and is counted twice.
        entry
            .names
            .insert((named.lines.address, named.witness), named);
    }

    /// Drops the image that takes the most memory: its names are read again when they
    /// are wanted again.
    fn evict(&mut self) {
        let largest = self
            .images
            .iter()
            .max_by_key(|(_, image)| image.bytes)
            .map(|(key, _)| *key);
        if let Some(image) = largest.and_then(|key| self.images.remove(&key)) {
            self.bytes -= image.bytes;
            self.evicted += image.names.len() as u64;
        }
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    /// One copy of each text: a hundred functions share one file name. With the bytes
    /// that are new.
    fn intern(&mut self, text: &str) -> (Arc<str>, usize) {
        if let Some(known) = self.texts.get(text) {
            return (Arc::clone(known), 0);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        let bytes = text.len() + 2 * size_of::<Arc<str>>();
        (text, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{Bytecode, CodeLines, LineTableKind, layout::InstructionPointer};

    fn code(address: u64) -> CodeObject {
        CodeObject {
            name: format!("f{address}"),
            qualname: None,
            filename: "/srv/app.py".to_owned(),
            lines: CodeLines {
                address,
                first_line: 1,
                table: vec![0; 100].into(),
                is_whole: true,
                kind: LineTableKind::Lnotab,
                instruction_pointer: InstructionPointer::Bytes,
                bytecode: Bytecode::default(),
                first_traceable: None,
            },
            witness: 7,
            is_function: true,
            is_whole: true,
        }
    }

    fn image(pid: u32) -> ImageKey {
        ImageKey {
            pid,
            start_boottime_ns: 0,
            runtime: 0,
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let mut cache = NameCache::with_limit(64 << 10);
        cache.insert(image(1), code(1));
        for address in 0..10_000 {
            cache.insert(image(2), code(address));
            assert!(cache.get(image(2), (address, 7)).is_some());
            assert!(cache.bytes <= 64 << 10);
        }
        let kept: usize = cache.images.values().map(|image| image.names.len()).sum();
        assert_eq!(cache.evicted + kept as u64, 10_001);
        assert!(cache.evicted > 9_000);
        // The small one is not what takes the room.
        assert!(cache.get(image(1), (1, 7)).is_some());
        assert!(cache.texts.len() < 1_000);
    }
}
