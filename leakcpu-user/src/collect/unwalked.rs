//! Intervals whose stack was not walked, to keep within the budget: their time is known,
//! and what is not is estimated by those that were walked by chance.
//!
//! docs/times.md says why that is unbiased.

use std::collections::HashMap;

use leakcpu_common::{
    stack::{EMPTY_STACK, NOT_WALKED},
    totals::{NOT_READ, SQUARE_SHIFT, StandsFor, Totals, TotalsKey, Wait, state, wait_flags},
};

use crate::model::apportion;

/// Flags of a wait that come from the task, not from its registers.
const TASK_FLAGS: u8 = wait_flags::UNINTERRUPTIBLE | wait_flags::STOPPED | wait_flags::IN_IOWAIT;

/// Time and intervals of one key, and which part of the time is there by an estimate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    /// Thread, stack and wait.
    pub key: TotalsKey,
    /// Time and intervals.
    pub totals: Totals,
    /// Blocked time of which the stack is estimated.
    pub stack_estimated_ns: u64,
    /// Blocked time of which the wait is estimated too.
    pub reason_estimated_ns: u64,
}

/// Spreads what was not walked of one thread's entries over those that were, in proportion
/// to what these stand for. The sums stay what they were, to the nanosecond. What nothing
/// stands for stays with the empty stack.
pub fn spread(entries: impl IntoIterator<Item = (TotalsKey, Totals)>) -> Vec<Entry> {
    let (unwalked, walked): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|(key, _)| key.stack == NOT_WALKED);
    let mut walked: Vec<Entry> = walked
        .into_iter()
        .map(|(key, totals)| Entry {
            key,
            totals,
            ..Entry::default()
        })
        .collect();
    // Those that are estimated by the same others.
    let mut groups: HashMap<Wait, (TotalsKey, Totals)> = HashMap::new();
    for (key, totals) in unwalked {
        let (_, sum) = groups
            .entry(kind(key.wait))
            .or_insert((key, Totals::default()));
        sum.count += totals.count;
        sum.blocked_ns += totals.blocked_ns;
        sum.runnable_ns += totals.runnable_ns;
        sum.max_blocked_ns = sum.max_blocked_ns.max(totals.max_blocked_ns);
    }
    for (key, totals) in groups.into_values() {
        let left = spread_group(&mut walked, key, totals);
        walked.extend(left);
    }
    merged(walked)
}

/// What two waits have in common of which one is estimated by the other.
fn kind(wait: Wait) -> Wait {
    let mut kind = wait;
    kind.flags &= !wait_flags::NATIVE_THREAD;
    if wait.syscall == NOT_READ {
        kind.flags &= TASK_FLAGS;
    }
    kind
}

fn stands_for(entry: &Entry, unwalked: Wait) -> StandsFor {
    let mut wait = entry.key.wait;
    if unwalked.syscall == NOT_READ && wait.kind() == state::BLOCKED | state::BY_CHANCE {
        wait = Wait {
            syscall: NOT_READ,
            flags: wait.flags & TASK_FLAGS,
            fd: 0,
            state: wait.kind(),
        };
    }
    if kind(wait) == kind(unwalked) {
        entry.totals.stands_for
    } else {
        StandsFor::default()
    }
}

/// What blocked time is spread by. The share of one among several sums of chance is too
/// small on average where its summands are large: by q/S^2 less its share of Q/S^2, to the
/// first order, where S is the sum of all, Q that of all their squares, and q that of its own.
/// So much is put back. The shares still sum to one, and none is negative.
fn corrected(weights: &[StandsFor]) -> Vec<u64> {
    let units = |w: &StandsFor| u128::from(w.blocked_ns >> SQUARE_SHIFT);
    let squares = |w: &StandsFor| u128::from(w.blocked_squares);
    let sum: u128 = weights.iter().map(units).sum();
    let all_squares: u128 = weights.iter().map(squares).sum();
    let of_sum = sum.saturating_mul(sum);
    if of_sum == 0 {
        return weights.iter().map(|w| w.blocked_ns).collect();
    }
    let rest = of_sum.saturating_sub(all_squares);
    weights
        .iter()
        .map(|w| {
            let kept = units(w).saturating_mul(rest) / of_sum;
            let back = squares(w) / sum;
            u64::try_from(kept + back).unwrap_or(u64::MAX)
        })
        .collect()
}

/// Spreads one group; what is left of it.
fn spread_group(walked: &mut [Entry], key: TotalsKey, totals: Totals) -> Option<Entry> {
    let weights: Vec<StandsFor> = walked.iter().map(|e| stands_for(e, key.wait)).collect();
    let column = |of: fn(&StandsFor) -> u64| weights.iter().map(of).collect::<Vec<u64>>();
    let count = apportion(totals.count, &column(|w| w.count));
    let blocked = apportion(totals.blocked_ns, &corrected(&weights));
    let runnable = apportion(totals.runnable_ns, &column(|w| w.runnable_ns));
    for (i, entry) in walked.iter_mut().enumerate() {
        entry.totals.count += count[i];
        entry.totals.blocked_ns += blocked[i];
        entry.totals.runnable_ns += runnable[i];
        entry.stack_estimated_ns += blocked[i];
        if key.wait.syscall == NOT_READ {
            entry.reason_estimated_ns += blocked[i];
        }
    }
    let rest = |total: u64, parts: &[u64]| total - parts.iter().sum::<u64>();
    let left = Totals {
        count: rest(totals.count, &count),
        blocked_ns: rest(totals.blocked_ns, &blocked),
        runnable_ns: rest(totals.runnable_ns, &runnable),
        max_blocked_ns: totals.max_blocked_ns,
        stands_for: StandsFor::default(),
    };
    let is_empty = left.count == 0 && left.blocked_ns == 0 && left.runnable_ns == 0;
    (!is_empty).then(|| Entry {
        key: TotalsKey {
            stack: EMPTY_STACK,
            ..key
        },
        totals: Totals {
            max_blocked_ns: left.max_blocked_ns.min(left.blocked_ns),
            ..left
        },
        ..Entry::default()
    })
}

