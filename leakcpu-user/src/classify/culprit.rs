//! Whom others waited for at a lock or the GIL, in words.

use std::collections::BTreeMap;

use super::because::{Subject, reason};
use super::say::percent;
use super::{Because, waiting};
use crate::model::{Caused, Frame, FunctionId, Process, Reason, StackTimeKind, Tid, Waker};

/// A function is named if it caused this share of the waits.
const MIN_SHARE: f64 = 0.5;

/// `held by crunch`, `woken by put_item`, if one function caused most of the waits.
pub fn caused_by(process: &Process, reason: Reason, wakers: &[Waker]) -> Option<String> {
    let mut sums: BTreeMap<Option<FunctionId>, u64> = BTreeMap::new();
    for waker in wakers {
        let function = waker.frame.and_then(|frame| frame.function);
        *sums.entry(function).or_default() += waker.waited_ns;
    }
    let total: u64 = sums.values().sum();
    let (function, ns) = sums.into_iter().max_by_key(|&(_, ns)| ns)?;
    if (ns as f64) < total as f64 * MIN_SHARE {
        return None;
    }
    let name = &process.function(function?)?.name;
    Some(match reason {
        Reason::Gil => format!("held by {name}"),
        _ => format!("woken by {name}"),
    })
}

impl Subject<'_> {
    /// What the threads waited for that were for the GIL, or for a lock that they fight for.
    fn caused(&self, gil: bool) -> Vec<Caused> {
        let waits = |caused: &Caused| {
            if gil || caused.reason == Reason::Gil {
                return gil && caused.reason == Reason::Gil;
            }
            let thread = self.threads.iter().find(|(t, _)| t.tid == caused.waiter);
            thread.is_some_and(|(thread, _)| {
                let mut entries = thread.stack_times.iter();
                entries.any(|entry| {
                    let is_it = entry.stack == caused.stack
                        && matches!(&entry.kind, StackTimeKind::Blocked { reason, .. } if *reason == caused.reason);
                    is_it
                        && waiting::bucket(self.process, thread, entry, self.limits).0.class()
                            == Some(super::Class::LockBound)
                })
            })
        };
        let mut caused = self.process.caused_waits();
        caused.retain(|caused| is_one_of(self, caused.waiter) && waits(caused));
        caused
    }

    /// `hold_lock ended 97 % of that`, if the waits of `total_ns` were one function's
    /// doing.
    pub(super) fn culprit(&self, gil: bool, total_ns: u64) -> Option<Because> {
        let mut sums: BTreeMap<FunctionId, u64> = BTreeMap::new();
        for caused in self.caused(gil) {
            if let Some(function) = caused.frame.and_then(|frame| frame.function) {
                *sums.entry(function).or_default() += caused.waited_ns;
            }
        }
        let (function, ns) = sums.into_iter().max_by_key(|&(_, ns)| ns)?;
        let share = (ns as f64 / total_ns.max(1) as f64).min(1.0);
        if share < MIN_SHARE {
            return None;
        }
        let name = &self.process.function(function)?.name;
        let share_said = percent(share);
        Some(if gil {
            let text = format!("{name} holds it for about {share_said} of that");
            reason(text, "gil_holder_share", share, "ratio")
        } else {
            let text = format!("{name} ends {share_said} of that");
            reason(text, "lock_waker_share", share, "ratio")
        })
    }
}

fn is_one_of(subject: &Subject<'_>, tid: Tid) -> bool {
    subject.threads.iter().any(|(thread, _)| thread.tid == tid)
}

/// The places that held the GIL while threads of `tids` waited for it, with the time; none
/// unless that is most of `gil_wait_ns`.
pub(super) fn gil_holders(process: &Process, tids: &[Tid], gil_wait_ns: u64) -> Vec<(Frame, u64)> {
    let caused = process.caused_waits().into_iter();
    let places: Vec<(Frame, u64)> = caused
        .filter(|caused| caused.reason == Reason::Gil && tids.contains(&caused.waiter))
        .filter_map(|caused| Some((caused.frame?, caused.waited_ns)))
        .collect();
    let known: u64 = places.iter().map(|(_, ns)| ns).sum();
    if (known as f64) < gil_wait_ns as f64 * MIN_SHARE {
        return Vec::new();
    }
    places
}
