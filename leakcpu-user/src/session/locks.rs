//! The locks that threads wait for, looked at while they do.
//!
//! A wait for a lock that ends has a waker. One that does not has nobody to name but the
//! lock's owner, where it keeps one, or of a file the process that has it. A look is good for
//! the wait that the kernel side had noted before it, if that is still the thread's wait when
//! the window has ended (`lock_waits`).

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::{
    thread::{ThreadState, run_state},
    totals::{Wait, wait_flags},
};

use super::{Session, SessionError, watched::Watched};
use crate::{
    collect::{ThreadRecord, monotonic_ns},
    discovery,
    interpreter::{self, AwaitedLock, AwaitedLockError, PyThread, PythonProcess},
    model::{FileLockHolder, Pid, UserLoss},
    probes::syscall_name,
};

/// Waits are looked at while they last from this length on; those that are open at the
/// window's end, all.
const LONG_NS: u64 = 1_000_000_000;
/// Waits looked at at once: a look takes some 200 us.
const LOOKS_AT_ONCE: usize = 16;
/// Waits looked at at the window's end.
const LOOKS_AT_END: usize = 256;
/// Different waits of a thread that have ended and are kept.
const KEPT: usize = 16;

/// What looks found.
#[derive(Debug, Default)]
pub(super) struct LockLooks {
    /// Of each thread, the last wait that was looked at.
    pub last: HashMap<u32, Look>,
    /// Those before it whose lock had an owner.
    pub past: HashMap<(u32, u32), Vec<Look>>,
    /// When the waits were looked at that were open at the end.
    pub end_ns: u64,
}

/// A wait that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub wait: WaitId,
    /// When it began, or watching did.
    pub since_ns: u64,
    /// When it was looked at last.
    pub seen_ns: u64,
    pub found: Found,
}

/// Which wait of which thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitId {
    pub generation: u32,
    /// When it began; 0 if watching found it.
    pub off_since_ns: u64,
    /// The kernel side's hash of where.
    pub stack: u64,
}

impl WaitId {
    pub(super) fn of(record: &ThreadRecord) -> Self {
        Self {
            generation: record.generation(),
            off_since_ns: record.state.off_since_ns,
            stack: record.state.wait_stack,
        }
    }
}

/// What a look found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Lock {
        lock: AwaitedLock,
        /// Its owner, `None` if that has ended.
        owner: Option<u32>,
    },
    FileLock(Option<FileLockHolder>),
    Nothing(Option<UserLoss>),
}

/// A thread that waits for a lock.
#[derive(Debug)]
pub(super) struct LockWaiter {
    pid: u32,
    tid: u32,
    wait: WaitId,
    since_ns: u64,
    /// The descriptor, if it is a lock on a file.
    fd: Option<i32>,
}

