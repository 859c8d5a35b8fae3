//! Python stacks: finding the thread state, walking the frames, sending each
//! distinct stack once.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use leakcpu_common::{
    config::{MAX_FRAMES, MAX_TSTATE_SEARCH},
    counters::Counter,
    event::{EventHeader, STACK_EVENT_HEAD_BYTES, StackEvent, kind},
    process::PyProcess,
    python::{
        FRAME_READ_BYTES, FRAME_WINDOW_WORDS, FrameSink, MemRead, find_tstate, first_frame,
        walk_frames,
    },
    stack::{EMPTY_STACK, RawFrame, finish, flags, mix, seed},
    thread::ThreadState,
};

use crate::{
    count,
    globals::FRAME_LIMIT,
    maps::{EVENTS, NO_WAKEUP, PROCESSES, SCRATCH, STACKS_SENT},
};

/// Reads the current task's user memory without faulting.
struct UserMemory {
    window: *mut [u64; FRAME_WINDOW_WORDS],
}

impl MemRead for UserMemory {
    #[inline(always)]
    fn read_u64(&self, addr: u64) -> Option<u64> {
        read_user_u64(addr)
    }

    #[inline(always)]
    fn read_frame(&mut self, addr: u64) -> Option<&[u64; FRAME_WINDOW_WORDS]> {
        // SAFETY: `window` points into this CPU's scratch, which holds
        // more than FRAME_READ_BYTES bytes; the helper faults safely.
        let ret = unsafe {
            bpf_probe_read_user(
                self.window.cast(),
                FRAME_READ_BYTES as u32,
                addr as *const _,
            )
        };
        if ret == 0 {
            // SAFETY: just filled; nothing else on this CPU uses the scratch now.
            Some(unsafe { &*self.window })
        } else {
            None
        }
    }
}

/// Reads a word of the current task's user memory.
#[inline(always)]
pub fn read_user_u64(addr: u64) -> Option<u64> {
    let mut value = 0_u64;
    // SAFETY: the helper writes 8 bytes or fails.
    let ret = unsafe { bpf_probe_read_user((&raw mut value).cast(), 8, addr as *const _) };
    (ret == 0).then_some(value)
}

/// Writes frames into the scratch event and folds them into the hash.
struct Recorder {
    event: *mut StackEvent,
    hash: u64,
}

impl FrameSink for Recorder {
    #[inline(always)]
    fn put(&mut self, index: usize, frame: RawFrame) {
        self.hash = mix(self.hash, frame);
        if index < MAX_FRAMES {
            // SAFETY: `event` is this CPU's scratch and `index` is in bounds.
            unsafe { (&raw mut (*self.event).frames[index]).write(frame) };
        }
    }
}

/// Finds the thread's `PyThreadState`: the cached one if it still names this
/// thread, else by a bounded walk of the thread list, not more often than the
/// back-off allows (native threads have none).
#[inline(always)]
fn tstate_of(
    mem: &UserMemory,
    thread: &mut ThreadState,
    process: &PyProcess,
    thread_id: u64,
    now_ns: u64,
) -> Result<u64, u32> {
    let layout = &process.layout;
    if thread.tstate != 0 {
        match mem.read_u64(
            thread
                .tstate
                .wrapping_add(u64::from(layout.tstate_thread_id)),
        ) {
            Some(id) if id == thread_id => return Ok(thread.tstate),
            Some(_) => thread.tstate = 0,
            None => {
                count::one(Counter::TstateReadFailed);
                return Err(flags::TSTATE_UNREADABLE);
            }
        }
    }
    if now_ns < thread.tstate_retry_ns {
        return Err(flags::NO_TSTATE);
    }
    if let Some(tstate) = find_tstate(mem, layout, process.runtime, thread_id, MAX_TSTATE_SEARCH) {
        thread.tstate = tstate;
        thread.tstate_misses = 0;
        return Ok(tstate);
    }
    let misses = thread.tstate_misses;
    // 1 ms, doubling to 1 s.
    let shift = if misses > 10 { 10 } else { misses };
    thread.tstate_retry_ns = now_ns + (1_000_000_u64 << shift);
    thread.tstate_misses = misses + 1;
    count::one(Counter::TstateNotFound);
    Err(flags::NO_TSTATE)
}

