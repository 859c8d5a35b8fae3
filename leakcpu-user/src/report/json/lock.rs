//! Locks that were waited for, their owners, and deadlocks.

use serde::Serialize;

use crate::model::{
    Deadlocked, FileLockHolder, LockKind, LockOwner, LockWait, Process, StackId, Tid,
};

/// Locks named of each wait.
const MAX_LOCKS: usize = 8;

#[derive(Clone, Debug, Serialize)]
pub(super) struct LockDto {
    kind: LockKind,
    waiter_tid: u32,
    owner: Option<OwnerDto>,
    holder: Option<FileLockHolder>,
    waited_ns: u64,
    is_open: bool,
    has_timeout: bool,
}

#[derive(Clone, Debug, Serialize)]
struct OwnerDto {
    tid: Option<u32>,
    name: Option<String>,
    taken: u64,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DeadlockDto {
    threads: Vec<DeadlockedDto>,
}

#[derive(Clone, Debug, Serialize)]
struct DeadlockedDto {
    tid: u32,
    name: Option<String>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    owner_tid: Option<u32>,
    waited_ns: u64,
}

impl LockDto {
    /// Those that were waited for longest.
    pub(super) fn all(process: &Process, locks: &[(Tid, LockWait)]) -> Vec<Self> {
        let locks = locks.iter().take(MAX_LOCKS);
        locks
            .map(|(waiter, wait)| Self {
                kind: wait.kind,
                waiter_tid: waiter.0,
                owner: wait.owner.map(|owner| OwnerDto::new(process, owner)),
                holder: wait.holder.clone(),
                waited_ns: wait.waited_ns,
                is_open: wait.is_open,
                has_timeout: wait.has_timeout,
            })
            .collect()
    }
}

impl OwnerDto {
    fn new(process: &Process, owner: LockOwner) -> Self {
        let (function, file, line) = place(process, owner.stack);
        Self {
            tid: owner.tid.map(|tid| tid.0),
            name: owner.tid.and_then(|tid| name(process, tid)),
            taken: owner.taken,
            function,
            file,
            line,
        }
    }
}

impl DeadlockDto {
    pub(super) fn all(process: &Process) -> Vec<Self> {
        let deadlocks = process.deadlocks().into_iter();
        deadlocks
            .map(|circle| Self {
                threads: circle
                    .iter()
                    .map(|one| DeadlockedDto::new(process, one))
                    .collect(),
            })
            .collect()
    }
}

impl DeadlockedDto {
    fn new(process: &Process, one: &Deadlocked) -> Self {
        let (function, file, line) = place(process, one.wait.stack);
        let owner = one.wait.owner.and_then(|owner| owner.tid);
        Self {
            tid: one.tid.0,
            name: name(process, one.tid),
            function,
            file,
            line,
            owner_tid: owner.map(|tid| tid.0),
            waited_ns: one.wait.waited_ns,
        }
    }
}

fn name(process: &Process, tid: Tid) -> Option<String> {
    let thread = process.threads.iter().find(|thread| thread.tid == tid)?;
    thread.name.clone()
}

/// Function, file and line that answer for a stack.
fn place(process: &Process, stack: StackId) -> (Option<String>, Option<String>, Option<u32>) {
    let frame = process.own_frame(process.stack(stack));
    let function = frame.and_then(|frame| process.function(frame.function?));
    (
        function.map(|function| function.name.clone()),
        function.map(|function| function.file.clone()),
        frame.and_then(|frame| frame.line),
    )
}
