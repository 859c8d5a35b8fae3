//! What was observed, as owned data with units in the names: no I/O, no clocks,
//! no aya, no terminal. Everything to the right of this room reads it and
//! nothing else.
//!
//! Times are nanoseconds. A thread's times are exact (scheduler events); samples
//! only say where in the code on-CPU time went.

mod apportion;
mod audit;
mod calls;
mod collector;
mod dropped_call;
mod event_loop;
mod file_rate;
mod function;
mod function_table;
mod hot_loop;
mod hot_spot;
mod ids;
mod importing;
mod imports;
mod locks;
mod loss;
mod machine;
mod mixed;
mod native;
mod native_sums;
mod own;
mod place_in_loop;
mod probe_worth;
mod probes;
mod process;
mod profile;
mod reason;
mod repeat;
mod repeated_call;
mod round_trips;
mod sampled_imports;
mod stack;
mod sums;
mod thread;
mod waiting_loop;
mod waits;
mod wakes;

pub use apportion::{apportion, in_proportion};
pub use audit::{AuditedAt, AuditedIn};
pub use calls::{CallTable, Called, CalledAt, Calls};
pub use collector::{CollectionsAt, Collector, Pauses};
pub use dropped_call::DroppedCall;
pub use event_loop::{EventLoop, Gap, GapTimes, Gaps, Holder, LoopKind};
pub use file_rate::FileRate;
pub use function::{FunctionTimes, LineTimes, Rollup};
pub use function_table::{FunctionOrder, FunctionRow};
pub use hot_loop::{Appends, HotLoop, SteadyLookup};
pub use hot_spot::{HotSpot, NestedSeen, OperandSeen};
pub use ids::{FunctionId, NativeId, NativeStackId, Pid, StackId, Tid};
pub use importing::Import;
pub use imports::{ImportedModule, Imports, OwnTimes};
pub use locks::{Deadlocked, FileLockHolder, LockKind, LockOwner, LockWait};
pub use loss::{Loss, Lost, UserLoss};
pub use machine::{Accounts, CpuQuota, RanInstead};
pub use mixed::{MixedFrame, MixedStack, merge};
pub use native::{
    Code, Leaf, Naming, NativeEnd, NativeFrame, NativeFunction, NativeStack, NativeTimes,
};
pub use place_in_loop::Turn;
pub use probe_worth::{PROBES, probe_worth, probes_in_words};
pub use probes::{ProbeUse, ProbeWorth};
pub use process::{Process, PythonFacts, Unreadable};
pub use profile::{Cost, Detail, Host, Profile, Sampling, SamplingStep, Window};
pub use reason::Reason;
pub use repeat::Repeat;
pub use repeated_call::{CallsSeen, Parameter, RepeatedCall};
pub use round_trips::RoundTrips;
pub use stack::{Awaits, Child, Frame, Function, Stack, StackTime, StackTimeKind, plain_name};
pub use sums::{Charge, CpuSplit};
pub use thread::{AnswersOwed, LoopSamples, SyscallTally, Thread, ThreadTimes};
pub use waiting_loop::{Look, LookAt, SteadyValues, WaitingLoop};
pub use waits::Wait;
pub use wakes::{Caused, Wake, WakeEvidence, Waker};
