//! Reading another process' memory: `process_vm_readv`, bounded.

use std::io::IoSliceMut;

use leakcpu_common::python::{
    FRAME_WINDOW_WORDS, FrameWindow, MemRead, WIDE_READ_WORDS, WIDE_WINDOW_WORDS,
};
use nix::{
    errno::Errno,
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};

/// No single read is longer: a length that comes from the target may be garbage.
pub const MAX_READ_BYTES: usize = 4 << 20;

/// Why memory could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The kernel does not let this user read that process.
    #[error("no permission to read the memory of process {pid}")]
    Denied {
        /// The process.
        pid: u32,
    },
    /// The process ended: an ordinary outcome.
    #[error("process {pid} is gone")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// The address is not mapped.
    #[error("{bytes} bytes at {address:#x} are not mapped")]
    Unmapped {
        /// First address.
        address: u64,
        /// Bytes wanted.
        bytes: usize,
    },
    /// A length read from the target is too large to be true.
    #[error("{bytes} bytes at {address:#x} are more than is ever read")]
    TooLong {
        /// First address.
        address: u64,
        /// Bytes wanted.
        bytes: u64,
    },
    /// Another error of the operating system.
    #[error("cannot read the memory of process {pid}: {error}")]
    Os {
        /// The process.
        pid: u32,
        /// What the system said.
        error: Errno,
    },
}

impl RemoteError {
    /// The next step for the user.
    pub fn how_to_fix(&self) -> &'static str {
        match self {
            Self::Denied { .. } => {
                "run pyobserve with sudo (CAP_SYS_PTRACE); in a container, allow process_vm_readv"
            }
            Self::Gone { .. } => "nothing to do: it ended while being looked at",
            Self::Unmapped { .. } | Self::TooLong { .. } => {
                "try again; if it stays, this build of Python is laid out unlike any known one"
            }
            Self::Os { .. } => "check that the kernel was built with CONFIG_CROSS_MEMORY_ATTACH",
        }
    }
}

/// The memory of one process.
#[derive(Clone, Copy, Debug)]
pub struct RemoteMemory {
    pid: u32,
}

impl RemoteMemory {
    /// The memory of `pid`; nothing is read yet.
    pub const fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Fills `buffer` from `address` on.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), RemoteError> {
        let bytes = buffer.len();
        let unmapped = RemoteError::Unmapped { address, bytes };
        if bytes > MAX_READ_BYTES {
            return Err(RemoteError::TooLong {
                address,
                bytes: bytes as u64,
            });
        }
        let base = usize::try_from(address).map_err(|_| unmapped)?;
        let remote = [RemoteIoVec { base, len: bytes }];
        let pid = i32::try_from(self.pid).map_err(|_| RemoteError::Gone { pid: self.pid })?;
        match process_vm_readv(Pid::from_raw(pid), &mut [IoSliceMut::new(buffer)], &remote) {
            Ok(read) if read == bytes => Ok(()),
            // The rest lies on a page that is not there.
            Ok(_) | Err(Errno::EFAULT) => Err(unmapped),
            Err(Errno::ESRCH) => Err(RemoteError::Gone { pid: self.pid }),
            Err(Errno::EPERM | Errno::EACCES) => Err(RemoteError::Denied { pid: self.pid }),
            Err(error) => Err(RemoteError::Os {
                pid: self.pid,
                error,
            }),
        }
    }

    /// Reads `length` bytes, which came from the target, if they are not more than
    /// `limit`.
    pub fn read_vec(
        &self,
        address: u64,
        length: u64,
        limit: usize,
    ) -> Result<Vec<u8>, RemoteError> {
        let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= limit);
        let bytes = bytes.ok_or(RemoteError::TooLong {
            address,
            bytes: length,
        })?;
        let mut buffer = vec![0; bytes];
        if bytes > 0 {
            self.read(address, &mut buffer)?;
        }
        Ok(buffer)
    }

    /// Reads 8 bytes.
    pub fn read_u64(&self, address: u64) -> Result<u64, RemoteError> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads 4 bytes.
    pub fn read_u32(&self, address: u64) -> Result<u32, RemoteError> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

/// [`RemoteMemory`] for the frame walk.
#[derive(Debug)]
pub struct RemoteReader {
    memory: RemoteMemory,
    frames: FrameWindow,
    wide: [u64; WIDE_WINDOW_WORDS],
}

impl RemoteReader {
    /// A reader of `memory`.
    pub const fn new(memory: RemoteMemory) -> Self {
        Self {
            memory,
            frames: FrameWindow::EMPTY,
            wide: [0; WIDE_WINDOW_WORDS],
        }
    }

    fn read<const N: usize>(&self, addr: u64) -> Option<[u64; N]> {
        let mut words = [[0; 8]; N];
        self.memory.read(addr, words.as_flattened_mut()).ok()?;
        Some(words.map(u64::from_ne_bytes))
    }
}

impl MemRead for RemoteReader {
    fn read_words<const N: usize>(&self, addr: u64) -> Option<[u64; N]> {
        self.read(addr)
    }

    fn is_late(&self) -> bool {
        // It stops nobody.
        false
    }

    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
        let memory = self.memory;
        self.frames.frame(addr, |to, bytes, from| {
            // SAFETY: the window has room for so much, and nobody else has it now.
            let to = unsafe { std::slice::from_raw_parts_mut(to, bytes) };
            memory.read(from, to).is_ok()
        })
    }

    fn read_wide(&mut self, addr: u64) -> Option<&[u64; WIDE_WINDOW_WORDS]> {
        let words = self.read::<WIDE_READ_WORDS>(addr)?;
        self.wide[..WIDE_READ_WORDS].copy_from_slice(&words);
        Some(&self.wide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory() {
        let memory = RemoteMemory::new(std::process::id());
        let value = 0x0123_4567_89ab_cdef_u64;
        assert_eq!(memory.read_u64(&raw const value as u64), Ok(value));
        assert!(matches!(
            memory.read_u64(8),
            Err(RemoteError::Unmapped {
                address: 8,
                bytes: 8
            })
        ));
        assert!(matches!(
            memory.read_u64(u64::MAX),
            Err(RemoteError::Unmapped { .. })
        ));
        let too_long = memory.read_vec(&raw const value as u64, 1 << 40, 64);
        assert!(matches!(too_long, Err(RemoteError::TooLong { .. })));
    }

    #[test]
    fn a_pid_that_is_not_there() {
        assert_eq!(
            RemoteMemory::new(5_000_000).read_u64(8),
            Err(RemoteError::Gone { pid: 5_000_000 })
        );
        assert_eq!(
            RemoteMemory::new(u32::MAX).read_u64(8),
            Err(RemoteError::Gone { pid: u32::MAX })
        );
    }
}
