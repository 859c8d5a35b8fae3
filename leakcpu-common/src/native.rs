//! What a sampled thread was executing below its Python frames.

use crate::totals::TotalsKey;

/// No stack was taken: not asked for, or none could be.
pub const NO_STACK: i32 = -1;

/// What one sample saw: a record of the ring `SAMPLES`, and what user space counts by.
/// Samples are not in the map `TOTALS`, except those that found the ring full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LeafKey {
    /// Thread, Python stack and mode: the entry of the totals that the samples are in.
    pub totals: TotalsKey,
    /// Address of the instruction: the kernel's in kernel mode.
    pub ip: u64,
    /// In kernel mode without a system call: the outermost address of the kernel's
    /// stack, which tells a page fault from an interrupt. Else 0.
    pub entry: u64,
    /// Id in `USER_STACKS`, or [`NO_STACK`]. In user mode its stack begins with the
    /// caller of `ip`.
    pub user_stack: i32,
    /// Id in `KERNEL_STACKS`, or [`NO_STACK`].
    pub kernel_stack: i32,
}

/// Most addresses of a native stack; the kernel's default `perf_event_max_stack`.
pub const MAX_NATIVE_FRAMES: usize = 127;

/// Bytes of the ring `SAMPLES`: 18,000 records of 56 bytes with their headers. Emptied
/// forty times a second, it holds what all CPUs together sample at 700,000 a second.
pub const SAMPLE_RING_BYTES: u32 = 1 << 20;

/// Buckets for native stacks, user and kernel each, where they are asked for (about 1
/// KiB each). Two stacks in one bucket cost the second one its frames, which is counted.
pub const NATIVE_STACKS: u32 = 32_768;
