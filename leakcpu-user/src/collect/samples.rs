//! Samples by what they saw: emptied from their ring, decoded and counted.

use std::collections::{HashMap, hash_map::Entry};

use bytes::{Buf as _, TryGetError};
use leakcpu_common::{
    native::LeafKey,
    totals::{TotalsKey, Wait},
};

use super::thinned::Thinned;
use crate::model::UserLoss;

/// Counted samples, in bounded memory.
#[derive(Debug, Default)]
pub struct Samples {
    /// Distinct (thread, stack, instruction) combinations counted.
    limit: usize,
    counts: HashMap<LeafKey, u64>,
    /// Samples that found no room: what they were executing is not known.
    unplaced: HashMap<TotalsKey, u64>,
    /// Combinations that came since they were last taken.
    fresh: Vec<LeafKey>,
    /// Of samples that could not be kept.
    loss: HashMap<UserLoss, u64>,
    /// Threads that are sampled more often than others.
    thinned: Thinned,
}

/// Combinations remembered as fresh; they only hasten a look that comes anyway.
const MAX_FRESH: usize = 4_096;

impl Samples {
    /// With room for `limit` combinations.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Forgets what was counted: the window begins now.
    pub fn begin(&mut self) {
        self.counts.clear();
        self.unplaced.clear();
        self.loss.clear();
        self.thinned.forget_stacks();
    }

    /// Thread `tid` is sampled `times` times as often as others from now on: one in `times` of
    /// its samples is counted, and all are in [`Self::every_stack`].
    pub fn thin(&mut self, tid: u32, times: u32) {
        self.thinned.begin(tid, times);
    }

    /// Whether thread `tid` is.
    pub fn is_thinned(&self, tid: u32) -> bool {
        self.thinned.contains(tid)
    }

    /// Threads that are.
    pub fn thinned(&self) -> usize {
        self.thinned.len()
    }

    /// Which threads those are.
    pub fn thinned_threads(&self) -> Vec<u32> {
        self.thinned.tids().collect()
    }

    /// Thread `tid`, which has ended, is none of them any more.
    pub fn unthin(&mut self, tid: u32) {
        self.thinned.end(tid);
    }

    /// Samples taken that are not counted, because there are more of their threads'.
    pub fn left_out(&self) -> u64 {
        self.thinned.left_out()
    }

    /// Every sample of a thread that is sampled more often, by the hash of its stack.
    pub fn every_stack(&self, tid: u32, generation: u32) -> impl Iterator<Item = (u64, u64)> {
        self.thinned.stacks(tid, generation)
    }

    /// Counts one record of the ring.
    pub fn add(&mut self, mut record: &[u8]) {
        let Ok(key) = leaf_key(&mut record) else {
            *self.loss.entry(UserLoss::EventsUndecoded).or_default() += 1;
            return;
        };
        if !self.thinned.admits(&key.totals) {
            return;
        }
        let is_full = self.counts.len() >= self.limit;
        match self.counts.entry(key) {
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(empty) if !is_full => {
                empty.insert(1);
                if self.fresh.len() < MAX_FRESH {
                    self.fresh.push(key);
                }
            }
            Entry::Vacant(_) => self.add_unplaced(key.totals),
        }
    }

    fn add_unplaced(&mut self, key: TotalsKey) {
        let has_room = self.unplaced.len() < self.limit || self.unplaced.contains_key(&key);
        let lost = if has_room {
            *self.unplaced.entry(key).or_default() += 1;
            UserLoss::NativeLeavesFull
        } else {
            UserLoss::SamplesLost
        };
        *self.loss.entry(lost).or_default() += 1;
    }

    /// What came since the last time, as far as it is remembered.
    pub fn take_fresh(&mut self) -> Vec<LeafKey> {
        std::mem::take(&mut self.fresh)
    }

    /// Samples that were not kept, or not whole.
    pub fn loss(&self) -> impl Iterator<Item = (UserLoss, u64)> {
        self.loss.iter().map(|(name, n)| (*name, *n))
    }

    /// Samples of each thread, stack and mode, those without room included.
    pub(super) fn by_totals(&self) -> HashMap<TotalsKey, u64> {
        let mut sums = self.unplaced.clone();
        for (key, count) in &self.counts {
            *sums.entry(key.totals).or_default() += count;
        }
        sums
    }