/// A captured stack.
pub struct Captured {
    /// The stack's hash, [`EMPTY_STACK`] for none.
    pub hash: u64,
    /// How the walk ended.
    pub flags: u32,
}

const NONE: Captured = Captured {
    hash: EMPTY_STACK,
    flags: flags::NOT_PYTHON,
};

/// Walks the current task's Python stack and sends it if it is new.
#[inline(always)]
pub fn capture(thread: &mut ThreadState, thread_id: u64, now_ns: u64) -> Captured {
    let pid = thread.pid;
    let Some(process) = PROCESSES.get_ptr(pid) else {
        return NONE;
    };
    // SAFETY: preallocated map values stay mapped; user space writes an entry
    // whole before any thread of the process runs with it.
    let process = unsafe { &*process };
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return NONE;
    };
    let mut mem = UserMemory {
        // SAFETY: field address of this CPU's scratch.
        window: unsafe { &raw mut (*scratch).window },
    };
    let tstate = match tstate_of(&mem, thread, process, thread_id, now_ns) {
        Ok(tstate) => tstate,
        Err(flags) => {
            return Captured {
                hash: EMPTY_STACK,
                flags,
            };
        }
    };
    let Some(frame) = first_frame(&mem, &process.layout, tstate) else {
        count::one(Counter::TstateReadFailed);
        return Captured {
            hash: EMPTY_STACK,
            flags: flags::TSTATE_UNREADABLE,
        };
    };
    // SAFETY: field address of this CPU's scratch.
    let event = unsafe { &raw mut (*scratch).event };
    let mut recorder = Recorder {
        event,
        hash: seed(pid),
    };
    let (frames, walk_flags) = walk_frames::<_, _, MAX_FRAMES>(
        &mut mem,
        &process.layout,
        frame,
        FRAME_LIMIT.load() as usize,
        &mut recorder,
    );
    count::one(Counter::StacksWalked);
    count::add(Counter::FramesWalked, frames as u64);
    if walk_flags & flags::TRUNCATED != 0 {
        count::one(Counter::StacksTruncated);
    }
    if walk_flags & flags::READ_FAILED != 0 {
        count::one(Counter::FrameReadFailed);
    }
    if frames == 0 {
        return Captured {
            hash: EMPTY_STACK,
            flags: walk_flags,
        };
    }
    let hash = finish(recorder.hash, walk_flags);
    if STACKS_SENT.get_ptr(hash).is_none() {
        // SAFETY: this CPU's scratch.
        unsafe {
            (*event).header = EventHeader {
                kind: kind::STACK,
                pid,
                tid: thread.tid,
                count: frames as u32,
                ktime_ns: now_ns,
            };
            (*event).hash = hash;
            (*event).flags = walk_flags;
            (*event).pad = 0;
        }
        send(event, hash, frames);
    }
    Captured {
        hash,
        flags: walk_flags,
    }
}

/// First sight of a stack: marks it sent and sends it, or counts why not.
#[inline(always)]
fn send(event: *const StackEvent, hash: u64, frames: usize) {
    if STACKS_SENT.insert(hash, 1, 0).is_err() {
        count::one(Counter::StackTableFull);
        return;
    }
    if frames > MAX_FRAMES {
        return;
    }
    let bytes = STACK_EVENT_HEAD_BYTES + frames * size_of::<RawFrame>();
    // SAFETY: `event` holds a whole `StackEvent`, of which `bytes` is a prefix.
    let data = unsafe { core::slice::from_raw_parts(event.cast::<u8>(), bytes) };
    if EVENTS.output::<[u8]>(data, NO_WAKEUP).is_err() {
        count::one(Counter::StackRingFull);
        let _ = STACKS_SENT.remove(hash);
    }
}
