//! What a sampled thread was executing below its Python frames.

use crate::totals::TotalsKey;

/// No stack was taken: not asked for, or none could be.
pub const NO_STACK: i32 = -1;

/// Samples at one instruction: the key of the map `LEAVES`, whose value is how often.
/// They are not in the map `TOTALS`, except those that found this map full.
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

/// Entries of the map `LEAVES` unless the loader says otherwise.
pub const DEFAULT_LEAVES: u32 = 65_536;

/// Buckets for native stacks, user and kernel each, where they are asked for (about 1
/// KiB each). Two stacks in one bucket cost the second one its frames, which is counted.
pub const NATIVE_STACKS: u32 = 32_768;
