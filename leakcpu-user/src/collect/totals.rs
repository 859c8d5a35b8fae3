//! The totals: those in their map, and those that are pending in the threads' own entries.

use std::collections::HashMap;

use leakcpu_common::{
    thread::ThreadState,
    totals::{Totals, TotalsKey},
};

use super::snapshot::generation;
use crate::probes::{KernelMaps, ProbeError};

/// All of them, as they are now. The programs may go on meanwhile: an interval may be here
/// too many or too few for each thread that is switched then, but never all that was pending.
pub(super) fn read_totals(maps: &KernelMaps<'_>) -> Result<HashMap<TotalsKey, Totals>, ProbeError> {
    let mut pending = Vec::new();
    for entry in &maps.threads {
        let (_, state) = entry?;
        if state.pending.count != 0 {
            pending.push(state);
        }
    }
    let mut totals = HashMap::new();
    for entry in &maps.totals {
        let (key, sum) = entry?;
        totals.insert(key, sum);
    }
    for before in &pending {
        let now = maps.threads.get(&before.tid, 0).ok();
        add_pending(&mut totals, before, now.as_ref(), |key| {
            maps.totals.get(key, 0).ok()
        });
    }
    Ok(totals)
}

/// Adds what was pending in a thread's entry `before` the totals were read and still is
/// `now`; what is not is in the map by now, of which `look` shows an entry.
fn add_pending(
    totals: &mut HashMap<TotalsKey, Totals>,
    before: &ThreadState,
    now: Option<&ThreadState>,
    look: impl Fn(&TotalsKey) -> Option<Totals>,
) {
    let key = TotalsKey {
        stack: before.pending.stack,
        wait: before.pending.wait,
        tid: before.tid,
        generation: generation(before),
    };
    match now {
        Some(now)
            if generation(now) == key.generation && now.pending.moved == before.pending.moved =>
        {
            totals.entry(key).or_default().add(&now.pending.totals());
        }
        _ => totals.extend(look(&key).map(|sum| (key, sum))),
    }
}

#[cfg(test)]
mod tests {
    use leakcpu_common::totals::Pending;

    use super::*;

    fn waiting(count: u64, moved: u64) -> ThreadState {
        ThreadState {
            tid: 7,
            pending: Pending {
                stack: 3,
                count,
                blocked_ns: 10 * count,
                runnable_ns: count,
                max_blocked_ns: 10,
                moved,
                ..Pending::default()
            },
            ..ThreadState::default()
        }
    }

    /// What the totals say, if the map held 100 intervals at first and `in_map` afterwards.
    fn added(now: Option<&ThreadState>, in_map: u64) -> (u64, u64) {
        let sum = |count| Totals {
            count,
            blocked_ns: 10 * count,
            ..Totals::default()
        };
        let key = TotalsKey {
            stack: 3,
            tid: 7,
            ..TotalsKey::default()
        };
        let mut totals = HashMap::from([(key, sum(100))]);
        add_pending(&mut totals, &waiting(5, 1), now, |asked| {
            assert_eq!(*asked, key);
            Some(sum(in_map))
        });
        (totals[&key].count, totals[&key].blocked_ns)
    }

    #[test]
    fn what_is_pending_counts_once() {
        assert_eq!(added(Some(&waiting(5, 1)), 100), (105, 1_050));
        // Another one like them has come meanwhile.
        assert_eq!(added(Some(&waiting(6, 1)), 100), (106, 1_060));
        // It has got another key, so they are in the map, whether that was before it was
        // read or afterwards.
        assert_eq!(added(Some(&waiting(1, 2)), 105), (105, 1_050));
        // Its entry is gone, which settles it first.
        assert_eq!(added(None, 105), (105, 1_050));
        // The number is another thread's.
        let other = ThreadState {
            start_boottime_ns: 1 << 40,
            ..waiting(9, 1)
        };
        assert_eq!(added(Some(&other), 105), (105, 1_050));
    }
}
