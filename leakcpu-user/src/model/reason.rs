//! Why a thread was blocked.

use serde::{Deserialize, Serialize};

/// The reasons of the report's contract; the serialized names are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Waiting for a block device to deliver.
    DiskRead,
    /// Waiting for a block device to take data.
    DiskWrite,
    /// `fsync` and its kin.
    Fsync,
    /// A page fault that had to wait.
    PageFault,
    /// A page fault that had to be swapped in.
    Swap,
    /// Waiting for bytes from a peer.
    NetRecv,
    /// Waiting for a peer to take bytes.
    NetSend,
    /// Waiting for a connection to be made.
    NetConnect,
    /// Waiting for somebody to connect.
    NetAccept,
    /// Waiting for a name look-up.
    Dns,
    /// A pipe, either end.
    Pipe,
    /// A terminal.
    Tty,
    /// A child process.
    ChildWait,
    /// Sleeping on purpose.
    Sleep,
    /// `select`, `poll` or `epoll` waiting for work.
    PollWait,
    /// The global interpreter lock.
    Gil,
    /// A lock of the program (`threading`, `queue`, `multiprocessing`, file locks).
    Lock,
    /// A futex of native code.
    Futex,
    /// `io_uring_enter`.
    IoUring,
    /// Waiting for a signal.
    Signal,
    /// Stopped or traced.
    Stopped,
    /// In the kernel for another reason, or for one that could not be read.
    KernelOther,
}

impl Reason {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskRead => "disk-read",
            Self::DiskWrite => "disk-write",
            Self::Fsync => "fsync",
            Self::PageFault => "page-fault",
            Self::Swap => "swap",
            Self::NetRecv => "net-recv",
            Self::NetSend => "net-send",
            Self::NetConnect => "net-connect",
            Self::NetAccept => "net-accept",
            Self::Dns => "dns",
            Self::Pipe => "pipe",
            Self::Tty => "tty",
            Self::ChildWait => "child-wait",
            Self::Sleep => "sleep",
            Self::PollWait => "poll-wait",
            Self::Gil => "gil",
            Self::Lock => "lock",
            Self::Futex => "futex",
            Self::IoUring => "io-uring",
            Self::Signal => "signal",
            Self::Stopped => "stopped",
            Self::KernelOther => "kernel-other",
        }
    }
}
