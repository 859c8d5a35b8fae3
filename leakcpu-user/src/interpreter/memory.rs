//! Where objects are read from: a process, or copies of its objects.

use super::{RemoteError, RemoteMemory};

/// Reads as small as any page, so that no speculative read reaches over the end of a
/// mapping.
const PAGE_BYTES: u64 = 4096;

/// Memory that holds Python objects.
pub trait ObjectMemory {
    /// Fills at least the first `least` bytes of `buffer` from `address` on, and more of
    /// them as far as that costs nothing; returns how many.
    fn read_some(
        &self,
        address: u64,
        least: usize,
        buffer: &mut [u8],
    ) -> Result<usize, RemoteError>;

    /// Reads `length` bytes, which are not more than `limit`; fewer if only their
    /// beginning is held.
    fn read_start(&self, address: u64, length: u64, limit: usize) -> Result<Vec<u8>, RemoteError>;
}

impl ObjectMemory for RemoteMemory {
    fn read_some(
        &self,
        address: u64,
        least: usize,
        buffer: &mut [u8],
    ) -> Result<usize, RemoteError> {
        let on_this_page = usize::try_from(PAGE_BYTES - address % PAGE_BYTES).unwrap_or(0);
        let bytes = on_this_page.max(least).min(buffer.len());
        self.read(address, &mut buffer[..bytes])?;
        Ok(bytes)
    }

    fn read_start(&self, address: u64, length: u64, limit: usize) -> Result<Vec<u8>, RemoteError> {
        self.read_vec(address, length, limit)
    }
}

/// Pieces of a process' memory, copied while it held them.
#[derive(Clone, Copy, Debug)]
pub struct CopiedMemory<'a> {
    /// Address and bytes of each piece; they may overlap.
    pieces: &'a [(u64, Box<[u8]>)],
}

impl<'a> CopiedMemory<'a> {
    /// The memory that `pieces` hold, addresses and bytes.
    pub const fn new(pieces: &'a [(u64, Box<[u8]>)]) -> Self {
        Self { pieces }
    }

    /// What is held from `address` on: the longest piece.
    fn from(&self, address: u64) -> &'a [u8] {
        self.pieces
            .iter()
            .filter_map(|(start, bytes)| {
                let skip = usize::try_from(address.checked_sub(*start)?).ok()?;
                bytes.get(skip..)
            })
            .max_by_key(|bytes| bytes.len())
            .unwrap_or_default()
    }
}

impl ObjectMemory for CopiedMemory<'_> {
    fn read_some(
        &self,
        address: u64,
        least: usize,
        buffer: &mut [u8],
    ) -> Result<usize, RemoteError> {
        let held = self.from(address);
        let bytes = held.len().min(buffer.len());
        if bytes < least {
            return Err(RemoteError::Unmapped {
                address,
                bytes: least,
            });
        }
        buffer[..bytes].copy_from_slice(&held[..bytes]);
        Ok(bytes)
    }

    fn read_start(&self, address: u64, length: u64, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let wanted = usize::try_from(length).ok().filter(|bytes| *bytes <= limit);
        let wanted = wanted.ok_or(RemoteError::TooLong {
            address,
            bytes: length,
        })?;
        let held = self.from(address);
        Ok(held[..held.len().min(wanted)].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hold_what_they_hold() {
        let pieces = [(100, [1, 2, 3, 4].into()), (102, [3, 4, 5, 6].into())];
        let memory = CopiedMemory::new(&pieces);
        let mut buffer = [0; 3];
        assert_eq!(memory.read_some(102, 1, &mut buffer), Ok(3));
        assert_eq!(buffer, [3, 4, 5]);
        assert_eq!(memory.read_some(105, 1, &mut buffer), Ok(1));
        assert!(memory.read_some(106, 1, &mut buffer).is_err());
        assert!(memory.read_some(99, 1, &mut buffer).is_err());
        assert_eq!(memory.read_start(101, 8, 8), Ok(vec![2, 3, 4]));
        assert_eq!(memory.read_start(7, 8, 8), Ok(vec![]));
        assert!(memory.read_start(101, u64::MAX, 8).is_err());
    }
}