/// One entry for each key: how it came to be looked at is of no further interest.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut known: HashMap<TotalsKey, usize> = HashMap::with_capacity(entries.len());
    for mut entry in entries {
        entry.key.wait.state &= !state::BY_CHANCE;
        let at = *known.entry(entry.key).or_insert(merged.len());
        let Some(sum) = merged.get_mut(at) else {
            merged.push(entry);
            continue;
        };
        sum.totals.count += entry.totals.count;
        sum.totals.blocked_ns += entry.totals.blocked_ns;
        sum.totals.runnable_ns += entry.totals.runnable_ns;
        sum.totals.max_blocked_ns = sum.totals.max_blocked_ns.max(entry.totals.max_blocked_ns);
        sum.stack_estimated_ns += entry.stack_estimated_ns;
        sum.reason_estimated_ns += entry.reason_estimated_ns;
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stack: u64, syscall: i16, chance: u8, blocked_ns: u64, n: u64) -> (TotalsKey, Totals) {
        let key = TotalsKey {
            stack,
            wait: Wait {
                syscall,
                flags: 0,
                state: state::BLOCKED | chance,
                fd: 0,
            },
            tid: 7,
            generation: 1,
        };
        let totals = Totals {
            count: 1,
            blocked_ns,
            runnable_ns: 0,
            max_blocked_ns: blocked_ns,
            stands_for: StandsFor::one(n, blocked_ns, 0),
        };
        (key, totals)
    }

    fn of(entries: &[Entry], stack: u64, syscall: i16) -> (u64, u64, u64) {
        let found = entries
            .iter()
            .find(|e| e.key.stack == stack && e.key.wait.syscall == syscall)
            .unwrap();
        (
            found.totals.blocked_ns,
            found.stack_estimated_ns,
            found.reason_estimated_ns,
        )
    }

    #[test]
    fn what_was_not_walked_is_spread_by_what_the_others_stand_for() {
        let entries = spread([
            entry(11, 0, 0, 10, 3),
            entry(13, 0, 0, 30, 1),
            // Another call: no part of it.
            entry(15, 1, 0, 50, 9),
            entry(NOT_WALKED, 0, 0, 600, 0),
        ]);
        assert_eq!(of(&entries, 11, 0), (310, 300, 0));
        assert_eq!(of(&entries, 13, 0), (330, 300, 0));
        assert_eq!(of(&entries, 15, 1), (50, 0, 0));
        assert_eq!(entries.len(), 3);
    }

    /// All outcomes of chance, each with its probability: the mean of what a stack is given
    /// is near its time, and nearer than without the correction.
    #[test]
    fn the_mean_over_all_outcomes_is_the_time() {
        const MS: u64 = 1 << 20;
        // Sixteen waits, each walked with a chance of a half: six long, ten short ones.
        let waits = [4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4, 1, 1, 4].map(|n| n * MS);
        let stack = |ns: u64| if ns > MS { 11 } else { 13 };
        let (mut mean, mut plain) = (0.0, 0.0);
        let outcomes = 1_u32 << waits.len();
        for outcome in 0..outcomes {
            let is_walked = |i: usize| outcome & (1 << i) != 0;
            let mut left = 0;
            let mut walked = Vec::new();
            for (i, &ns) in waits.iter().enumerate() {
                if is_walked(i) {
                    walked.push(entry(stack(ns), 0, 0, ns, 1));
                } else {
                    left += ns;
                }
            }
            let long: u64 = walked
                .iter()
                .map(|w| w.1.blocked_ns)
                .filter(|&n| n > MS)
                .sum();
            let all: u64 = walked.iter().map(|w| w.1.blocked_ns).sum();
            plain += long as f64 + left as f64 * long as f64 / all.max(1) as f64;
            walked.push(entry(NOT_WALKED, 0, 0, left, 0));
            let entries = spread(walked);
            let found = entries.iter().filter(|e| e.key.stack == 11);
            mean += found.map(|e| e.totals.blocked_ns as f64).sum::<f64>();
        }
        let time = (24 * MS) as f64 * f64::from(outcomes);
        let (error, plain) = (mean / time - 1.0, plain / time - 1.0);
        assert!(error.abs() < plain.abs() / 2.0, "{error}, without: {plain}");
        assert!(error.abs() < 0.01, "{error}");
    }

    #[test]
    fn what_nothing_stands_for_has_no_stack() {
        let entries = spread([entry(11, 0, 0, 10, 0), entry(NOT_WALKED, 0, 0, 600, 0)]);
        assert_eq!(of(&entries, 11, 0), (10, 0, 0));
        assert_eq!(of(&entries, EMPTY_STACK, 0), (600, 0, 0));
    }

    #[test]
    fn where_registers_were_not_read_the_reason_is_estimated_too() {
        let entries = spread([
            entry(11, 0, state::BY_CHANCE, 10, 3),
            entry(13, 1, state::BY_CHANCE, 30, 1),
            // Not of those moments.
            entry(11, 0, 0, 100, 5),
            entry(NOT_WALKED, NOT_READ, state::BY_CHANCE, 600, 0),
        ]);
        assert_eq!(of(&entries, 11, 0), (10 + 300 + 100, 300, 300));
        assert_eq!(of(&entries, 13, 1), (30 + 300, 300, 300));
        assert_eq!(entries.len(), 2);
    }
}