    /// Samples of threads that are wanted, by thread and the hash of the stack.
    pub fn stacks_of(&self, is_wanted: impl Fn(u32) -> bool) -> HashMap<u32, Vec<(u64, u64)>> {
        let mut sums: HashMap<(u32, u64), u64> = HashMap::new();
        for (key, count) in &self.counts {
            if is_wanted(key.totals.tid) {
                *sums.entry((key.totals.tid, key.totals.stack)).or_default() += count;
            }
        }
        let mut by_thread: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
        for ((tid, stack), count) in sums {
            by_thread.entry(tid).or_default().push((stack, count));
        }
        by_thread
    }

    /// Each combination and its samples.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LeafKey, u64)> {
        self.counts.iter().map(|(key, count)| (*key, *count))
    }
}

fn leaf_key(bytes: &mut &[u8]) -> Result<LeafKey, TryGetError> {
    Ok(LeafKey {
        totals: TotalsKey {
            stack: bytes.try_get_u64_ne()?,
            wait: Wait {
                syscall: bytes.try_get_i16_ne()?,
                flags: bytes.try_get_u8()?,
                state: bytes.try_get_u8()?,
                fd: bytes.try_get_i32_ne()?,
            },
            tid: bytes.try_get_u32_ne()?,
            generation: bytes.try_get_u32_ne()?,
        },
        ip: bytes.try_get_u64_ne()?,
        entry: bytes.try_get_u64_ne()?,
        user_stack: bytes.try_get_i32_ne()?,
        kernel_stack: bytes.try_get_i32_ne()?,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use leakcpu_common::native::NO_STACK;
    use proptest::prelude::*;

    use super::*;

    fn record(stack: u64, ip: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(stack.to_ne_bytes());
        bytes.extend((-1_i16).to_ne_bytes());
        bytes.extend([2, 1]);
        bytes.extend(3_i32.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(9_u32.to_ne_bytes());
        bytes.extend(ip.to_ne_bytes());
        bytes.extend(0_u64.to_ne_bytes());
        bytes.extend(5_i32.to_ne_bytes());
        bytes.extend(NO_STACK.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_record_is_read_as_the_contract_lays_it_out() {
        assert_eq!(offset_of!(LeafKey, totals), 0);
        assert_eq!(offset_of!(LeafKey, ip), size_of::<TotalsKey>());
        assert_eq!(offset_of!(LeafKey, user_stack), 40);
        assert_eq!(offset_of!(TotalsKey, tid), 16);
        let bytes = record(4, 16);
        assert_eq!(bytes.len(), size_of::<LeafKey>());
        let key = leaf_key(&mut bytes.as_slice()).unwrap();
        assert_eq!((key.totals.stack, key.ip), (4, 16));
        assert_eq!((key.totals.tid, key.totals.generation), (7, 9));
        assert_eq!((key.totals.wait.syscall, key.totals.wait.fd), (-1, 3));
        assert_eq!((key.totals.wait.flags, key.totals.wait.state), (2, 1));
        assert_eq!((key.user_stack, key.kernel_stack), (5, NO_STACK));
    }

    #[test]
    fn samples_without_room_are_counted_and_then_lost_aloud() {
        let mut samples = Samples::new(1);
        for (stack, ip) in [(1, 16), (1, 16), (1, 32), (2, 16)] {
            samples.add(&record(stack, ip));
        }
        assert_eq!(samples.iter().map(|(_, n)| n).collect::<Vec<_>>(), [2]);
        let sums: Vec<u64> = samples.by_totals().into_values().collect();
        assert_eq!(sums, [3]);
        let loss: HashMap<_, _> = samples.loss().collect();
        assert_eq!(loss[&UserLoss::NativeLeavesFull], 1);
        assert_eq!(loss[&UserLoss::SamplesLost], 1);
        assert_eq!(samples.take_fresh().len(), 1);
        assert!(samples.take_fresh().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut samples = Samples::new(8);
            samples.add(&bytes);
            let kept: u64 = samples.by_totals().into_values().sum();
            let lost: u64 = samples.loss().map(|(_, n)| n).sum();
            prop_assert_eq!(kept + lost, 1);
        }
    }
}
