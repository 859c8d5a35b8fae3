//! One thread's exact times and where they went.

use serde::{Deserialize, Serialize};

use super::{
    Accounts, Gaps, HotLoop, HotSpot, LockWait, StackId, StackTime, Tid, WaitingLoop, Wake,
};

/// Exact times of one thread (or sums over threads). Except `gil_wait_ns`,
/// `steal_ns` and the user/kernel split they sum to `wall_ns`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadTimes {
    /// Observed span.
    pub wall_ns: u64,
    /// On a CPU.
    pub on_cpu_ns: u64,
    /// Ready but not running.
    pub runnable_ns: u64,
    /// Kept from running by a CPU quota; `None` where not measured (then part of
    /// `runnable_ns`).
    pub throttled_ns: Option<u64>,
    /// Blocked.
    pub blocked_ns: u64,
    /// `wall_ns` less the four above; negative never, by construction.
    pub unaccounted_ns: u64,
    /// Taken by the hypervisor, part of `on_cpu_ns`: estimated; `None` where that cannot
    /// be known.
    #[serde(default)]
    pub steal_ns: Option<u64>,
    /// Coalesced span of GIL waits, outside the partition.
    pub gil_wait_ns: u64,
}

/// What a thread's system calls brought while they were briefly traced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyscallTally {
    /// Name of the call.
    pub syscall: String,
    /// How long the calls were traced.
    pub traced_ns: u64,
    /// Calls that returned.
    pub calls: u64,
    /// Calls that asked not to wait.
    pub zero_timeout: u64,
    /// Calls that asked not to wait and found nothing.
    pub zero_timeout_empty: u64,
    /// Calls that failed with `EAGAIN`.
    pub would_block: u64,
    /// Calls that failed with `ETIMEDOUT` or `EINTR`, or (select, poll, epoll) came
    /// back empty when their time was over.
    pub timed_out: u64,
    /// Calls with a timeout under 10 ms.
    pub short_timeout: u64,
    /// Reads that found the end: of a file, or of what the other end sends.
    #[serde(default)]
    pub at_end: u64,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Thread id in the initial pid namespace.
    pub tid: Tid,
    /// Thread id in its own pid namespace, if it differs or is known.
    pub ns_tid: Option<u32>,
    /// The kernel's name for it (`comm`).
    pub name: Option<String>,
    /// Whether it is a thread that runs Python.
    pub is_python: bool,
    /// Exact times.
    pub times: ThreadTimes,
    /// Times it gave up the CPU to wait.
    pub voluntary_switches: u64,
    /// Times the CPU was taken from it.
    pub involuntary_switches: u64,
    /// Where the time went.
    pub stack_times: Vec<StackTime>,
    /// Evidence of useless system calls, if they were traced.
    pub tallies: Vec<SyscallTally>,
    /// Its times beside the scheduler's; `None` if they could not be compared.
    #[serde(default)]
    pub accounts: Option<Accounts>,
    /// Gaps between its waits for many things at once; `None` if it had no such wait.
    #[serde(default)]
    pub gaps: Option<Gaps>,
    /// Who ended its waits for locks, and who held the GIL while it waited.
    #[serde(default)]
    pub wakes: Vec<Wake>,
    /// Its waits for locks that were looked at while they lasted.
    #[serde(default)]
    pub lock_waits: Vec<LockWait>,
    /// The loop that it only waits in, if its bytecode proves one.
    #[serde(default)]
    pub waiting_loop: Option<WaitingLoop>,
    /// No such loop is proved, and the bytecode of those it was sampled in shows that they leave
    /// something behind.
    #[serde(default)]
    pub leaves_results: bool,
    /// What the instructions do that its on-CPU samples found, most samples first.
    #[serde(default)]
    pub hot_spots: Vec<HotSpot>,
    /// What the loops do that they found, most samples first.
    #[serde(default)]
    pub hot_loops: Vec<HotLoop>,
    /// Of an event loop that waited for answers: what it ran in between, by samples that are
    /// more than those of `stack_times` and are no times.
    #[serde(default)]
    pub loop_samples: Vec<LoopSamples>,
    /// Of an event loop that waited for answers: how many at a time.
    #[serde(default)]
    pub owed: Option<AnswersOwed>,
}

/// Of how many connections an event loop waited for answers at a time, by looks at its sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswersOwed {
    /// Looks that found it waiting for an answer.
    pub looks: u64,
    /// Those of them that found several connections owed one.
    pub of_several: u64,
    /// A look found a socket of a server among those that it waits on: it takes requests up.
    pub serves: bool,
}

impl AnswersOwed {
    /// Adds what other looks found.
    pub const fn add(&mut self, other: Self) {
        self.looks += other.looks;
        self.of_several += other.of_several;
        self.serves |= other.serves;
    }
}

/// Samples of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopSamples {
    /// Which.
    pub stack: StackId,
    /// How many.
    pub count: u64,
}

impl Thread {
    /// What it ran on a CPU, by stack: of an event loop that was sampled more often, by those
    /// samples.
    pub fn samples_by_stack(&self) -> Vec<LoopSamples> {
        if !self.loop_samples.is_empty() {
            return self.loop_samples.clone();
        }
        let on_cpu = self.stack_times.iter().filter(|e| e.kind.is_on_cpu());
        on_cpu
            .map(|e| LoopSamples {
                stack: e.stack,
                count: e.count,
            })
            .collect()
    }

    /// A thread that runs Python, and of which nothing but its times is known.
    pub const fn new(tid: Tid, times: ThreadTimes) -> Self {
        Self {
            tid,
            ns_tid: None,
            name: None,
            is_python: true,
            times,
            voluntary_switches: 0,
            involuntary_switches: 0,
            stack_times: Vec::new(),
            tallies: Vec::new(),
            accounts: None,
            gaps: None,
            wakes: Vec::new(),
            lock_waits: Vec::new(),
            waiting_loop: None,
            leaves_results: false,
            hot_spots: Vec::new(),
            hot_loops: Vec::new(),
            loop_samples: Vec::new(),
            owed: None,
        }
    }

    /// The part of the observed span that it was on a CPU, 0 to 1.
    pub fn on_cpu_share(&self) -> f64 {
        self.times.on_cpu_ns as f64 / self.times.wall_ns.max(1) as f64
    }
}
