//! Memory of a process as bytes that were written by hand, or by a fuzzer.
//!
//! An image is loaded into this process' own memory, where the readers that
//! pyobserve uses on other processes read it.

/// Upper half of an address inside an image, before it is loaded. No such address is ever
/// mapped.
const MARK: u64 = 0xffee_0000_0000_0000;

/// Memory that is being written.
#[derive(Clone, Debug, Default)]
pub struct Image {
    bytes: Vec<u8>,
}

impl Image {
    /// Room for `bytes` zeros, aligned as an allocator would; its address.
    pub fn room(&mut self, bytes: usize) -> u64 {
        let at = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(at + bytes, 0);
        MARK + at as u64
    }

    /// Writes `bytes` at `offset` behind `address`, into room that there is.
    pub fn put(&mut self, address: u64, offset: u64, bytes: &[u8]) {
        let at = usize::try_from(address - MARK + offset).unwrap();
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a pointer, or any other word.
    pub fn put_u64(&mut self, address: u64, offset: u64, value: u64) {
        self.put(address, offset, &value.to_le_bytes());
    }

    /// Writes an `int`.
    pub fn put_u32(&mut self, address: u64, offset: u64, value: u32) {
        self.put(address, offset, &value.to_le_bytes());
    }

    /// What a fuzzer is given to change.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An image in this process' memory.
#[derive(Debug)]
pub struct Loaded {
    words: Box<[u64]>,
}

impl Loaded {
    /// Copies an image into memory; every word that is an address inside it becomes one in
    /// that memory.
    pub fn new(bytes: &[u8]) -> Self {
        let mut words: Box<[u64]> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            })
            .collect();
        let base = words.as_ptr() as u64;
        let end = 8 * words.len() as u64;
        for word in &mut words {
            if (MARK..MARK + end).contains(word) {
                *word = *word - MARK + base;
            }
        }
        Self { words }
    }

    /// Where an address of the image is now.
    pub fn at(&self, address: u64) -> u64 {
        address.wrapping_sub(MARK).wrapping_add(self.start())
    }

    /// Its first address.
    pub fn start(&self) -> u64 {
        self.words.as_ptr() as u64
    }
}
