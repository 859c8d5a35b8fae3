//! Everything the kernel side can lose, by name.

/// A counter in words: `1 stack cut short`, `12 stacks cut short`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// What was lost, if it was one.
    pub one: &'static str,
    /// If it was none or several.
    pub many: &'static str,
    /// What became of it; fits either number.
    pub fate: &'static str,
}

impl Phrase {
    /// From its parts.
    pub const fn of(one: &'static str, many: &'static str, fate: &'static str) -> Self {
        Self { one, many, fate }
    }
}

/// One way to lose or degrade an observation. The discriminant is the index in
/// the `COUNTERS` map; the name reaches the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Counter {
    /// A new stack found the ring buffer full: its time is kept, its frames are not.
    StackRingFull = 0,
    /// A new stack found the table of sent stacks full.
    StackTableFull,
    /// A sample or interval found the totals map full: only thread totals hold it.
    TotalsFull,
    /// A new thread found the thread map full: it is not watched.
    ThreadsFull,
    /// A new process found the process map full: its stacks are not walked.
    ProcessesFull,
    /// A process-life event found the ring buffer full.
    EventRingFull,
    /// A walk ended before the root: at the frame limit, or for the next reason.
    StacksTruncated,
    /// A walk at a context switch ended for it had taken its time.
    WalkCut,
    /// A frame could not be read (paged out, or the chain changed): the stack is partial.
    FrameReadFailed,
    /// A `PyThreadState` could not be read.
    TstateReadFailed,
    /// No `PyThreadState` was found for the thread: no Python frames.
    TstateNotFound,
    /// A thread was switched in without a wake-up having been seen.
    WakeupMissed,
    /// A switch of a watched thread was not seen. On 6.18 some are left out, up to one a
    /// second; why is not known (docs/times.md). One to a CPU is made good by the run queue's own notes; after one
    /// from a CPU the time since the switch before it is unaccounted.
    SwitchMissed,
    /// A thread id was reused before its predecessor's figures were collected.
    ThreadSlotReused,
    /// The saved user registers could not be read: the wait has no reason.
    RegistersUnreadable,
    /// A `pollfd` of a waiting thread could not be read.
    PollfdReadFailed,
    /// An armed system call's timeout could not be read.
    TimeoutReadFailed,
    /// The table of armed system calls was full.
    TalliesFull,
    /// The interpreter was changing its frame chain: the sample or interval has no stack.
    StackInTransition,
    /// A truncated stack whose root could not be found either.
    RootNotReached,
    /// A code object could not be read at first sight: its name rests on its address.
    CodeReadFailed,
    /// A code object was not looked at or copied at first sight: it was met at a context
    /// switch that had taken its time already.
    CodeLookCut,
    /// A copied code object found the ring buffer full.
    CodeRingFull,
    /// A copied code object found the table of copied ones full.
    CodeTableFull,
    /// A sample found the ring of samples full: it is counted, but not what it was
    /// executing.
    SampleRingFull,
    /// The native user stack of a sample could not be taken or kept.
    NativeStackFailed,
    /// The kernel stack of a sample could not be taken or kept.
    KernelStackFailed,
    /// A wait for a CPU found the map of rivals full: who ran instead is not known.
    RivalsFull,
    /// A watched switch whose stack was not walked, to keep within the budget: the walks
    /// made by chance stand for it.
    SwitchesWithoutStack,
    /// Switches of watched threads from a CPU (not a loss: the denominator).
    SwitchesWatched,
    /// Walks at switches that were timed (not a loss).
    SwitchWalksTimed,
    /// Nanoseconds that those took (not a loss).
    SwitchWalkNs,
    /// A thread that runs an event loop found the map of those full: its gaps are not known.
    LoopsFull,
    /// A page fault found the map of those full: its file is not known.
    FaultsFull,
    /// The collector was set off while another walk at a probe was at work on its CPU.
    ProbeStacksSkipped,
    /// A collection found its maps full.
    CollectionsFull,
    /// A probe fired at a place of which nothing is known.
    ProbePlaceUnknown,
    /// A probe of a process fired, and there was no room to count it.
    ProbesUncounted,
    /// The ring buffer was full when a module was imported.
    ImportRingFull,
    /// An audited event found its map full.
    AuditsFull,
    /// A call or a line found its map full.
    CallsFull,
    /// A wait for a lock or the GIL found the map of wakes full: who ended it is not known.
    WakesFull,
    /// A release of the GIL found the slot of its process in use by another: who held it is
    /// not known.
    GilSlotTaken,
    /// On-CPU samples taken of watched threads (not a loss: the denominator).
    OnCpuSamples,
    /// Stacks captured, on and off CPU (not a loss: the denominator).
    StacksWalked,
    /// Frames visited by all walks (not a loss: the denominator).
    FramesWalked,
}

