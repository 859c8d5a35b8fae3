//! Who had the CPU while a watched thread was ready to run.

/// Bytes of the kernel's name for a task (`TASK_COMM_LEN`).
pub const COMM_BYTES: usize = 16;

/// Entries of the map `RIVALS`.
pub const RIVALS: u32 = 8_192;

/// Waits shorter than this are not looked into: a switch takes some microseconds.
pub const MIN_RIVAL_WAIT_NS: u64 = 100_000;

/// Which process kept which waiting, on which CPU: on a CPU of its own no two programs
/// change one entry at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct RivalKey {
    /// The watched process.
    pub pid: u32,
    /// The process that had the CPU right before the waiting thread got it; 0 for the
    /// idle task. It may be the watched process itself.
    pub rival_pid: u32,
    /// The CPU.
    pub cpu: u32,
    /// Always 0.
    pub pad: u32,
}

/// What a rival is charged with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rival {
    /// Time that it was on the CPU right before threads of the watched process, while they
    /// were ready to run.
    pub ran_ns: u64,
    /// How often.
    pub count: u64,
    /// The kernel's name for the rival's thread when it was first met.
    pub comm: [u8; COMM_BYTES],
}
