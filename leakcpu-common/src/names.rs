//! Names of maps and programs, as they appear in the eBPF object.

/// Maps.
pub mod maps {
    /// `tid -> ThreadState`: the watched threads, and the filter of every program.
    pub const THREADS: &str = "THREADS";
    /// `pid -> PyProcess`: what the walker must know of a Python process.
    pub const PROCESSES: &str = "PROCESSES";
    /// `TotalsKey -> Totals`: time and samples per thread, stack, state and wait.
    pub const TOTALS: &str = "TOTALS";
    /// `stack hash -> 1`: stacks whose frames have left the kernel.
    pub const STACKS_SENT: &str = "STACKS_SENT";
    /// `hash of pid, code object and witness -> 1`: code objects that were copied.
    pub const CODES_SENT: &str = "CODES_SENT";
    /// Ring buffer of events.
    pub const EVENTS: &str = "EVENTS";
    /// Per-CPU counters, indexed by `Counter`.
    pub const COUNTERS: &str = "COUNTERS";
    /// Control words.
    pub const CONTROL: &str = "CONTROL";
    /// `system-call number -> SyscallSpec`.
    pub const SYSCALLS: &str = "SYSCALLS";
    /// `SuspectKey -> SyscallTally`: armed threads' system calls.
    pub const TALLIES: &str = "TALLIES";
    /// `tid -> 1`: threads whose system calls are tallied while armed.
    pub const SUSPECTS: &str = "SUSPECTS";
    /// Per-CPU scratch.
    pub const SCRATCH: &str = "SCRATCH";
    /// Ring buffer of `LeafKey`: what sampled threads were executing.
    pub const SAMPLES: &str = "SAMPLES";
    /// Walks at switches by their length, where they are timed.
    pub const SWITCH_WALKS: &str = "SWITCH_WALKS";
    /// Native user stacks by id, where they are asked for.
    pub const USER_STACKS: &str = "USER_STACKS";
    /// `RivalKey -> Rival`: who had the CPU while a watched thread was ready to run.
    pub const RIVALS: &str = "RIVALS";
    /// `WakeKey -> Wake`: who ended waits for locks and the GIL.
    pub const WAKES: &str = "WAKES";
    /// Kernel stacks by id, where they are asked for.
    pub const KERNEL_STACKS: &str = "KERNEL_STACKS";
    /// `LoopKey -> LoopState`: gaps between two waits of event loops.
    pub const LOOPS: &str = "LOOPS";
    /// `FaultKey -> Faults`: page faults that had to wait.
    pub const FAULTS: &str = "FAULTS";
    /// `UsdtSite`s by what a probe's attachment is marked with.
    pub const USDT_SITES: &str = "USDT_SITES";
    /// `FiredKey -> count`: how often which probe of an interpreter fired.
    pub const USDT_FIRED: &str = "USDT_FIRED";
    /// `tid -> OpenCollection`: collections that go on.
    pub const OPEN_COLLECTIONS: &str = "OPEN_COLLECTIONS";
    /// `CollectionKey -> Collections`: what the collector took.
    pub const COLLECTIONS: &str = "COLLECTIONS";
    /// `AuditKey -> count`: audited events.
    pub const AUDITS: &str = "AUDITS";
    /// `CallKey -> count`: what is called.
    pub const CALLS: &str = "CALLS";
    /// What counting that takes, per CPU.
    pub const CALLS_COST: &str = "CALLS_COST";
}

/// Programs.
pub mod programs {
    /// perf event `cpu-clock`: where on-CPU time goes.
    pub const ON_CPU_SAMPLE: &str = "on_cpu_sample";
    /// perf event `page-faults-maj`: where in memory a fault had to wait.
    pub const PAGE_FAULT: &str = "page_fault";
    /// BTF tracepoint `sched_switch`: every interval of every watched thread.
    pub const SCHED_SWITCH: &str = "sched_switch";
    /// BTF tracepoint `sched_wakeup`: blocked becomes runnable.
    pub const SCHED_WAKEUP: &str = "sched_wakeup";
    /// BTF tracepoint `sched_waking`: who ends waits for locks and the GIL.
    pub const SCHED_WAKING: &str = "sched_waking";
    /// BTF tracepoint `sched_wakeup_new`: a new thread becomes runnable.
    pub const SCHED_WAKEUP_NEW: &str = "sched_wakeup_new";
    /// BTF tracepoint `sched_process_fork`: threads and children are born.
    pub const SCHED_PROCESS_FORK: &str = "sched_process_fork";
    /// BTF tracepoint `sched_process_exec`: a process becomes another program.
    pub const SCHED_PROCESS_EXEC: &str = "sched_process_exec";
    /// BTF tracepoint `sched_process_exit`: a thread ends.
    pub const SCHED_PROCESS_EXIT: &str = "sched_process_exit";
    /// USDT probes `gc__start` and `gc__done`: pauses of the collector.
    pub const USDT_GC: &str = "usdt_gc";
    /// USDT probes `import__find__load__start` and `import__find__load__done`.
    pub const USDT_IMPORT: &str = "usdt_import";
    /// USDT probe `audit`: events that the interpreter or a library raises.
    pub const USDT_AUDIT: &str = "usdt_audit";
    /// USDT probes `function__return` and `line`.
    pub const USDT_CALL: &str = "usdt_call";
    /// BTF tracepoint `sys_exit`: armed briefly, on suspicion only.
    pub const SYS_EXIT: &str = "sys_exit";
}
