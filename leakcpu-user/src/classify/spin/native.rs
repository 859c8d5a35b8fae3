//! Machine code that spins: workers of OpenMP and BLAS libraries that wait for their next
//! part, spin locks.
//!
//! Code that looks at memory again and again executes `pause` in between (Intel SDM vol. 2:
//! "spin-wait loops"). It takes some 140 cycles from Skylake on, so that such a loop spends most
//! of its time on it; a loop that works and pauses now and then does not.

use std::collections::BTreeMap;

use super::{Spin, wants_cpu};
use crate::{
    classify::Thresholds,
    model::{NativeId, Thread},
};

/// Code whose samples are at a `pause`.
pub(super) fn prove(thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    if !wants_cpu(thread, limits) {
        return None;
    }
    let mut samples = 0;
    let mut pauses: BTreeMap<NativeId, u64> = BTreeMap::new();
    for entry in &thread.stack_times {
        if !entry.kind.is_on_cpu() {
            continue;
        }
        samples += entry.count;
        for leaf in entry.leaves.iter().filter(|leaf| leaf.at_pause) {
            *pauses.entry(leaf.frame.function).or_default() += leaf.count;
        }
    }
    let at_pause: u64 = pauses.values().sum();
    let pause_share = at_pause as f64 / samples.max(1) as f64;
    let (function, _) = pauses.into_iter().max_by_key(|(_, count)| *count)?;
    (samples >= limits.native_spin_min_samples && pause_share >= limits.native_spin_min_pause_share)
        .then_some(Spin::Native {
            function,
            pause_share,
        })
}
