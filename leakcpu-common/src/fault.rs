//! Page faults that had to wait for a disk: where in memory.

/// Regions of faults that are kept at most.
pub const FAULTS: u32 = 8_192;

/// Faults in one region of memory of this size (a power of two) are counted together.
pub const REGION_SHIFT: u32 = 21;

/// Faults of one thread in one place of the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FaultKey {
    /// Stack at the thread's last switch: that of the wait for the page.
    pub stack: u64,
    /// Address, without its low bits ([`REGION_SHIFT`]).
    pub region: u64,
    /// Thread.
    pub tid: u32,
    /// As in `TotalsKey::generation`.
    pub generation: u32,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Faults {
    /// Number.
    pub count: u64,
    /// Where the last one was.
    pub address: u64,
}
