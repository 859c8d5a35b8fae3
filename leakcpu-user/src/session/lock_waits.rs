//! From looks at locks to the model's waits for them.

use leakcpu_common::thread::run_state;

use super::{
    locks::{Found, LockLooks, WaitId},
    watched::Watched,
};
use crate::{
    collect::ThreadRecord,
    interpreter,
    model::{LockKind, LockOwner, LockWait, StackId, Tid},
};

impl LockLooks {
    /// The waits of a thread that were looked at; `records` are those of its process.
    pub(super) fn waits(
        &self,
        watched: &Watched,
        record: &ThreadRecord,
        records: &[ThreadRecord],
        start_ns: u64,
    ) -> Vec<LockWait> {
        let tid = record.state.tid;
        let past = self.past.get(&(tid, record.generation()));
        let last = self.last.get(&tid);
        past.into_iter()
            .flatten()
            .chain(last)
            .filter(|look| look.wait.generation == record.generation())
            .filter_map(|look| {
                let is_open = is_off(record) && look.wait == WaitId::of(record);
                if is_open && look.seen_ns != self.end_ns {
                    // One too many for the last look: the owner may be another by now.
                    return None;
                }
                let until_ns = if is_open {
                    record.state.ended_ns
                } else {
                    look.seen_ns
                };
                let wait = LockWait {
                    stack: stack(watched, tid, look.wait).unwrap_or(StackId(0)),
                    kind: LockKind::File,
                    owner: None,
                    holder: None,
                    waited_ns: until_ns.saturating_sub(look.since_ns.max(start_ns)),
                    is_open,
                    has_timeout: false,
                };
                let place = |tid| {
                    let owner = records.iter().find(|other| other.state.tid == tid)?;
                    place(watched, owner).filter(|_| is_open)
                };
                match &look.found {
                    Found::Lock { lock, owner } => Some(LockWait {
                        kind: kind(lock.kind),
                        owner: lock.owner.map(|of| LockOwner {
                            tid: owner.map(Tid),
                            taken: of.taken,
                            stack: owner.and_then(place).unwrap_or(StackId(0)),
                        }),
                        has_timeout: lock.has_timeout,
                        ..wait
                    }),
                    Found::FileLock(holder) => Some(LockWait {
                        holder: holder.clone(),
                        ..wait
                    }),
                    Found::Nothing(_) => None,
                }
            })
            .collect()
    }
}

const fn kind(kind: interpreter::LockKind) -> LockKind {
    match kind {
        interpreter::LockKind::Lock => LockKind::Lock,
        interpreter::LockKind::RLock => LockKind::Rlock,
        interpreter::LockKind::SemLock => LockKind::Multiprocessing,
    }
}

/// Whether a thread was off the CPU when the window ended, and not since it was woken.
const fn is_off(record: &ThreadRecord) -> bool {
    matches!(
        record.run_state_at_end,
        run_state::BLOCKED | run_state::UNKNOWN
    )
}

/// Where a thread was when the window ended, if it was off the CPU.
fn place(watched: &Watched, record: &ThreadRecord) -> Option<StackId> {
    match record.run_state_at_end {
        run_state::BLOCKED | run_state::RUNNABLE | run_state::UNKNOWN => {
            stack(watched, record.state.tid, WaitId::of(record))
        }
        _ => None,
    }
}

fn stack(watched: &Watched, tid: u32, wait: WaitId) -> Option<StackId> {
    if wait.off_since_ns != 0 {
        return watched.stacks.by_hash(wait.stack);
    }
    let parked = watched.threads.get(&tid)?.parked.as_ref()?;
    Some(watched.stacks.parked(&parked.stack))
}
