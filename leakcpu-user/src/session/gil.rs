//! Waits for the GIL that were still open when the window ended: nobody had released it
//! yet. The interpreter itself records who has it.

use std::collections::BTreeMap;

use leakcpu_common::{
    stack::EMPTY_STACK,
    thread::{run_state, thread_flags},
};

use super::Session;
use crate::{
    collect::ThreadRecord,
    interpreter::{PythonProcess, RemoteError},
    model::WakeEvidence,
};

/// What a thread that holds the GIL did, for a waiter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    /// The holder.
    pub tid: u32,
    /// Hash of the stack where it was.
    pub stack: u64,
    /// What told that.
    pub evidence: WakeEvidence,
    /// How long the other waited for it.
    pub waited_ns: u64,
    /// The part of that in which it was not on a CPU.
    pub off_cpu_ns: u64,
}

impl Session {
    /// The thread states that hold the GIL of their process, by pid.
    pub(super) fn gil_holders(&self) -> BTreeMap<u32, u64> {
        let mut holders = BTreeMap::new();
        for (pid, watched) in &self.watched {
            if !self.suspects.concern(*pid) {
                continue;
            }
            let Some(process) = watched.python().filter(|p| p.gil_enabled) else {
                continue;
            };
            match holder(process) {
                Ok(tstate) => {
                    holders.extend(tstate.map(|tstate| (*pid, tstate)));
                }
                Err(error) => tracing::debug!(pid, %error, "GIL not readable"),
            }
        }
        holders
    }
}

/// The thread state that holds the GIL (`last_holder`, while `locked`; `ceval_gil.h`,
/// since 3.12 `pycore_gil.h`).
fn holder(process: &PythonProcess) -> Result<Option<u64>, RemoteError> {
    let layout = &process.layout.gil;
    let memory = process.memory();
    let gil = process
        .kernel
        .gil_start
        .wrapping_sub(u64::from(layout.cond));
    let locked = memory.read_u64(gil.wrapping_add(u64::from(layout.locked)))?;
    let holder = memory.read_u64(gil.wrapping_add(u64::from(layout.last_holder)))?;
    // An `int`.
    Ok((locked & u64::from(u32::MAX) == 1 && holder != 0).then_some(holder))
}

/// What the holder did for as long as `waiter` has waited for the GIL at the window's end.
pub(super) fn holding(waiter: &ThreadRecord, holder: &ThreadRecord) -> Option<Holding> {
    let (state, held) = (&waiter.state, &holder.state);
    let is_off = |record: &ThreadRecord| {
        matches!(
            record.run_state_at_end,
            run_state::BLOCKED | run_state::RUNNABLE
        )
    };
    if state.flags & thread_flags::IN_GIL_WAIT == 0 || !is_off(waiter) || held.tid == state.tid {
        return None;
    }
    let since_ns = state.wake.gil_since_ns.max(state.watched_since_ns);
    let waited_ns = state.ended_ns.saturating_sub(since_ns);
    let on_cpu_ns = held.on_cpu_ns.saturating_sub(held.wake.held_from_on_cpu_ns);
    let off_cpu_ns = waited_ns.saturating_sub(on_cpu_ns);
    let (stack, evidence) = if is_off(holder) && off_cpu_ns > waited_ns / 2 {
        (held.wait_stack, WakeEvidence::OffCpu)
    } else if held.wake.sample_ns >= since_ns {
        (held.wake.sample_stack, WakeEvidence::Sample)
    } else {
        (EMPTY_STACK, WakeEvidence::Release)
    };
    Some(Holding {
        tid: held.tid,
        stack,
        evidence,
        waited_ns,
        off_cpu_ns,
    })
}
