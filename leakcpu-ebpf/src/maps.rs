//! Maps shared by several sources. Sizes are the command line's to change.

use core::cell::{Cell, UnsafeCell};

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use leakcpu_common::{
    config::{Control, MAX_CODE_COPIES, MAX_SYSCALLS},
    counters::Counter,
    event::{CodeEvent, StackEvent},
    process::PyProcess,
    python::{FrameWindow, Leaf, WIDE_WINDOW_WORDS, WalkEnd},
    syscall::{SyscallSpec, SyscallTally, TallyKey},
    thread::ThreadState,
    totals::{Totals, TotalsKey},
};

/// Words of [`Scratch::small`].
pub const SMALL_WORDS: usize = 8;

/// Per-CPU working space of a walk, one for each kind of walker. `sched_switch` and the
/// sampling event never nest (0 of 203,321 samples on 6.18, 0 on 5.10 to 7.2), so they share
/// one.
///
/// The steps of a walk are functions of their own that leave here what the next one needs. So
/// all of it is in cells: whoever holds a reference must read again what a step has written.
#[repr(C)]
pub struct Scratch {
    pub event: UnsafeCell<StackEvent>,
    pub code: UnsafeCell<CodeEvent>,
    pub frame_window: UnsafeCell<FrameWindow>,
    pub wide: UnsafeCell<[u64; WIDE_WINDOW_WORDS]>,
    /// Single words that are read.
    pub small: UnsafeCell<[u64; SMALL_WORDS]>,
    /// The thread whose stack is captured.
    pub pid: Cell<u32>,
    pub tid: Cell<u32>,
    /// Its thread state in the main interpreter, if known; then the one whose frames
    /// were walked, and the walk.
    pub tstate: Cell<u64>,
    /// [`ThreadState::alone_until_ns`] and [`ThreadState::frames_reach`], before and after.
    pub alone_until_ns: Cell<u64>,
    pub frames_reach: Cell<u64>,
    /// `PyLayout::root_is_entry` of its process.
    pub root_is_entry: Cell<u64>,
    pub leaf: Cell<Leaf>,
    pub walk_end: UnsafeCell<WalkEnd>,
    /// Not 0 if a code object was among the frames that may have been replaced.
    pub may_change: Cell<u64>,
    /// Hash of the stack at the thread's last switch: that one has been sent.
    pub known_hash: Cell<u64>,
    /// Hash of the stack in `event`; while its code objects are looked at, in the making.
    pub hash: Cell<u64>,
    /// Hash of its frames, to which witnesses and flags come.
    pub frames_hash: Cell<u64>,
    /// Its number of frames.
    pub frames: Cell<u64>,
    /// Frames of a new stack whose code objects are looked at.
    pub looks: Cell<u64>,
    /// Not 0 if nothing but the innermost frame is wanted.
    pub is_leaf_only: Cell<u64>,
    /// When no further one is looked at or copied.
    pub until_ns: Cell<u64>,
    /// Bits of `stack::flags`: how the walk ended.
    pub flags: Cell<u32>,
    /// Not 0 if a frame of it cannot be one.
    pub torn: Cell<u32>,
    /// The thread whose probe walks with it; 0 if none, and always among programs that never
    /// nest.
    pub owner: Cell<u64>,
    /// Code objects to copy: how many, and their frames.
    pub pending_count: Cell<u64>,
    pub pending: UnsafeCell<[u64; MAX_CODE_COPIES]>,
}

// SAFETY: every CPU has its own, and programs of one CPU that may interrupt each other have
// different ones, or notice by `owner`.
unsafe impl Sync for Scratch {}

#[map]
pub static THREADS: HashMap<u32, ThreadState> = HashMap::with_max_entries(32_768, 0);

#[map]
pub static PROCESSES: HashMap<u32, PyProcess> = HashMap::with_max_entries(4_096, 0);

#[map]
pub static TOTALS: HashMap<TotalsKey, Totals> = HashMap::with_max_entries(65_536, 0);

#[map]
pub static STACKS_SENT: HashMap<u64, u32> = HashMap::with_max_entries(65_536, 0);

#[map]
pub static CODES_SENT: HashMap<u64, u32> = HashMap::with_max_entries(65_536, 0);

#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// User space empties the ring buffer at its own pace: waking it would cost the
/// watched CPU an interrupt for nothing.
pub const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Counter::COUNT, 0);

#[map]
pub static CONTROL: Array<Control> = Array::with_max_entries(1, 0);

#[map]
pub static SYSCALLS: Array<SyscallSpec> = Array::with_max_entries(MAX_SYSCALLS as u32, 0);

#[map]
pub static SUSPECTS: HashMap<u32, u32> = HashMap::with_max_entries(1_024, 0);

#[map]
pub static TALLIES: HashMap<TallyKey, SyscallTally> = HashMap::with_max_entries(8_192, 0);

#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// What user space says; `None` once it has ended the window.
#[inline(always)]
pub fn running() -> Option<&'static Control> {
    CONTROL.get(0).filter(|control| control.stopped_ns == 0)
}

/// True once user space has ended the window.
#[inline(always)]
pub fn stopped() -> bool {
    running().is_none()
}

/// Whether calls are counted just now.
#[inline(always)]
pub fn counts_calls() -> bool {
    CONTROL
        .get(0)
        .is_some_and(|control| control.counts_calls != 0)
}

/// True once user space has begun the window.
#[inline(always)]
pub fn has_begun() -> bool {
    CONTROL.get(0).is_some_and(|control| control.begun_ns != 0)
}
