//! Where time went, in the terms verdicts are made of.

use std::collections::BTreeMap;

use super::activity::Activity;
use super::{Class, Detail};
use crate::model::Code;

/// A kind of time. Each belongs to one class, to rest, or to nothing known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// On a CPU in user mode, or in a mode not known.
    Cpu,
    /// On a CPU in the kernel.
    CpuKernel,
    /// On a CPU in a proved busy-wait that polls.
    PollSpin,
    /// On a CPU or asleep in a proved busy-wait of micro-sleeps.
    MicroSleep,
    /// On a CPU in machine code that is proved to spin.
    NativeSpin,
    /// On a CPU in a loop of Python code that is proved to look at state only.
    FlagSpin,
    /// On a CPU in one that looks at the time only.
    ClockSpin,
    /// On a CPU in turns of an event loop, or of greenlets, that are proved to do nothing.
    AsyncSpin,
    /// Ready but not running.
    RunQueue,
    /// Kept from running by a quota.
    Throttled,
    Network,
    Dns,
    Disk,
    Child,
    Pipe,
    OtherIo,
    Gil,
    Mutex,
    Memory,
    /// Blocked for a reason that could not be read.
    Unexplained,
    /// Waiting for work, sleeping, stopped: not active.
    Rest,
}

impl Bucket {
    /// The class this time speaks for.
    pub(super) const fn class(self) -> Option<Class> {
        Some(match self {
            Self::Cpu | Self::CpuKernel => Class::CpuBound,
            Self::PollSpin
            | Self::MicroSleep
            | Self::NativeSpin
            | Self::FlagSpin
            | Self::ClockSpin
            | Self::AsyncSpin => Class::BusyWaiting,
            Self::RunQueue | Self::Throttled => Class::CpuStarved,
            Self::Network | Self::Dns | Self::Disk | Self::Child | Self::Pipe | Self::OtherIo => {
                Class::IoBound
            }
            Self::Gil | Self::Mutex => Class::LockBound,
            Self::Memory => Class::MemoryBound,
            Self::Unexplained => Class::Unknown,
            Self::Rest => return None,
        })
    }

    /// Whether something else than a CPU or the GIL is waited for.
    const fn is_wait(self) -> bool {
        matches!(
            self,
            Self::Network
                | Self::Dns
                | Self::Disk
                | Self::Child
                | Self::Pipe
                | Self::OtherIo
                | Self::Mutex
                | Self::Memory
        )
    }

    /// The refinement it speaks for.
    pub(super) const fn detail(self) -> Option<Detail> {
        Some(match self {
            Self::CpuKernel => Detail::Kernel,
            Self::PollSpin => Detail::PollSpin,
            Self::MicroSleep => Detail::MicroSleep,
            Self::NativeSpin => Detail::NativeSpin,
            Self::FlagSpin => Detail::FlagSpin,
            Self::ClockSpin => Detail::ClockSpin,
            Self::AsyncSpin => Detail::AsyncSpin,
            Self::RunQueue => Detail::RunQueue,
            Self::Throttled => Detail::Throttled,
            Self::Network => Detail::Network,
            Self::Dns => Detail::Dns,
            Self::Disk => Detail::Disk,
            Self::Child => Detail::Subprocess,
            Self::Pipe => Detail::Pipe,
            Self::Gil => Detail::Gil,
            Self::Mutex => Detail::Mutex,
            _ => return None,
        })
    }
}

/// Time by bucket, and how many events it rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spent {
    by_bucket: BTreeMap<Bucket, u64>,
    /// On-CPU samples.
    pub samples: u64,
    /// Samples whose native code is known, by whose it is.
    pub code: BTreeMap<Code, u64>,
    /// Waits.
    pub events: u64,
    /// GIL waits among them.
    pub gil_events: u64,
    /// Coalesced GIL wait, outside the partition.
    pub gil_wait_ns: u64,
    /// The longest wait.
    pub max_wait_ns: u64,
    /// Time whose bucket is a reasoned guess.
    pub guessed_ns: u64,
    /// On-CPU time of threads whose loops are seen to leave something behind.
    pub shown_ns: u64,
    /// On-CPU time, of any bucket.
    pub on_cpu_ns: u64,
    /// What the time was for.
    pub activity: Activity,
}