impl Session {
    /// Looks at the locks of all open waits: the window ends.
    pub(super) fn look_at_all_locks(&mut self) -> Result<(), SessionError> {
        let now_ns = monotonic_ns();
        let mut waiters = Vec::new();
        for entry in &self.probes.maps()?.threads {
            let Ok((_, state)) = entry else { continue };
            waiters.extend(lock_waiter(&self.watched, &state, now_ns));
        }
        let left_out = self.look_at_locks(waiters, now_ns, LOOKS_AT_END);
        self.lock_looks.end_ns = now_ns;
        if left_out > 0 {
            self.lose(UserLoss::LockWaitsNotLookedAt, left_out);
        }
        for look in self.lock_looks.last.values() {
            if let Found::Nothing(Some(lost)) = look.found
                && look.seen_ns == now_ns
            {
                *self.user_loss.entry(lost.into()).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Looks at the locks that threads have waited for for long.
    pub(super) fn look_at_long_locks(&mut self, mut waiters: Vec<LockWaiter>, now_ns: u64) {
        waiters.retain(|waiter| now_ns.saturating_sub(waiter.since_ns) >= LONG_NS);
        // Those left out have their turn at the next look, or at the end.
        self.look_at_locks(waiters, now_ns, LOOKS_AT_ONCE);
    }

    /// Looks at so many at most that are not known yet; returns how many more there are.
    fn look_at_locks(&mut self, mut waiters: Vec<LockWaiter>, now_ns: u64, mut left: usize) -> u64 {
        // Those that last longest first.
        waiters.sort_by_key(|waiter| waiter.since_ns);
        let mut threads: HashMap<u32, Vec<PyThread>> = HashMap::new();
        let mut left_out = 0;
        for waiter in waiters {
            let Some(process) = self.watched.get(&waiter.pid).and_then(Watched::python) else {
                continue;
            };
            let known = self.lock_looks.known(&waiter);
            if known.is_none() && left == 0 {
                left_out += 1;
                continue;
            }
            let found = known.unwrap_or_else(|| {
                left -= 1;
                match waiter.fd {
                    Some(fd) => look_at_file(waiter.pid, fd),
                    None => look(process, waiter.tid, &mut threads),
                }
            });
            let look = Look {
                wait: waiter.wait,
                since_ns: waiter.since_ns,
                seen_ns: now_ns,
                found,
            };
            self.lock_looks.add(waiter.tid, look);
        }
        left_out
    }
}

/// A thread that waits for a lock, if it does.
pub(super) fn lock_waiter(
    all: &BTreeMap<u32, Watched>,
    state: &ThreadState,
    now_ns: u64,
) -> Option<LockWaiter> {
    let wait = open_wait(all.get(&state.pid)?, state)?;
    let fd = file_lock(wait);
    (fd.is_some() || is_for_lock(wait)).then(|| LockWaiter {
        pid: state.pid,
        tid: state.tid,
        wait: WaitId::of(&ThreadRecord::close(*state, now_ns)),
        since_ns: state.state_since_ns.max(state.watched_since_ns),
        fd,
    })
}

/// What a thread waits for, if it does.
fn open_wait(watched: &Watched, state: &ThreadState) -> Option<Wait> {
    match state.run_state {
        run_state::BLOCKED => Some(state.wait),
        // It has done nothing since watching found it.
        run_state::UNKNOWN => {
            let parked = watched.threads.get(&state.tid)?.parked.as_ref()?;
            Some(parked.wait)
        }
        _ => None,
    }
}

/// Whether it waits at a futex of Python's that is not the GIL's.
fn is_for_lock(wait: Wait) -> bool {
    const OTHERS: u8 = wait_flags::GIL | wait_flags::NATIVE_THREAD | wait_flags::STOPPED;
    wait.flags & OTHERS == 0 && syscall_name(i32::from(wait.syscall)) == Some("futex")
}

/// The descriptor of a wait for a lock on a file.
fn file_lock(wait: Wait) -> Option<i32> {
    const NEEDED: u8 = wait_flags::HAS_FD;
    let is_it = matches!(
        syscall_name(i32::from(wait.syscall)),
        Some("flock" | "fcntl")
    );
    let has_fd = wait.flags & (NEEDED | wait_flags::STOPPED) == NEEDED;
    (is_it && has_fd).then_some(wait.fd)
}

fn look(process: &PythonProcess, tid: u32, threads: &mut HashMap<u32, Vec<PyThread>>) -> Found {
    let lock = match interpreter::awaited_lock(process, tid) {
        Ok(lock) => lock,
        Err(error) => {
            tracing::debug!(pid = process.pid, tid, %error, "lock not found");
            return Found::Nothing(match error {
                AwaitedLockError::NotFound { .. } | AwaitedLockError::Remote(_) => {
                    Some(UserLoss::LockObjectsNotFound)
                }
                AwaitedLockError::Unsettled { .. } => Some(UserLoss::LockOwnersUnsettled),
                AwaitedLockError::Unlike { .. } => Some(UserLoss::LockObjectsUnlike),
                AwaitedLockError::NotWaiting { .. }
                | AwaitedLockError::NoLock { .. }
                | AwaitedLockError::Discovery(_) => None,
            });
        }
    };
    let Some(owner) = lock.owner else {
        return Found::Lock { lock, owner: None };
    };
    let is_known = threads.get(&process.pid).is_some_and(|threads| {
        let mut threads = threads.iter();
        threads.any(|thread| thread.thread_id == owner.thread_id)
    });
    if !is_known {
        // Begun since they were listed, or ended.
        match interpreter::threads(process) {
            Ok(listed) => threads.insert(process.pid, listed),
            Err(error) => {
                tracing::debug!(pid = process.pid, %error, "owner not found");
                return Found::Nothing(Some(UserLoss::LockOwnersUnsettled));
            }
        };
    }
    let mut listed = threads.get(&process.pid).into_iter().flatten();
    let thread = listed.find(|thread| thread.thread_id == owner.thread_id);
    Found::Lock {
        lock,
        owner: thread.and_then(|thread| thread.tid),
    }
}

fn look_at_file(pid: u32, fd: i32) -> Found {
    match discovery::file_lock_holder(pid, fd) {
        Ok(holder) => Found::FileLock(holder.map(|holder| FileLockHolder {
            pid: Pid(holder.pid),
            name: holder.name,
        })),
        Err(error) => {
            tracing::debug!(pid, fd, %error, "holder of a file's lock not found");
            Found::FileLock(None)
        }
    }
}

impl LockLooks {
    /// What was found of a wait, if that cannot have changed since: an owner can.
    fn known(&self, waiter: &LockWaiter) -> Option<Found> {
        let look = self.last.get(&waiter.tid)?;
        let is_settled = match look.found {
            Found::Lock { lock, .. } => lock.kind != interpreter::LockKind::RLock,
            Found::FileLock(_) => false,
            Found::Nothing(lost) => lost != Some(UserLoss::LockOwnersUnsettled),
        };
        (look.wait == waiter.wait && is_settled).then(|| look.found.clone())
    }

    fn add(&mut self, tid: u32, look: Look) {
        let wait = look.wait;
        let Some(before) = self.last.insert(tid, look) else {
            return;
        };
        let is_worth_it = match &before.found {
            Found::Lock { lock, .. } => lock.owner.is_some(),
            Found::FileLock(holder) => holder.is_some(),
            Found::Nothing(_) => false,
        };
        if before.wait != wait && is_worth_it {
            let past = self.past.entry((tid, before.wait.generation)).or_default();
            if past.len() < KEPT {
                past.push(before);
            }
        }
    }
}
