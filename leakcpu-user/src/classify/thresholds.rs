//! Every number a verdict hangs on, in one place.

/// Thresholds of [`super::classify_with`]. The defaults are starting values; the
/// corpus tunes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// A thread is idle if its active time is a smaller share of its wall time.
    pub idle_below_share: f64,
    /// Less active time than this is too little to judge.
    pub min_active_ns: u64,
    /// More unexplained time (of wall) than this is too much to judge.
    pub max_unexplained_share: f64,
    /// A function is judged from this many samples on, or ...
    pub function_min_samples: u64,
    /// ... from this much time in `function_min_events` waits, or ...
    pub function_min_ns: u64,
    /// ... see `function_min_ns`.
    pub function_min_events: u64,
    /// ... from one wait of this length.
    pub function_min_wait_ns: u64,

    /// The scheduler's own accounts may differ from ours by this share of the time; more
    /// lowers the confidence, ...
    pub max_residual_share: f64,
    /// ... if it is more than this per thread: the scheduler counts running threads at
    /// ticks only, of up to 10 ms.
    pub max_residual_ns: u64,
    /// What the hypervisor took is said if it is this share of the time on a CPU.
    pub steal_min_share: f64,

    /// Starved if runnable/(runnable + on-CPU) is at least this ...
    pub starved_min_share: f64,
    /// ... and the runnable time is at least this much per second of wall time ...
    pub starved_min_ns_per_s: u64,
    /// ... and at least this share of the active time: a program that waits for
    /// its peers all day is not starved for a late CPU.
    pub starved_min_active_share: f64,

    /// Of the time on a CPU and waiting for pages, the part that waits are for the kernel's work
    /// on page faults to count as waiting for memory as well.
    pub page_wait_min_share: f64,

    /// Useless calls among all calls of that name.
    pub poll_spin_min_useless_share: f64,
    /// Useless calls per second.
    pub poll_spin_min_rate: f64,
    /// Time that a thread runs or wants to, of its wall time: less is no spin.
    pub spin_min_cpu_share: f64,
    /// CPU time per useless call: a loop that computes longer between its calls
    /// does more than ask.
    pub poll_spin_max_cpu_per_call_ns: u64,
    /// A turn this short leaves no room for work beside the call, whatever the samples
    /// say: the call itself may take less than a tenth of it.
    pub poll_spin_tight_cpu_per_call_ns: u64,
    /// From this many samples of the thread on, they must agree with the calls.
    pub poll_spin_min_samples: u64,
    /// On-CPU samples inside the call itself, of all.
    pub poll_spin_min_in_call_share: f64,
    /// Or so many at the lines that make it, and set for it whether the descriptor blocks, for
    /// what a client library wraps around a call may take more than the call ...
    pub poll_spin_min_at_call_share: f64,
    /// ... and so many inside of these calls then.
    pub poll_spin_min_in_call_share_at_call: f64,
    /// Under an event loop: on-CPU samples in tasks, of all. More is work.
    pub poll_spin_max_task_share: f64,
    /// Samples of a thread that it takes to prove that its machine code spins ...
    pub native_spin_min_samples: u64,
    /// ... and those of them at a `pause`, of all.
    pub native_spin_min_pause_share: f64,
    /// Samples in a loop of Python code that it takes to prove that it only waits ...
    pub loop_spin_min_samples: u64,
    /// ... and their share of all.
    pub loop_spin_min_share: f64,
    /// Changes of its local variables, of the looks at them: a loop that waits has none, but
    /// may be entered anew.
    pub loop_spin_max_changes: f64,
    /// Samples in system calls, of all, from which on the loop asks the kernel.
    pub loop_spin_min_syscall_share: f64,
    /// Sleeps up to this mean length are micro-sleeps.
    pub micro_sleep_max_mean_ns: u64,
    /// Micro-sleeps per second from one call site that are worth an advice.
    pub micro_sleep_advice_rate: f64,
    /// Micro-sleeps per second from one call site that are busy-waiting.
    pub micro_sleep_min_rate: f64,
    /// CPU time per micro-sleep: a thread that computes longer between its sleeps
    /// may be pacing real work, and only its computing is judged.
    pub micro_sleep_max_cpu_per_wake_ns: u64,

    /// Thread: GIL wait of all active time, starvation left out.
    pub gil_thread_min_share: f64,
    /// Process: sum of GIL waits over the sum of all other active time, starvation left out.
    pub gil_process_min_ratio: f64,
    /// GIL waits per second.
    pub gil_min_rate: f64,
    /// Two classes closer than this are mixed.
    pub mixed_margin: f64,
    /// Kernel mode of on-CPU time for `cpu-bound (kernel)`.
    pub kernel_min_share: f64,
    /// Samples with known native code that it takes to tell Python from native code.
    pub code_min_samples: u64,
    /// Samples in the interpreter, its evaluation loop included, or in other libraries,
    /// of those in user mode, for `cpu-bound (python)` or `(native)`.
    pub code_min_share: f64,
    /// Python: the evaluation loop has at least this share of them. Where the
    /// interpreter's C functions do the most of it, the loop was seen to have 5 %
    /// (attribute look-ups and string building on 3.13) to 37 % (arithmetic on 3.11).
    pub python_min_eval_share: f64,
    /// Native: the loop has at most this share. `sorted` and `zlib.compress` on large
    /// data leave it under 0.2 %.
    pub native_max_eval_share: f64,
    /// What a thread does for this share of its class' time or samples refines the class:
    /// collecting garbage, importing, keeping an event loop from its turns.
    pub activity_min_share: f64,
    /// Import time below the body of one module may be this share of all: more is a program
    /// that was imported to be run.
    pub import_max_share_of_module: f64,
    /// Samples in callbacks of an event loop that it takes to say that they hold it ...
    pub loop_hold_min_samples: u64,
    /// ... and those between two callbacks, of them: the loop's own work for a turn is some
    /// ten microseconds at least, so callbacks take two hundred times that.
    pub loop_hold_max_turning_share: f64,
    /// A futex wait of native code counts as contention from this rate on.
    pub futex_min_rate: f64,
    /// One wait of at least this share of the window never ended in it.
    pub never_ended_share: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            idle_below_share: 0.05,
            min_active_ns: 50_000_000,
            max_unexplained_share: 0.5,
            function_min_samples: 30,
            function_min_ns: 100_000_000,
            function_min_events: 10,
            function_min_wait_ns: 1_000_000_000,
            max_residual_share: 0.02,
            max_residual_ns: 10_000_000,
            steal_min_share: 0.05,
            starved_min_share: 0.25,
            starved_min_ns_per_s: 50_000_000,
            starved_min_active_share: 0.2,
            page_wait_min_share: 0.2,
            poll_spin_min_useless_share: 0.9,
            poll_spin_min_rate: 500.0,
            spin_min_cpu_share: 0.3,
            poll_spin_max_cpu_per_call_ns: 100_000,
            poll_spin_tight_cpu_per_call_ns: 5_000,
            poll_spin_min_samples: 20,
            poll_spin_min_in_call_share: 0.1,
            poll_spin_min_at_call_share: 0.2,
            poll_spin_min_in_call_share_at_call: 0.04,
            poll_spin_max_task_share: 0.3,
            native_spin_min_samples: 20,
            native_spin_min_pause_share: 0.6,
            loop_spin_min_samples: 20,
            loop_spin_min_share: 0.8,
            loop_spin_max_changes: 0.3,
            loop_spin_min_syscall_share: 0.1,
            micro_sleep_max_mean_ns: 10_000_000,
            micro_sleep_advice_rate: 100.0,
            micro_sleep_min_rate: 500.0,
            micro_sleep_max_cpu_per_wake_ns: 100_000,
            gil_thread_min_share: 0.15,
            gil_process_min_ratio: 0.25,
            gil_min_rate: 20.0,
            mixed_margin: 0.15,
            kernel_min_share: 0.6,
            code_min_samples: 30,
            code_min_share: 0.6,
            python_min_eval_share: 0.03,
            native_max_eval_share: 0.01,
            activity_min_share: 0.5,
            import_max_share_of_module: 0.5,
            loop_hold_min_samples: 100,
            loop_hold_max_turning_share: 0.005,
            futex_min_rate: 20.0,
            never_ended_share: 0.95,
        }
    }
}
