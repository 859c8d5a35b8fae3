//! What a process waited for, by reason, other end and place in the code.

use std::collections::BTreeMap;

use super::{
    Awaits, Caused, Child, Frame, LockKind, LockWait, Process, Reason, StackId, StackTime,
    StackTimeKind, Tid, Waker, wakes,
};

/// The waits of one kind at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub reason: Reason,
    /// The other end of a network wait.
    pub peer: Option<String>,
    /// The file of a disk, pipe or terminal wait.
    pub file: Option<String>,
    /// The child of a wait for one.
    pub child: Option<Child>,
    /// Whether it was for work or for an answer, where that is known; then the time is
    /// estimated, but for a lock.
    pub awaits: Option<Awaits>,
    /// The place: the innermost frame of the user's own code, else the leaf.
    pub frame: Option<Frame>,
    /// How many waits.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
    /// Who ended those for a lock, and who held the GIL, most time first. What ended by
    /// itself or by another process has nobody.
    pub wakers: Vec<Waker>,
    /// The locks that were looked at while they were waited for, by the waiter; those that
    /// were waited for longest first.
    pub locks: Vec<(Tid, LockWait)>,
}

impl Process {
    /// The stacks of waits that `is_it` says are meant, with how many there were; those that were
    /// waited in longest come first.
    pub fn waited_in(&self, is_it: impl Fn(&StackTime) -> bool) -> Vec<(StackId, u64)> {
        let times = self.threads.iter().flat_map(|thread| &thread.stack_times);
        let mut sums: BTreeMap<StackId, (u64, u64)> = BTreeMap::new();
        for time in times.filter(|time| is_it(time)) {
            let (blocked_ns, count) = sums.entry(time.stack).or_default();
            *blocked_ns += time.blocked_ns;
            *count += time.count;
        }
        let mut stacks: Vec<_> = sums.into_iter().collect();
        stacks.sort_by_key(|(_, (blocked_ns, _))| std::cmp::Reverse(*blocked_ns));
        let stacks = stacks.into_iter();
        stacks.map(|(stack, (_, count))| (stack, count)).collect()
    }

    /// Its waits, longest total first.
    pub fn waits(&self) -> Vec<Wait> {
        let mut waits = BTreeMap::new();
        for thread in &self.threads {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                let StackTimeKind::Blocked {
                    reason,
                    peer,
                    file,
                    child,
                    ..
                } = &entry.kind
                else {
                    continue;
                };
                let frame = self.own_frame(self.stack(entry.stack));
                let place = frame.map(|f| (f.function, f.line));
                let wait = waits
                    .entry((*reason, peer, file, child, entry.awaits, place))
                    .or_insert_with(|| Wait {
                        reason: *reason,
                        peer: peer.clone(),
                        file: file.clone(),
                        child: child.clone(),
                        awaits: entry.awaits,
                        frame,
                        count: 0,
                        total_ns: 0,
                        max_ns: 0,
                        wakers: Vec::new(),
                        locks: Vec::new(),
                    });
                wait.count += entry.count;
                wait.total_ns += charge.blocked_ns;
                wait.max_ns = wait.max_ns.max(entry.max_blocked_ns);
            }
        }
        let mut caused: BTreeMap<_, Vec<Caused>> = BTreeMap::new();
        for entry in self.caused_waits() {
            let frame = self.own_frame(self.stack(entry.stack));
            let place = frame.map(|f| (f.function, f.line));
            caused.entry((entry.reason, place)).or_default().push(entry);
        }
        let mut locks: BTreeMap<_, Vec<(Tid, LockWait)>> = BTreeMap::new();
        for thread in &self.threads {
            for lock in &thread.lock_waits {
                let frame = self.own_frame(self.stack(lock.stack));
                let place = frame.map(|f| (f.function, f.line));
                let is_file = lock.kind == LockKind::File;
                let locks = locks.entry((is_file, place)).or_default();
                locks.push((thread.tid, lock.clone()));
            }
        }
        for ((reason, peer, file, child, _, place), wait) in &mut waits {
            if *reason == Reason::Lock
                && let Some(mut locks) = locks.remove(&(file.is_some(), *place))
            {
                locks.sort_by_key(|(_, lock)| std::cmp::Reverse(lock.waited_ns));
                wait.locks = locks;
            }
            if let (None, None, None) = (peer, file, child)
                && let Some(caused) = caused.get(&(*reason, *place))
            {
                wait.wakers = wakes::wakers(caused.iter());
            }
        }
        let mut waits: Vec<Wait> = waits.into_values().collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.total_ns));
        waits
    }
}
