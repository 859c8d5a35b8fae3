//! `Pod` for the types that user space reads from and writes to maps.

use crate::{
    config::Control,
    event_loop::{LoopKey, LoopState},
    fault::{FaultKey, Faults},
    native::LeafKey,
    process::PyProcess,
    rival::{Rival, RivalKey},
    syscall::{SyscallSpec, SyscallTally, TallyKey},
    thread::ThreadState,
    totals::{Totals, TotalsKey},
    usdt::{AuditKey, CallKey, CollectionKey, Collections, FiredKey, OpenCollection, UsdtSite},
    wake::{Wake, WakeKey},
};

macro_rules! pod {
    ($($ty:ty),+ $(,)?) => {$(
        // SAFETY: `repr(C)`, integers only, no padding (`abi` asserts the sizes),
        // so every bit pattern is a value and every byte is initialised.
        unsafe impl aya::Pod for $ty {}
    )+};
}

pod!(
    AuditKey,
    CallKey,
    CollectionKey,
    Collections,
    Control,
    FaultKey,
    Faults,
    FiredKey,
    LeafKey,
    LoopKey,
    LoopState,
    OpenCollection,
    PyProcess,
    Rival,
    RivalKey,
    SyscallSpec,
    SyscallTally,
    TallyKey,
    ThreadState,
    Totals,
    TotalsKey,
    UsdtSite,
    Wake,
    WakeKey,
);
