//! What the garbage collector of a process did, as the interpreter's own probes said.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Process, StackId, Tid};

/// Collections that one place in the code set off in one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionsAt {
    /// Thread.
    pub tid: Tid,
    /// The stack that set them off.
    pub stack: StackId,
    /// The oldest generation that was collected; `None` if it was not told.
    pub generation: Option<u32>,
    /// What they took.
    pub pauses: Pauses,
}

/// Times that the collector stood in the way of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Number.
    pub count: u64,
    /// From start to end, in sum.
    pub total_ns: u64,
    /// The part of that on a CPU.
    pub on_cpu_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// Objects that were freed.
    pub collected: u64,
}

impl Pauses {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        self.on_cpu_ns += other.on_cpu_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        self.collected += other.collected;
    }

    fn sum<'a>(of: impl IntoIterator<Item = &'a CollectionsAt>) -> Self {
        let mut sum = Self::default();
        for one in of {
            sum.add(&one.pauses);
        }
        sum
    }
}

/// The collections of a window; those that had begun before it, or had not ended with it,
/// are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collector {
    /// By place, those that took longest first.
    pub collections: Vec<CollectionsAt>,
    /// For how long of the window it was listened at, if not for all of it.
    #[serde(default)]
    pub heard_ns: Option<u64>,
}

impl Process {
    /// The share of the time it was listened at that its collector stood in the way; `None` if
    /// nobody listened.
    pub fn collector_share(&self) -> Option<f64> {
        let collector = self.collector.as_ref()?;
        let total_ns = collector.pauses().total_ns;
        let threads = self.threads.iter();
        let watched_ns = threads.map(|thread| thread.times.wall_ns).max()?;
        let watched_ns = collector
            .heard_ns
            .map_or(watched_ns, |heard_ns| watched_ns.min(heard_ns));
        Some(total_ns as f64 / watched_ns.max(1) as f64)
    }
}

impl Collector {
    /// All pauses.
    pub fn pauses(&self) -> Pauses {
        Pauses::sum(&self.collections)
    }

    /// The pauses of one thread.
    pub fn pauses_of(&self, tid: Tid) -> Pauses {
        Pauses::sum(self.collections.iter().filter(|one| one.tid == tid))
    }

    /// Pauses by the oldest generation that was collected.
    pub fn by_generation(&self) -> BTreeMap<Option<u32>, Pauses> {
        let mut sums: BTreeMap<Option<u32>, Pauses> = BTreeMap::new();
        for one in &self.collections {
            sums.entry(one.generation).or_default().add(&one.pauses);
        }
        sums
    }
}
