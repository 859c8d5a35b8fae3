//! Samples of threads that have a clock of their own besides those of the CPUs: all of them
//! by stack, and as many of them among the others as the CPUs' clocks alone would have taken.

use std::collections::HashMap;

use leakcpu_common::totals::TotalsKey;

/// Stacks of one thread that are kept.
const MAX_STACKS: usize = 1_024;

/// Threads that are sampled more often.
#[derive(Debug, Default)]
pub(super) struct Thinned {
    threads: HashMap<u32, Often>,
}

/// One of them.
#[derive(Debug)]
struct Often {
    /// As many samples as there would be otherwise, times this.
    times: u32,
    /// Which owner of the tid: that of the first sample.
    generation: Option<u32>,
    /// Samples since the last that was let through.
    held_back: u32,
    /// Samples held back in all.
    left_out: u64,
    stacks: HashMap<u64, u64>,
}

impl Thinned {
    /// Thread `tid` is sampled `times` times as often from now on.
    pub(super) fn begin(&mut self, tid: u32, times: u32) {
        self.threads.entry(tid).or_insert(Often {
            times: times.max(1),
            generation: None,
            held_back: 0,
            left_out: 0,
            stacks: HashMap::new(),
        });
    }

    pub(super) fn contains(&self, tid: u32) -> bool {
        self.threads.contains_key(&tid)
    }

    pub(super) fn len(&self) -> usize {
        self.threads.len()
    }

    /// The threads.
    pub(super) fn tids(&self) -> impl Iterator<Item = u32> {
        self.threads.keys().copied()
    }

    /// Thread `tid` is sampled like every other one from now on.
    pub(super) fn end(&mut self, tid: u32) {
        self.threads.remove(&tid);
    }

    /// A window begins.
    pub(super) fn forget_stacks(&mut self) {
        for often in self.threads.values_mut() {
            often.stacks.clear();
            often.left_out = 0;
        }
    }

    /// Notes a sample; whether it is one of the others.
    pub(super) fn admits(&mut self, key: &TotalsKey) -> bool {
        let Some(often) = self.threads.get_mut(&key.tid) else {
            return true;
        };
        if *often.generation.get_or_insert(key.generation) != key.generation {
            return true; // The tid has another owner, and that one no clock.
        }
        if often.stacks.len() < MAX_STACKS || often.stacks.contains_key(&key.stack) {
            *often.stacks.entry(key.stack).or_default() += 1;
        }
        often.held_back += 1;
        if often.held_back < often.times {
            often.left_out += 1;
            return false;
        }
        often.held_back = 0;
        true
    }

    /// Samples that were held back.
    pub(super) fn left_out(&self) -> u64 {
        self.threads.values().map(|often| often.left_out).sum()
    }

    /// Every sample of a thread, by the hash of its stack.
    pub(super) fn stacks(&self, tid: u32, generation: u32) -> impl Iterator<Item = (u64, u64)> {
        self.threads
            .get(&tid)
            .filter(|often| often.generation == Some(generation))
            .into_iter()
            .flat_map(|often| often.stacks.iter().map(|(stack, count)| (*stack, *count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tid: u32, generation: u32, stack: u64) -> TotalsKey {
        TotalsKey {
            tid,
            generation,
            stack,
            ..TotalsKey::default()
        }
    }

    #[test]
    fn one_of_twenty_is_let_through_and_all_are_known() {
        let mut thinned = Thinned::default();
        thinned.begin(7, 20);
        let admitted = (0..200)
            .filter(|i| thinned.admits(&key(7, 1, i % 2)))
            .count();
        assert_eq!(admitted, 10);
        assert_eq!(thinned.left_out(), 190);
        let mut stacks: Vec<_> = thinned.stacks(7, 1).collect();
        stacks.sort_unstable();
        assert_eq!(stacks, [(0, 100), (1, 100)]);
    }

    #[test]
    fn others_and_the_next_owner_of_a_tid_are_not_thinned() {
        let mut thinned = Thinned::default();
        thinned.begin(7, 20);
        assert!(!thinned.admits(&key(7, 1, 0)));
        assert!(thinned.admits(&key(8, 1, 0)));
        assert!(thinned.admits(&key(7, 2, 0)));
        assert_eq!(thinned.stacks(7, 2).count(), 0);
    }
}