impl Counter {
    /// Number of counters.
    pub const COUNT: u32 = Self::FramesWalked as u32 + 1;

    /// All counters, in index order.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::StackRingFull,
        Self::StackTableFull,
        Self::TotalsFull,
        Self::ThreadsFull,
        Self::ProcessesFull,
        Self::EventRingFull,
        Self::StacksTruncated,
        Self::WalkCut,
        Self::FrameReadFailed,
        Self::TstateReadFailed,
        Self::TstateNotFound,
        Self::WakeupMissed,
        Self::SwitchMissed,
        Self::ThreadSlotReused,
        Self::RegistersUnreadable,
        Self::PollfdReadFailed,
        Self::TimeoutReadFailed,
        Self::TalliesFull,
        Self::StackInTransition,
        Self::RootNotReached,
        Self::CodeReadFailed,
        Self::CodeLookCut,
        Self::CodeRingFull,
        Self::CodeTableFull,
        Self::SampleRingFull,
        Self::NativeStackFailed,
        Self::KernelStackFailed,
        Self::RivalsFull,
        Self::SwitchesWithoutStack,
        Self::SwitchesWatched,
        Self::SwitchWalksTimed,
        Self::SwitchWalkNs,
        Self::LoopsFull,
        Self::FaultsFull,
        Self::ProbeStacksSkipped,
        Self::CollectionsFull,
        Self::ProbePlaceUnknown,
        Self::ProbesUncounted,
        Self::ImportRingFull,
        Self::AuditsFull,
        Self::CallsFull,
        Self::WakesFull,
        Self::GilSlotTaken,
        Self::OnCpuSamples,
        Self::StacksWalked,
        Self::FramesWalked,
    ];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StackRingFull => "stack_ring_full",
            Self::StackTableFull => "stack_table_full",
            Self::TotalsFull => "totals_full",
            Self::ThreadsFull => "threads_full",
            Self::ProcessesFull => "processes_full",
            Self::EventRingFull => "event_ring_full",
            Self::StacksTruncated => "stacks_truncated",
            Self::WalkCut => "walks_cut",
            Self::FrameReadFailed => "frame_read_failed",
            Self::TstateReadFailed => "tstate_read_failed",
            Self::TstateNotFound => "tstate_not_found",
            Self::WakeupMissed => "wakeup_missed",
            Self::SwitchMissed => "switch_missed",
            Self::ThreadSlotReused => "thread_slot_reused",
            Self::RegistersUnreadable => "registers_unreadable",
            Self::PollfdReadFailed => "pollfd_read_failed",
            Self::TimeoutReadFailed => "timeout_read_failed",
            Self::TalliesFull => "tallies_full",
            Self::StackInTransition => "stack_in_transition",
            Self::RootNotReached => "roots_not_reached",
            Self::CodeReadFailed => "code_read_failed",
            Self::CodeLookCut => "code_looks_cut",
            Self::CodeRingFull => "code_ring_full",
            Self::CodeTableFull => "code_table_full",
            Self::SampleRingFull => "sample_ring_full",
            Self::NativeStackFailed => "native_stack_failed",
            Self::KernelStackFailed => "kernel_stack_failed",
            Self::RivalsFull => "rivals_full",
            Self::SwitchesWithoutStack => "switches_without_stack",
            Self::SwitchesWatched => "switches_watched",
            Self::SwitchWalksTimed => "switch_walks_timed",
            Self::SwitchWalkNs => "switch_walk_ns",
            Self::LoopsFull => "loops_full",
            Self::FaultsFull => "faults_full",
            Self::ProbeStacksSkipped => "probe_stacks_skipped",
            Self::CollectionsFull => "collections_full",
            Self::ProbePlaceUnknown => "probe_place_unknown",
            Self::ProbesUncounted => "probes_uncounted",
            Self::ImportRingFull => "import_ring_full",
            Self::AuditsFull => "audits_full",
            Self::CallsFull => "calls_full",
            Self::WakesFull => "wakes_full",
            Self::GilSlotTaken => "gil_slot_taken",
            Self::OnCpuSamples => "on_cpu_samples",
            Self::StacksWalked => "stacks_walked",
            Self::FramesWalked => "frames_walked",
        }
    }

    /// What a report says of it in words, after its number.
    pub const fn phrase(self) -> Phrase {
        match self {
            Self::StackRingFull => Phrase::of("stack", "stacks", "that found the ring buffer full"),
            Self::StackTableFull => {
                Phrase::of("stack", "stacks", "that found the table of sent ones full")
            }
            Self::TotalsFull => Phrase::of(
                "sample or interval",
                "samples and intervals",
                "that found the table of totals full",
            ),
            Self::ThreadsFull => Phrase::of("thread", "threads", "not watched for want of room"),
            Self::ProcessesFull => {
                Phrase::of("process", "processes", "without stacks for want of room")
            }
            Self::EventRingFull => Phrase::of(
                "start or end of a process or thread",
                "starts and ends of processes and threads",
                "that found the ring buffer full",
            ),
            Self::StacksTruncated => Phrase::of("stack", "stacks", "cut short of the root"),
            Self::WalkCut => {
                Phrase::of("walk", "walks", "ended early, not to hold up the scheduler")
            }
            Self::FrameReadFailed => Phrase::of("frame", "frames", "that could not be read"),
            Self::TstateReadFailed => Phrase::of(
                "thread state of Python",
                "thread states of Python",
                "that could not be read",
            ),
            Self::TstateNotFound => Phrase::of(
                "search for a thread's Python state",
                "searches for a thread's Python state",
                "in vain",
            ),
            Self::WakeupMissed => {
                Phrase::of("wake-up", "wake-ups", "that the kernel did not report")
            }
            Self::SwitchMissed => Phrase::of(
                "context switch",
                "context switches",
                "that the kernel did not report",
            ),
            Self::ThreadSlotReused => Phrase::of(
                "ended thread",
                "ended threads",
                "whose id was used again before the figures were read",
            ),
            Self::RegistersUnreadable => Phrase::of(
                "wait",
                "waits",
                "without a reason, for the registers could not be read",
            ),
            Self::PollfdReadFailed => {
                Phrase::of("poll", "polls", "whose descriptor could not be read")
            }
            Self::TimeoutReadFailed => Phrase::of(
                "traced system call",
                "traced system calls",
                "whose time limit could not be read",
            ),
            Self::TalliesFull => Phrase::of(
                "traced system call",
                "traced system calls",
                "not counted for want of room",
            ),
            Self::StackInTransition => Phrase::of(
                "stack",
                "stacks",
                "skipped while the interpreter changed frames",
            ),
            Self::RootNotReached => Phrase::of(
                "stack",
                "stacks",
                "cut short whose root was not found either",
            ),
            Self::CodeReadFailed => Phrase::of(
                "code object",
                "code objects",
                "that could not be read at first sight",
            ),
            Self::CodeLookCut => Phrase::of(
                "code object",
                "code objects",
                "left for later, not to hold up the scheduler",
            ),
            Self::CodeRingFull => Phrase::of(
                "copy of a code object",
                "copies of code objects",
                "that found the ring buffer full",
            ),
            Self::CodeTableFull => Phrase::of(
                "copy of a code object",
                "copies of code objects",
                "that found the table of copied ones full",
            ),
            Self::SampleRingFull => Phrase::of(
                "sample",
                "samples",
                "counted without what was being executed",
            ),
            Self::NativeStackFailed => {
                Phrase::of("native stack", "native stacks", "that could not be taken")
            }
            Self::KernelStackFailed => {
                Phrase::of("kernel stack", "kernel stacks", "that could not be taken")
            }
            Self::RivalsFull => Phrase::of(
                "wait for a CPU",
                "waits for a CPU",
                "without who ran instead, for want of room",
            ),
            Self::SwitchesWithoutStack => Phrase::of(
                "stack",
                "stacks",
                "at context switches left out for the budget",
            ),
            Self::SwitchesWatched => {
                Phrase::of("context switch", "context switches", "of watched threads")
            }
            Self::SwitchWalksTimed => {
                Phrase::of("walk", "walks", "at context switches that were timed")
            }
            Self::SwitchWalkNs => {
                Phrase::of("nanosecond", "nanoseconds", "that the timed walks took")
            }
            Self::LoopsFull => Phrase::of(
                "turn of an event loop",
                "turns of event loops",
                "not measured for want of room",
            ),
            Self::FaultsFull => Phrase::of(
                "page fault",
                "page faults",
                "without a file, for want of room",
            ),
            Self::ProbeStacksSkipped => Phrase::of(
                "collection",
                "collections",
                "without the stack that set it off",
            ),
            Self::CollectionsFull => {
                Phrase::of("collection", "collections", "not measured for want of room")
            }
            Self::ProbePlaceUnknown => Phrase::of(
                "event of an interpreter's probe",
                "events of interpreters' probes",
                "at places that are not known",
            ),
            Self::ProbesUncounted => Phrase::of(
                "event of an interpreter's probe",
                "events of interpreters' probes",
                "not counted for want of room",
            ),
            Self::ImportRingFull => Phrase::of(
                "beginning or end of an import",
                "beginnings or ends of imports",
                "lost: the ring buffer was full",
            ),
            Self::AuditsFull => Phrase::of(
                "audited event",
                "audited events",
                "not counted for want of room",
            ),
            Self::CallsFull => Phrase::of(
                "call or line",
                "calls or lines",
                "not counted for want of room",
            ),
            Self::WakesFull => Phrase::of(
                "wait for a lock or the GIL",
                "waits for locks or the GIL",
                "without who ended it, for want of room",
            ),
            Self::GilSlotTaken => Phrase::of(
                "release of the GIL",
                "releases of the GIL",
                "not noted for want of room",
            ),
            Self::OnCpuSamples => Phrase::of("sample", "samples", "on a CPU"),
            Self::StacksWalked => Phrase::of("stack", "stacks", "walked"),
            Self::FramesWalked => Phrase::of("frame", "frames", "walked"),
        }
    }

    /// False for the counters that are denominators, not losses.
    pub const fn is_loss(self) -> bool {
        !matches!(
            self,
            Self::SwitchesWatched
                | Self::SwitchWalksTimed
                | Self::SwitchWalkNs
                | Self::OnCpuSamples
                | Self::StacksWalked
                | Self::FramesWalked
        )
    }
}

const _: () = {
    let mut i = 0;
    while i < Counter::ALL.len() {
        assert!(Counter::ALL[i] as usize == i);
        i += 1;
    }
};
