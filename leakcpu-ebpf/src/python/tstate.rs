//! Which `PyThreadState` a thread runs in.

use core::cell::Cell;

use leakcpu_common::{
    config::{ALONE_NS, MAX_SUBINTERPRETER_SEARCH, MAX_TSTATE_SEARCH},
    counters::Counter,
    process::PyProcess,
    python::{Leaf, MemRead as _, find_tstate, leaf_frame, read_tstate},
    stack::flags,
    thread::ThreadState,
};

use super::{memory::UserMemory, walker::scratch};
use crate::{
    count,
    maps::{PROCESSES, THREADS},
};

steps! {
    fn tstate_in_main_interpreter, probe_tstate_in_main_interpreter(tid: u32, thread_id: u64, now_ns: u64) -> u64 = in_main_interpreter;
    fn tstate_in_subinterpreter, probe_tstate_in_subinterpreter(tid: u32, thread_id: u64, newest: u64) -> u64 = in_subinterpreter;
}

/// A thread state and where its frames begin.
pub struct Found {
    pub tstate: u64,
    pub leaf: Leaf,
}

/// Finds the thread state whose frames thread `tid` runs, the one in the main interpreter
/// being `tstate` if it is known; an error is of [`flags`].
///
/// While a thread runs code of another interpreter, it has a thread state in each, with
/// the same `thread_id`, and the frames of the main one are those it left behind. Where
/// there was no other interpreter, that is taken to stay so until `alone_until_ns`.
#[inline(always)]
pub fn current<const WALKER: u32>(
    mem: &mut UserMemory,
    alone_until_ns: &Cell<u64>,
    (tid, mut tstate): (u32, u64),
    process: &PyProcess,
    thread_id: u64,
    now_ns: u64,
) -> Result<Found, u32> {
    let layout = &process.layout;
    let mut interpreter = 0;
    let head = process
        .runtime
        .wrapping_add(u64::from(layout.runtime_interpreters_head));
    if now_ns >= alone_until_ns.get()
        && let Some(newest) = mem.read_u64(head)
    {
        if newest == process.main_interpreter {
            alone_until_ns.set(now_ns + ALONE_NS);
        } else {
            let other = tstate_in_subinterpreter::<WALKER>(tid, thread_id, newest);
            if other != 0 {
                tstate = other;
                interpreter = flags::SUBINTERPRETER;
            }
        }
    }
    if tstate == 0 {
        tstate = tstate_in_main_interpreter::<WALKER>(tid, thread_id, now_ns);
    }
    if tstate == 0 {
        return Err(flags::NO_TSTATE);
    }
    let mut words = read_tstate(mem, layout, tstate);
    if let Some(found) = words
        && found.thread_id != thread_id
    {
        tstate = tstate_in_main_interpreter::<WALKER>(tid, thread_id, now_ns);
        if tstate == 0 {
            return Err(flags::NO_TSTATE);
        }
        words = read_tstate(mem, layout, tstate);
    }
    let leaf = words.and_then(|words| leaf_frame(mem, layout, tstate, words));
    let Some(mut leaf) = leaf else {
        count::one(Counter::TstateReadFailed);
        return Err(flags::TSTATE_UNREADABLE);
    };
    leaf.flags |= u64::from(interpreter);
    Ok(Found { tstate, leaf })
}

/// The current thread's entry, its process' and what to read memory with.
#[inline(always)]
fn entries<const WALKER: u32>(
    tid: u32,
) -> Option<(&'static mut ThreadState, &'static PyProcess, UserMemory)> {
    let thread = THREADS.get_ptr_mut(tid)?;
    // SAFETY: the current thread's entry, as the caller has it; preallocated map values
    // stay mapped.
    let thread = unsafe { &mut *thread };
    let process = PROCESSES.get_ptr(thread.pid)?;
    let scratch = scratch::<WALKER>()?;
    // SAFETY: preallocated map values stay mapped.
    Some((thread, unsafe { &*process }, UserMemory::new(scratch)))
}

/// Searches the main interpreter's thread list, not more often than the back-off
/// allows (native threads have no state); 0 if there is none.
#[inline(always)]
fn in_main_interpreter<const WALKER: u32>(tid: u32, thread_id: u64, now_ns: u64) -> u64 {
    let Some((thread, process, mem)) = entries::<WALKER>(tid) else {
        return 0;
    };
    thread.tstate = 0;
    if now_ns < thread.tstate_retry_ns {
        return 0;
    }
    let found = find_tstate(
        &mem,
        &process.layout,
        process.main_interpreter,
        thread_id,
        MAX_TSTATE_SEARCH,
    );
    if let Some(tstate) = found {
        thread.tstate = tstate;
        thread.tstate_misses = 0;
        return tstate;
    }
    let misses = thread.tstate_misses;
    // 16 us, doubling to 1 s: a thread is seen for the first time a moment before it has
    // bound its state, and may live for a millisecond only.
    let shift = if misses > 16 { 16 } else { misses };
    thread.tstate_retry_ns = now_ns + (16_000_u64 << shift);
    thread.tstate_misses = misses + 1;
    count::one(Counter::TstateNotFound);
    0
}

/// Searches the interpreters from `newest` on, the main one left out, for a state of
/// this thread that has frames: newest first, as nested ones are entered. 0 if there is
/// none.
#[inline(always)]
fn in_subinterpreter<const WALKER: u32>(tid: u32, thread_id: u64, newest: u64) -> u64 {
    let Some((thread, process, mut mem)) = entries::<WALKER>(tid) else {
        return 0;
    };
    let mut tstate = thread.sub_tstate;
    thread.sub_tstate = 0;
    let layout = &process.layout;
    let mut interpreter = newest;
    // One more for the state that is known already.
    for _ in 0..=MAX_SUBINTERPRETER_SEARCH {
        if tstate == 0 {
            if interpreter == 0 {
                return 0;
            }
            let is_main = interpreter == process.main_interpreter;
            let list = interpreter.wrapping_add(u64::from(layout.interp_threads_head));
            let next = interpreter.wrapping_add(u64::from(layout.interp_next));
            if !is_main {
                tstate = mem.read_u64(list).unwrap_or(0);
            }
            interpreter = mem.read_u64(next).unwrap_or(0);
            continue;
        }
        if has_frames(&mut mem, process, tstate, thread_id) {
            thread.sub_tstate = tstate;
            return tstate;
        }
        let next = tstate.wrapping_add(u64::from(layout.tstate_next));
        tstate = mem.read_u64(next).unwrap_or(0);
    }
    0
}

/// Whether the thread state at `tstate` is this thread's and has frames.
#[inline(always)]
fn has_frames(mem: &mut UserMemory, process: &PyProcess, tstate: u64, thread_id: u64) -> bool {
    let layout = &process.layout;
    let Some(words) = read_tstate(mem, layout, tstate) else {
        return false;
    };
    words.thread_id == thread_id
        && leaf_frame(mem, layout, tstate, words).is_some_and(|leaf| leaf.frame != 0)
}
