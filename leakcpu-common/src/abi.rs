//! Compile-time guards: sizes and the absence of hidden padding.

use core::mem::{align_of, size_of};

use crate::{
    config::Control,
    event::{CodeEvent, EventHeader, ProcessEvent, STACK_EVENT_HEAD_BYTES, Segment, StackEvent},
    event_loop::{GapTimes, LoopKey, LoopState},
    fault::{FaultKey, Faults},
    native::LeafKey,
    process::{CHANGEABLE_SLOTS, PyProcess},
    python::{FramePlan, PyLayout},
    rival::{Rival, RivalKey},
    stack::RawFrame,
    syscall::{SyscallSpec, SyscallTally, TallyKey},
    thread::ThreadState,
    totals::{Pending, Totals, TotalsKey, Wait},
    usdt::{
        AuditKey, CallKey, CollectionKey, Collections, FiredKey, OpenCollection, UsdtArgument,
        UsdtSite,
    },
    wake::{GIL_RELEASES, GilLog, GilRelease, Wake, WakeKey, WakeState},
};

const _: () = assert!(size_of::<Control>() == 40);
const _: () = assert!(size_of::<RawFrame>() == 24);
const _: () = assert!(size_of::<EventHeader>() == 24);
const _: () = assert!(STACK_EVENT_HEAD_BYTES == 40);
const _: () = assert!(size_of::<StackEvent>() == 40 + (crate::config::MAX_FRAMES + 1) * 24);
const _: () = assert!(size_of::<Segment>() == 16 + 320);
const _: () = assert!(size_of::<CodeEvent>() == 40 + 5 * size_of::<Segment>());
const _: () = assert!(size_of::<ProcessEvent>() == 40);
const _: () = assert!(size_of::<Wait>() == 8);
const _: () = assert!(size_of::<TotalsKey>() == 24);
const _: () = assert!(size_of::<Totals>() == 64);
const _: () = assert!(size_of::<LeafKey>() == 48);
const _: () = assert!(size_of::<TallyKey>() == 8);
const _: () = assert!(size_of::<SyscallTally>() == 56);
const _: () = assert!(size_of::<SyscallSpec>() == 8);
const _: () = assert!(size_of::<Pending>() == 56);
const _: () = assert!(
    size_of::<ThreadState>()
        == 20 * 8 + 8 + 6 * 4 + 6 * 8 + size_of::<Pending>() + size_of::<WakeState>()
);
const _: () = assert!(size_of::<RivalKey>() == 16);
const _: () = assert!(size_of::<Rival>() == 32);
const _: () = assert!(size_of::<WakeState>() == 80);
const _: () = assert!(size_of::<WakeKey>() == 40);
const _: () = assert!(size_of::<Wake>() == 24);
const _: () = assert!(size_of::<GilRelease>() == 32);
const _: () = assert!(size_of::<GilLog>() == 24 + GIL_RELEASES * 32);
const _: () = assert!(
    size_of::<PyProcess>()
        == size_of::<PyLayout>() + size_of::<FramePlan>() + 40 + CHANGEABLE_SLOTS
);
const _: () = assert!(size_of::<FramePlan>() == 13 * 8);
const _: () = assert!(align_of::<PyProcess>() == 8);
const _: () = assert!(size_of::<PyLayout>() == 88);
// The widest window that a layout needs: `f_back` at 24 to `f_lasti` at 104 in 3.8.
const _: () = assert!(crate::python::FRAME_READ_BYTES == 88);
const _: () = assert!(size_of::<LoopKey>() == 8);
const _: () = assert!(size_of::<GapTimes>() == 40);
const _: () = assert!(size_of::<LoopState>() == 12 * 8 + 3 * 40);
const _: () = assert!(size_of::<UsdtArgument>() == 16);
const _: () = assert!(size_of::<UsdtSite>() == 8 + 3 * 16);
const _: () = assert!(size_of::<FiredKey>() == 8);
const _: () = assert!(size_of::<OpenCollection>() == 32);
const _: () = assert!(size_of::<AuditKey>() == 64);
const _: () = assert!(size_of::<CallKey>() == 24);
const _: () = assert!(size_of::<CollectionKey>() == 24);
const _: () = assert!(size_of::<Collections>() == 40);
const _: () = assert!(size_of::<FaultKey>() == 24);
const _: () = assert!(size_of::<Faults>() == 16);
