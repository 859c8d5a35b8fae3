//! The event sources: which program attaches where, and what is lost without it.

use leakcpu_common::names::programs;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A BTF tracepoint of this name (5.5).
    BtfTracepoint(&'static str),
    /// A cpu-clock perf event on every CPU (4.9).
    CpuClock,
    /// A perf event on every CPU at each page fault that had to wait; its address is told
    /// since 4.17.
    MajorFaults,
}

/// One event source.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Name of the program in the object.
    pub program: &'static str,
    /// Where it attaches.
    pub attach: Attach,
    /// Attached only on suspicion and briefly.
    pub on_demand: bool,
    /// Nothing works without it.
    pub required: bool,
    /// What the user loses without it.
    pub lost_without: &'static str,
}

/// All sources, in the order in which they attach.
pub const SOURCES: [Source; 10] = [
    Source {
        program: programs::SCHED_PROCESS_EXIT,
        attach: Attach::BtfTracepoint("sched_process_exit"),
        on_demand: false,
        required: true,
        lost_without: "threads that end while watching",
    },
    Source {
        program: programs::SCHED_PROCESS_FORK,
        attach: Attach::BtfTracepoint("sched_process_fork"),
        on_demand: false,
        required: true,
        lost_without: "threads and processes that start while watching",
    },
    Source {
        program: programs::SCHED_PROCESS_EXEC,
        attach: Attach::BtfTracepoint("sched_process_exec"),
        on_demand: false,
        required: true,
        lost_without: "programs that start while watching",
    },
    Source {
        program: programs::SCHED_WAKEUP,
        attach: Attach::BtfTracepoint("sched_wakeup"),
        on_demand: false,
        required: true,
        lost_without: "the difference between blocked and ready to run",
    },
    Source {
        program: programs::SCHED_WAKING,
        attach: Attach::BtfTracepoint("sched_waking"),
        on_demand: false,
        required: true,
        lost_without: "who ends waits for locks, and who holds the GIL",
    },
    Source {
        program: programs::SCHED_WAKEUP_NEW,
        attach: Attach::BtfTracepoint("sched_wakeup_new"),
        on_demand: false,
        required: true,
        lost_without: "the first moments of new threads",
    },
    Source {
        program: programs::SCHED_SWITCH,
        attach: Attach::BtfTracepoint("sched_switch"),
        on_demand: false,
        required: true,
        lost_without: "all times: nothing can be said without it",
    },
    Source {
        program: programs::ON_CPU_SAMPLE,
        attach: Attach::CpuClock,
        on_demand: false,
        required: true,
        lost_without: "where in the code on-CPU time goes",
    },
    Source {
        program: programs::PAGE_FAULT,
        attach: Attach::MajorFaults,
        on_demand: false,
        required: false,
        lost_without: "the files of page faults, and which of them are swapping",
    },
    Source {
        program: programs::SYS_EXIT,
        attach: Attach::BtfTracepoint("sys_exit"),
        on_demand: true,
        required: false,
        lost_without: "the proof of busy-waiting by useless system calls",
    },
];
