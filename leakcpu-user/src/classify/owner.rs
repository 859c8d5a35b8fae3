//! Who owns the locks that are waited for, in words.

use std::collections::BTreeMap;

use super::because::{Subject, reason};
use super::waiting::is_handed_over;
use super::{Because, Blame};
use crate::model::{
    Deadlocked, FileLockHolder, LockKind, LockOwner, LockWait, Process, StackId, Tid, Wait,
};

/// An owner is named if it had this share of the waits.
const MIN_SHARE: f64 = 0.5;

/// `an RLock that thread 4712 (holder) owns`; `None` of a lock that has no owner.
pub fn owner_in_words(process: &Process, wait: &LockWait) -> Option<String> {
    let owner = wait.owner?;
    let kind = wait.kind.name();
    Some(match owner.tid {
        Some(tid) => format!("an {kind} that {} owns", process.thread_in_words(tid)),
        None => format!("an {kind} whose owner has ended"),
    })
}

/// What some waits for locks waited for: the owner of an `RLock` if it is one for most of
/// them, else that the lock keeps none.
pub fn lock_in_words(process: &Process, wait: &Wait) -> Option<String> {
    let looked_at: u64 = wait.locks.iter().map(|(_, lock)| lock.waited_ns).sum();
    let owner = |lock: &LockWait| (lock.kind, lock.owner.map(|owner| owner.tid));
    let mut by_owner: Vec<(u64, &LockWait)> = Vec::new();
    for (_, lock) in &wait.locks {
        let known = by_owner.iter_mut().find(|(_, of)| owner(of) == owner(lock));
        match known {
            Some((sum, _)) => *sum += lock.waited_ns,
            None => by_owner.push((lock.waited_ns, lock)),
        }
    }
    let (waited_ns, lock) = by_owner.into_iter().max_by_key(|(ns, _)| *ns)?;
    if (waited_ns as f64) < looked_at as f64 * MIN_SHARE {
        return None;
    }
    if lock.kind == LockKind::Lock && is_handed_over(process, process.stack(lock.stack)) {
        // What it is made of does not matter.
        return None;
    }
    let lock_in_words = || match lock.kind {
        LockKind::Lock => "a threading.Lock, which keeps no owner".to_owned(),
        LockKind::Multiprocessing => {
            "a multiprocessing lock, which tells no other process its owner".to_owned()
        }
        LockKind::Rlock => "an RLock".to_owned(),
        LockKind::File => {
            let on = wait.file.as_deref().unwrap_or("a file");
            match &lock.holder {
                Some(FileLockHolder {
                    pid,
                    name: Some(name),
                }) => format!("a lock on {on} that {name} ({pid}) has"),
                Some(FileLockHolder { pid, name: None }) => {
                    format!("a lock on {on} that process {pid} took, which has ended")
                }
                None => format!("a lock on {on}"),
            }
        }
    };
    let what = owner_in_words(process, lock).unwrap_or_else(lock_in_words);
    Some(format!("waiting for {what}"))
}

/// The place that answers for a stack.
pub fn place_of(process: &Process, stack: StackId) -> Option<Blame> {
    let frame = process.own_frame(process.stack(stack))?;
    Blame::at(process, frame.function?, frame.line)
}

impl Subject<'_> {
    /// That its threads will wait for ever.
    pub(super) fn deadlocked(&self) -> Option<Because> {
        let is_one = |one: &Deadlocked| self.threads.iter().any(|(t, _)| t.tid == one.tid);
        let deadlocks = self.process.deadlocks();
        let circle = deadlocks.iter().find(|circle| circle.iter().any(is_one))?;
        let names: Vec<String> = circle
            .iter()
            .map(|one| self.process.thread_in_words(one.tid))
            .collect();
        let text = match names.as_slice() {
            [one, other] => format!("deadlock: {one} and {other} wait for each other's RLock"),
            [first, ..] => format!(
                "deadlock: {} threads, {first} first, wait for one another's RLocks in a circle",
                names.len()
            ),
            [] => return None,
        };
        Some(reason(
            text,
            "deadlocked_threads",
            circle.len() as f64,
            "count",
        ))
    }

    /// `thread 4712 (holder) owns the RLock`, if the waits of `total_ns` were for
    /// locks of one thread's that have not ended.
    pub(super) fn owned(&self, total_ns: u64) -> Option<Because> {
        let mut sums: BTreeMap<Tid, u64> = BTreeMap::new();
        for (thread, _) in self.threads {
            for wait in thread.lock_waits.iter().filter(|wait| wait.is_open) {
                if let Some(LockOwner { tid: Some(tid), .. }) = wait.owner {
                    *sums.entry(tid).or_default() += wait.waited_ns;
                }
            }
        }
        let (owner, ns) = sums.into_iter().max_by_key(|&(_, ns)| ns)?;
        let share = (ns as f64 / total_ns.max(1) as f64).min(1.0);
        (share >= MIN_SHARE).then(|| {
            let text = format!("{} owns the RLock", self.process.thread_in_words(owner));
            reason(text, "lock_owner_share", share, "ratio")
        })
    }
}
