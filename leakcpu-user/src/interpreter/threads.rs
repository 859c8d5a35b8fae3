//! The thread states of an interpreter and the kernel's threads behind them.

use std::collections::{HashMap, HashSet};

use leakcpu_common::python::{leaf_frame, read_tstate};

use super::{PythonProcess, RemoteError, RemoteMemory, RemoteReader};
use crate::discovery::{self, DiscoveryError};

/// More interpreters than that are a corrupt list.
const MAX_INTERPRETERS: usize = 1024;
/// More thread states than that are a corrupt list.
const MAX_THREAD_STATES: usize = 100_000;
/// A list that changes while it is walked is walked again, this often at most.
const ATTEMPTS: usize = 5;
/// Leading bytes of a thread state that hold every field used here (the last is
/// `native_thread_id` at 184 in 3.15).
const TSTATE_BYTES: usize = 192;

/// glibc's `struct pthread` on x86-64 (`nptl/descr.h`): `header.self`.
const PTHREAD_SELF: u64 = 0x10;
/// glibc's `struct pthread`: `tid`; 720 since 2.4 (`_thread_db_pthread_tid` says so).
const PTHREAD_TID: u64 = 0x2d0;

/// One `PyThreadState`.
///
/// A kernel thread that runs code of another interpreter has a state in each; and up
/// to 3.12 a state that was made by one thread and run by another (as the private
/// module for subinterpreters does it) keeps the ids of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PyThread {
    /// Its address.
    pub tstate: u64,
    /// Address of the interpreter state it belongs to.
    pub interpreter: u64,
    /// It belongs to the main interpreter.
    pub is_main_interpreter: bool,
    /// `PyThreadState.thread_id`: `pthread_self()` of its thread.
    pub thread_id: u64,
    /// The kernel thread, in the initial pid namespace; `None` if there is none (a
    /// state left behind by a thread that ended, or made by foreign code).
    pub tid: Option<u32>,
}

/// Why thread states could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ThreadsError {
    /// Memory could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// `/proc` could not be read.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The lists kept changing or are corrupt.
    #[error("the thread list of process {pid} is inconsistent")]
    Inconsistent {
        /// The process.
        pid: u32,
    },
}

/// Lists the thread states of all interpreters of `process`, those of the main one
/// first, then those of the newest.
pub fn threads(process: &PythonProcess) -> Result<Vec<PyThread>, ThreadsError> {
    let pid = process.pid;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match walk_lists(process) {
            Ok(Some(states)) => return map_to_kernel(process, states),
            Ok(None) => {}
            Err(error @ (RemoteError::Gone { .. } | RemoteError::Denied { .. })) => {
                return Err(error.into());
            }
            // A node was freed under our eyes.
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(ThreadsError::Inconsistent { pid }, ThreadsError::Remote))
}

/// The state in which thread `tid` runs, of the `states` that [`threads`] yielded: the
/// newest interpreter's that has frames, for nested ones are entered that way; else the
/// main one's, else any.
pub fn running_state(process: &PythonProcess, states: &[PyThread], tid: u32) -> Option<PyThread> {
    let mut reader = RemoteReader::new(process.memory());
    let layout = &process.layout.walk;
    let of_thread = || {
        states
            .iter()
            .filter(|state| state.tid == Some(tid))
            .copied()
    };
    of_thread()
        .filter(|state| !state.is_main_interpreter)
        .find(|state| {
            read_tstate(&mut reader, layout, state.tstate)
                .and_then(|words| leaf_frame(&reader, layout, state.tstate, words))
                .is_some_and(|leaf| leaf.frame != 0)
        })
        .or_else(|| of_thread().next())
}

/// A thread state as read.
struct State {
    thread: PyThread,
    native_thread_id: Option<u64>,
}

/// One pass over the lists; `None` if they do not make sense at the moment.
fn walk_lists(process: &PythonProcess) -> Result<Option<Vec<State>>, RemoteError> {
    let memory = process.memory();
    let layout = &process.layout;
    let at = |base: u64, offset: u32| memory.read_u64(base.wrapping_add(u64::from(offset)));
    let main = at(process.kernel.runtime, layout.walk.runtime_main_interpreter)?;
    let mut states = Vec::new();
    let mut seen = HashSet::new();
    let mut interpreter = at(
        process.kernel.runtime,
        layout.walk.runtime_interpreters_head,
    )?;
    for _ in 0..MAX_INTERPRETERS {
        if interpreter == 0 {
            return Ok(Some(states));
        }
        if !seen.insert(interpreter) {
            return Ok(None);
        }
        let mut tstate = at(interpreter, layout.walk.interp_threads_head)?;
        while tstate != 0 {
            if states.len() >= MAX_THREAD_STATES || !seen.insert(tstate) {
                return Ok(None);
            }
            let mut bytes = [0; TSTATE_BYTES];
            memory.read(tstate, &mut bytes)?;
            let word = |offset: u16| {
                bytes
                    .get(usize::from(offset)..)
                    .and_then(<[u8]>::first_chunk)
                    .map_or(0, |b| u64::from_le_bytes(*b))
            };
            if word(layout.tstate_interp) != interpreter {
                // Freed, and perhaps something else already.
                return Ok(None);
            }
            let native = layout.walk.tstate_native_thread_id;
            states.push(State {
                thread: PyThread {
                    tstate,
                    interpreter,
                    is_main_interpreter: interpreter == main,
                    thread_id: word(layout.walk.tstate_thread_id),
                    tid: None,
                },
                native_thread_id: (native != 0).then(|| word(native)),
            });
            tstate = word(layout.walk.tstate_next);
        }
        interpreter = at(interpreter, layout.walk.interp_next)?;
    }
    Ok(None)
}

/// Finds the kernel thread of each state. Ids in the target's memory are those of its
/// own pid namespace.
fn map_to_kernel(
    process: &PythonProcess,
    states: Vec<State>,
) -> Result<Vec<PyThread>, ThreadsError> {
    let memory = process.memory();
    let by_ns_tid: HashMap<u64, u32> = discovery::threads(process.pid)?
        .into_iter()
        .map(|thread| (u64::from(thread.ids.ns_tid), thread.ids.tid))
        .collect();
    let mut threads: Vec<PyThread> = states
        .into_iter()
        .map(
            |State {
                 mut thread,
                 native_thread_id,
             }| {
                thread.tid = native_thread_id
                    .and_then(|native| by_ns_tid.get(&native))
                    .or_else(|| by_ns_tid.get(&pthread_tid(memory, thread.thread_id)?))
                    .copied();
                thread
            },
        )
        .collect();
    threads.sort_by_key(|thread| !thread.is_main_interpreter);
    Ok(threads)
}

/// The thread id that glibc keeps in the thread's descriptor, whose address is
/// `pthread_self()`; `None` if that is no such descriptor (another libc).
fn pthread_tid(memory: RemoteMemory, pthread: u64) -> Option<u64> {
    let is_descriptor = memory.read_u64(pthread.checked_add(PTHREAD_SELF)?) == Ok(pthread);
    is_descriptor
        .then(|| memory.read_u32(pthread + PTHREAD_TID).ok().map(u64::from))
        .flatten()
}
