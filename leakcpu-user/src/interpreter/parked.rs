//! The stack of a thread that waits, read from outside.

use leakcpu_common::stack::{RawFrame, flags};

use super::{PythonProcess, stack::read_stack};
use crate::discovery::{DiscoveryError, SyscallState, ThreadFacts, syscall_state, thread_facts};

/// A waiter for the GIL wakes up every 5 ms and waits again: a read between two
/// wake-ups is almost sure to succeed within a few tries.
const ATTEMPTS: usize = 5;

/// The stack of a waiting thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedStack {
    /// Leaf first; placeholders have `code == 0`.
    pub frames: Vec<RawFrame>,
    /// Bits of [`leakcpu_common::stack::flags`].
    pub flags: u32,
    /// State letter: `S` or `D` as a rule.
    pub state: char,
    /// The system call it waits in.
    pub syscall: SyscallState,
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// The thread runs, or did something while its stack was being read.
    #[error("thread {tid} does not wait")]
    NotParked {
        /// The thread.
        tid: u32,
    },
    /// `/proc` could not be read; [`DiscoveryError::Gone`] if the thread ended.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
}

/// Reads the stack of thread `tid`, whose `PyThreadState` is at `tstate`. It is kept
/// only if the thread did not run in between: same state, same counts of context
/// switches, same system call before and after.
pub fn parked(
    process: &PythonProcess,
    tstate: u64,
    tid: u32,
    frame_limit: usize,
) -> Result<ParkedStack, ParkedError> {
    for _ in 0..ATTEMPTS {
        let before = Moment::of(process.pid, tid)?;
        if before.syscall == SyscallState::Running || matches!(before.thread.state, 'R' | 'Z' | 'X')
        {
            std::thread::yield_now();
            continue;
        }
        let (frames, flags) = read_stack(process, tstate, frame_limit);
        if Moment::of(process.pid, tid)? == before {
            return Ok(ParkedStack {
                frames,
                flags,
                state: before.thread.state,
                syscall: before.syscall,
            });
        }
    }
    Err(ParkedError::NotParked { tid })
}

/// The same of a thread that runs no Python: what it waits in, without a stack.
pub fn parked_native(pid: u32, tid: u32) -> Result<ParkedStack, ParkedError> {
    let moment = Moment::of(pid, tid)?;
    if moment.syscall == SyscallState::Running || matches!(moment.thread.state, 'R' | 'Z' | 'X') {
        return Err(ParkedError::NotParked { tid });
    }
    Ok(ParkedStack {
        frames: Vec::new(),
        flags: flags::NO_TSTATE,
        state: moment.thread.state,
        syscall: moment.syscall,
    })
}

/// What changes if a thread runs.
#[derive(PartialEq, Eq)]
pub(super) struct Moment {
    thread: ThreadFacts,
    pub(super) syscall: SyscallState,
}

impl Moment {
    pub(super) fn of(pid: u32, tid: u32) -> Result<Self, DiscoveryError> {
        Ok(Self {
            syscall: syscall_state(pid, tid)?,
            thread: thread_facts(pid, tid)?,
        })
    }
}
