//! The locks that threads waited for, and who had them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Pid, Process, StackId, Tid};

/// A kind of lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockKind {
    /// `threading.Lock`, and what conditions, events and queues are made of. Any thread may
    /// release it, so that it has no owner.
    Lock,
    /// `threading.RLock`, which only its owner can release.
    Rlock,
    /// A lock or semaphore of `multiprocessing`. Who has it is known to that process only.
    Multiprocessing,
    /// A lock on a file: `fcntl.flock`, `fcntl.lockf`.
    File,
}

impl LockKind {
    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "threading.Lock",
            Self::Rlock => "RLock",
            Self::Multiprocessing => "multiprocessing lock",
            Self::File => "file lock",
        }
    }
}

/// Who had a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// The thread; `None` if it has ended, and nobody can release the lock any more.
    pub tid: Option<Tid>,
    /// How often it had taken it.
    pub taken: u64,
    /// Where it was when the window ended, the empty stack if that is not known.
    pub stack: StackId,
}

/// A process that has a lock on a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLockHolder {
    /// The process that took it; a child of its may hold it by now.
    pub pid: Pid,
    /// The kernel's name for it; `None` if it has ended.
    pub name: Option<String>,
}

/// A wait for a lock that was looked at while it lasted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// Where it waited.
    pub stack: StackId,
    /// For what.
    pub kind: LockKind,
    /// Who had it at the last look; `None` if it keeps no owner, or nobody had it.
    pub owner: Option<LockOwner>,
    /// The process that had it, if it is a lock on a file and that is known.
    pub holder: Option<FileLockHolder>,
    /// How long it had lasted by then.
    pub waited_ns: u64,
    /// It had not ended when the window did.
    pub is_open: bool,
    /// It ends by itself.
    pub has_timeout: bool,
}

/// A thread of a deadlock: it waits for a lock that the next one owns, the last one's is the
/// first one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlocked {
    /// The thread.
    pub tid: Tid,
    /// Its wait.
    pub wait: LockWait,
}

impl Process {
    /// Threads that wait for one another's locks and will do so for ever, the one with the
    /// lowest id of each circle first. Whoever is in such a circle at the window's end has
    /// been so since the last of its waits began: each of them has kept its owner from
    /// releasing anything.
    pub fn deadlocks(&self) -> Vec<Vec<Deadlocked>> {
        let waits = self.threads.iter().filter_map(|thread| {
            let wait = thread.lock_waits.iter().find(|wait| wait.is_open)?;
            (!wait.has_timeout).then_some((thread.tid, wait))
        });
        let waits: BTreeMap<Tid, &LockWait> = waits.collect();
        let next = |tid: Tid| waits.get(&tid)?.owner?.tid;
        let mut known = BTreeSet::new();
        let mut deadlocks = Vec::new();
        for &start in waits.keys() {
            // Each thread waits for one lock, so that there is one way.
            let mut way = Vec::new();
            let mut at = Some(start);
            while let Some(tid) = at
                && known.insert(tid)
            {
                way.push(tid);
                at = next(tid);
            }
            let begins = at.and_then(|tid| way.iter().position(|known| *known == tid));
            if let Some(begins) = begins {
                let mut circle: Vec<Tid> = way.split_off(begins);
                let lowest = (0..circle.len()).min_by_key(|i| circle[*i]).unwrap_or(0);
                circle.rotate_left(lowest);
                let member = |tid: Tid| {
                    let wait = (*waits.get(&tid)?).clone();
                    Some(Deadlocked { tid, wait })
                };
                deadlocks.push(circle.into_iter().filter_map(member).collect());
            }
        }
        deadlocks
    }

    /// `thread 4712 (fetcher)`. Without the name where that is the process' own, as threads
    /// have it that were not given one (all of Python's before 3.14).
    pub fn thread_in_words(&self, tid: Tid) -> String {
        if tid.0 == self.pid.0 {
            return "the main thread".to_owned();
        }
        let name = |tid: u32| {
            let thread = self.threads.iter().find(|thread| thread.tid.0 == tid)?;
            thread.name.as_deref()
        };
        match name(tid.0) {
            Some(own) if name(self.pid.0) != Some(own) => format!("thread {tid} ({own})"),
            _ => format!("thread {tid}"),
        }
    }
}
