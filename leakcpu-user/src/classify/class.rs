//! The nine classes and their refinements. xtask includes this file by its path.

use serde::{Deserialize, Serialize};

/// What a process, thread or function does with its time. These nine names are
/// used everywhere: flags, metrics, SQL, text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// CPU or wake-ups spent on finding out that nothing has happened.
    BusyWaiting,
    /// Computing.
    CpuBound,
    /// Blocked on another thread of the program.
    LockBound,
    /// Blocked on disk, network, a child, a pipe.
    IoBound,
    /// Ready to run and not run.
    CpuStarved,
    /// Page faults, reclaim, swap.
    MemoryBound,
    /// Two classes within 15 points.
    Mixed,
    /// Too little evidence.
    Unknown,
    /// Waiting for work that has not come.
    Idle,
}

impl Class {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::CpuBound,
        Self::IoBound,
        Self::BusyWaiting,
        Self::LockBound,
        Self::CpuStarved,
        Self::MemoryBound,
        Self::Idle,
        Self::Mixed,
        Self::Unknown,
    ];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuBound => "cpu-bound",
            Self::IoBound => "io-bound",
            Self::BusyWaiting => "busy-waiting",
            Self::LockBound => "lock-bound",
            Self::CpuStarved => "cpu-starved",
            Self::MemoryBound => "memory-bound",
            Self::Idle => "idle",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What refines a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// The interpreter computes.
    Python,
    /// Native code computes.
    Native,
    /// The kernel computes on its behalf.
    Kernel,
    /// The cyclic garbage collector computes.
    Gc,
    /// Modules are found, read and executed.
    Import,
    /// A callback computes or waits for long while its event loop serves nobody.
    EventLoopBlocked,
    /// Sockets.
    Network,
    /// Name look-ups.
    Dns,
    /// Block devices.
    Disk,
    /// Child processes.
    Subprocess,
    /// Pipes.
    Pipe,
    /// System calls that ask without waiting and find nothing.
    PollSpin,
    /// Sleeps far shorter than what is waited for.
    MicroSleep,
    /// Machine code that looks at memory in a loop.
    NativeSpin,
    /// A loop that looks at the program's own state and does nothing else.
    FlagSpin,
    /// A loop that looks at the time and does nothing else.
    ClockSpin,
    /// Tasks of an event loop that ask in each of its turns.
    AsyncSpin,
    /// The global interpreter lock.
    Gil,
    /// Another lock of the program.
    Mutex,
    /// A CPU quota.
    Throttled,
    /// Other tasks on the same CPUs.
    RunQueue,
}

impl Detail {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Native => "native",
            Self::Kernel => "kernel",
            Self::Gc => "gc",
            Self::Import => "import",
            Self::EventLoopBlocked => "event-loop-blocked",
            Self::Network => "network",
            Self::Dns => "dns",
            Self::Disk => "disk",
            Self::Subprocess => "subprocess",
            Self::Pipe => "pipe",
            Self::PollSpin => "poll-spin",
            Self::MicroSleep => "micro-sleep",
            Self::NativeSpin => "native-spin",
            Self::FlagSpin => "flag-spin",
            Self::ClockSpin => "clock-spin",
            Self::AsyncSpin => "async-spin",
            Self::Gil => "gil",
            Self::Mutex => "mutex",
            Self::Throttled => "throttled",
            Self::RunQueue => "run-queue",
        }
    }
}

impl std::fmt::Display for Detail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Class;

    #[test]
    fn serialized_names_are_the_printed_ones() {
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.name());
        }
    }
}
