//! Waits, and who ended them.

use serde::Serialize;

use super::lock::LockDto;
use crate::{
    classify::service_name,
    model::{Awaits, Process, Reason, Wait, Waker},
};

/// Wakers named of each wait.
const MAX_WAKERS: usize = 8;

#[derive(Clone, Debug, Serialize)]
pub(super) struct WaitDto {
    reason: Reason,
    peer: Option<String>,
    service: Option<&'static str>,
    file: Option<String>,
    child_pid: Option<u32>,
    child_name: Option<String>,
    awaits: Option<Awaits>,
    waker_tid: Option<u32>,
    function: Option<String>,
    line: Option<u32>,
    count: u64,
    total_ns: u64,
    max_ns: u64,
    waker_known_ns: Option<u64>,
    wakers: Vec<WakerDto>,
    locks: Vec<LockDto>,
}

#[derive(Clone, Debug, Serialize)]
struct WakerDto {
    tid: u32,
    name: Option<String>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    waited_ns: u64,
    off_cpu_ns: Option<u64>,
    is_estimated: bool,
}

impl WaitDto {
    pub(super) fn new(process: &Process, wait: &Wait) -> Self {
        let function = wait
            .frame
            .and_then(|frame| frame.function)
            .and_then(|id| process.function(id));
        let can_be_known = matches!(wait.reason, Reason::Gil | Reason::Lock | Reason::Futex);
        let known_ns = wait.wakers.iter().map(|waker| waker.waited_ns).sum();
        let wakers = wait.wakers.iter().take(MAX_WAKERS);
        Self {
            reason: wait.reason,
            peer: wait.peer.clone(),
            service: wait.peer.as_deref().and_then(service_name),
            file: wait.file.clone(),
            child_pid: wait.child.as_ref().and_then(|child| child.pid),
            child_name: wait.child.as_ref().and_then(|child| child.name.clone()),
            awaits: wait.awaits,
            waker_tid: wait.wakers.first().map(|waker| waker.tid.0),
            function: function.map(|f| f.name.clone()),
            line: wait.frame.and_then(|frame| frame.line),
            count: wait.count,
            total_ns: wait.total_ns,
            max_ns: wait.max_ns,
            waker_known_ns: can_be_known.then_some(known_ns),
            wakers: wakers
                .map(|waker| WakerDto::new(process, wait.reason, waker))
                .collect(),
            locks: LockDto::all(process, &wait.locks),
        }
    }
}

impl WakerDto {
    fn new(process: &Process, reason: Reason, waker: &Waker) -> Self {
        let thread = process.threads.iter().find(|t| t.tid == waker.tid);
        let function = waker
            .frame
            .and_then(|frame| frame.function)
            .and_then(|id| process.function(id));
        let is_gil = reason == Reason::Gil;
        Self {
            tid: waker.tid.0,
            name: thread.and_then(|thread| thread.name.clone()),
            function: function.map(|f| f.name.clone()),
            file: function.map(|f| f.file.clone()),
            line: waker.frame.and_then(|frame| frame.line),
            waited_ns: waker.waited_ns,
            off_cpu_ns: is_gil.then_some(waker.off_cpu_ns),
            is_estimated: is_gil,
        }
    }
}