impl Spent {
    pub(super) fn add(&mut self, bucket: Bucket, ns: u64) {
        if ns > 0 {
            *self.by_bucket.entry(bucket).or_default() += ns;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (&bucket, &ns) in &other.by_bucket {
            self.add(bucket, ns);
        }
        self.samples += other.samples;
        for (&code, &samples) in &other.code {
            *self.code.entry(code).or_default() += samples;
        }
        self.events += other.events;
        self.gil_events += other.gil_events;
        self.gil_wait_ns += other.gil_wait_ns;
        self.guessed_ns += other.guessed_ns;
        self.shown_ns += other.shown_ns;
        self.on_cpu_ns += other.on_cpu_ns;
        self.max_wait_ns = self.max_wait_ns.max(other.max_wait_ns);
        self.activity.merge(&other.activity);
    }

    pub(super) fn get(&self, bucket: Bucket) -> u64 {
        self.by_bucket.get(&bucket).copied().unwrap_or(0)
    }

    /// Ready but not run, by a quota or by others.
    pub(super) fn starved_ns(&self) -> u64 {
        self.get(Bucket::RunQueue) + self.get(Bucket::Throttled)
    }

    /// Everything but rest.
    pub(super) fn active_ns(&self) -> u64 {
        self.by_bucket
            .iter()
            .filter(|(bucket, _)| **bucket != Bucket::Rest)
            .map(|(_, ns)| ns)
            .sum()
    }

    /// Everything but rest and waits for the GIL.
    pub(super) fn without_gil_ns(&self) -> u64 {
        self.active_ns().saturating_sub(self.get(Bucket::Gil))
    }

    /// The kind of wait with the most time, but for the GIL.
    pub(super) fn longest_other_wait_ns(&self) -> u64 {
        let waits = self.by_bucket.iter().filter(|(bucket, _)| bucket.is_wait());
        waits.map(|(_, ns)| *ns).max().unwrap_or(0)
    }

    /// Time of one class.
    pub(super) fn class_ns(&self, class: Class) -> u64 {
        self.by_bucket
            .iter()
            .filter(|(bucket, _)| bucket.class() == Some(class))
            .map(|(_, ns)| ns)
            .sum()
    }

    /// The bucket of `class` with the most time.
    pub(super) fn largest_of(&self, class: Class) -> Option<Bucket> {
        self.by_bucket
            .iter()
            .filter(|(bucket, _)| bucket.class() == Some(class))
            .max_by_key(|(_, ns)| **ns)
            .map(|(bucket, _)| *bucket)
    }

    /// Each class' share of the active time, largest first.
    pub(super) fn ranking(&self) -> Vec<(Class, f64)> {
        let active = self.active_ns();
        if active == 0 {
            return Vec::new();
        }
        let mut sums: BTreeMap<Class, u64> = BTreeMap::new();
        for (bucket, ns) in &self.by_bucket {
            if let Some(class) = bucket.class() {
                *sums.entry(class).or_default() += ns;
            }
        }
        let mut ranking: Vec<(Class, f64)> = sums
            .into_iter()
            .map(|(class, ns)| (class, ns as f64 / active as f64))
            .collect();
        ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranking
    }

    /// All time it holds.
    pub(super) fn total_ns(&self) -> u64 {
        self.by_bucket.values().sum()
    }

    /// Without the machine's part: what it would be on a free machine.
    pub(super) fn without_starvation(&self) -> Self {
        let mut inner = self.clone();
        inner.by_bucket.remove(&Bucket::RunQueue);
        inner.by_bucket.remove(&Bucket::Throttled);
        inner
    }
}
