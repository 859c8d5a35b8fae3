//! Who ended waits for locks, and who held the GIL while others waited for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::apportion::apportion;
use super::{Frame, Process, Reason, StackId, Tid};

/// Fewer samples of a thread that held the GIL say less of what it did than where it
/// released it.
const MIN_SAMPLES: u64 = 3;

/// What told where in the code a waker was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WakeEvidence {
    /// It released the lock or the GIL there.
    Release,
    /// It was sampled there while it held the GIL.
    Sample,
    /// It left the CPU there while it held the GIL.
    OffCpu,
}

/// Waits of one thread at one place that one thread ended, or for the GIL's part of a
/// wait: in which that thread held it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// Where it waited.
    pub stack: StackId,
    /// For what: a lock, a futex or the GIL.
    pub reason: Reason,
    /// Who ended it.
    pub waker: Tid,
    /// Where that thread was, the empty stack if that is not known.
    pub waker_stack: StackId,
    /// What told that.
    pub evidence: WakeEvidence,
    /// Samples that the entry stands for, if they told.
    pub samples: u64,
    /// Time waited.
    pub waited_ns: u64,
    /// The part of it in which the GIL's holder was off the CPU.
    pub off_cpu_ns: u64,
}

/// Time for which code of one thread kept another waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caused {
    /// Who waited.
    pub waiter: Tid,
    /// Where it waited.
    pub stack: StackId,
    /// For what.
    pub reason: Reason,
    /// Who ended the wait, or held the GIL.
    pub waker: Tid,
    /// Where: the innermost frame of the user's own code, else the leaf.
    pub frame: Option<Frame>,
    /// Time waited.
    pub waited_ns: u64,
    /// The part of it in which the GIL's holder was off the CPU.
    pub off_cpu_ns: u64,
}

/// A thread that ended waits, and where in its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waker {
    /// The thread.
    pub tid: Tid,
    /// The place in it, at the line with the most of the time.
    pub frame: Option<Frame>,
    /// Time waited for it.
    pub waited_ns: u64,
    /// The part of it in which the GIL's holder was off the CPU.
    pub off_cpu_ns: u64,
}

/// One thread's wake-ups at one place, by one thread, while they are summed up.
#[derive(Default)]
struct Sum {
    /// By the stack at the release, or where the holder left the CPU.
    told: BTreeMap<(StackId, WakeEvidence), (u64, u64)>,
}

impl Process {
    /// Whom its threads waited for. Where a thread that held the GIL was then, its own
    /// samples tell: it may have released it elsewhere, in the next call that blocks.
    pub fn caused_waits(&self) -> Vec<Caused> {
        let mut by_holder: BTreeMap<Tid, BTreeMap<StackId, u64>> = BTreeMap::new();
        let mut sums: BTreeMap<(Tid, StackId, Reason, Tid), Sum> = BTreeMap::new();
        for thread in &self.threads {
            for wake in &thread.wakes {
                if wake.evidence == WakeEvidence::Sample {
                    let stacks = by_holder.entry(wake.waker).or_default();
                    *stacks.entry(wake.waker_stack).or_default() += wake.samples;
                }
                let key = (thread.tid, wake.stack, wake.reason, wake.waker);
                let sum = sums.entry(key).or_default();
                let place = (wake.waker_stack, wake.evidence);
                let time = sum.told.entry(place).or_default();
                time.0 += wake.waited_ns;
                time.1 += wake.off_cpu_ns;
            }
        }
        by_holder.retain(|_, stacks| stacks.values().sum::<u64>() >= MIN_SAMPLES);
        let mut caused = Vec::new();
        for ((waiter, stack, reason, waker), sum) in sums {
            let mut add = |at: StackId, waited_ns: u64, off_cpu_ns: u64| {
                if waited_ns > 0 {
                    caused.push(Caused {
                        waiter,
                        stack,
                        reason,
                        waker,
                        frame: self.own_frame(self.stack(at)),
                        waited_ns,
                        off_cpu_ns,
                    });
                }
            };
            let sampled = by_holder.get(&waker).filter(|_| reason == Reason::Gil);
            let (mut waited_ns, mut off_cpu_ns) = (0, 0);
            for ((at, evidence), (waited, off_cpu)) in sum.told {
                if sampled.is_none() || evidence == WakeEvidence::OffCpu {
                    add(at, waited, off_cpu);
                } else {
                    waited_ns += waited;
                    off_cpu_ns += off_cpu;
                }
            }
            if let Some(stacks) = sampled {
                let weights: Vec<u64> = stacks.values().copied().collect();
                let parts = apportion(waited_ns, &weights).into_iter();
                let off_parts = apportion(off_cpu_ns, &weights);
                for ((at, waited), off_cpu) in stacks.keys().zip(parts).zip(off_parts) {
                    add(*at, waited, off_cpu);
                }
            }
        }
        caused
    }
}

/// The wakers of some waits, most time first.
pub(super) fn wakers<'a>(caused: impl Iterator<Item = &'a Caused>) -> Vec<Waker> {
    let mut places: BTreeMap<_, (Waker, BTreeMap<Option<u32>, u64>)> = BTreeMap::new();
    for entry in caused {
        let function = entry.frame.and_then(|frame| frame.function);
        let (waker, lines) = places.entry((entry.waker, function)).or_insert_with(|| {
            let waker = Waker {
                tid: entry.waker,
                frame: entry.frame,
                waited_ns: 0,
                off_cpu_ns: 0,
            };
            (waker, BTreeMap::new())
        });
        waker.waited_ns += entry.waited_ns;
        waker.off_cpu_ns += entry.off_cpu_ns;
        let line = entry.frame.and_then(|frame| frame.line);
        *lines.entry(line).or_default() += entry.waited_ns;
    }
    let with_line = |(mut waker, lines): (Waker, BTreeMap<Option<u32>, u64>)| {
        let line = lines.into_iter().max_by_key(|&(_, ns)| ns);
        if let (Some(frame), Some((line, _))) = (&mut waker.frame, line) {
            frame.line = line;
        }
        waker
    };
    let mut wakers: Vec<Waker> = places.into_values().map(with_line).collect();
    wakers.sort_by_key(|waker| std::cmp::Reverse(waker.waited_ns));
    wakers
}
