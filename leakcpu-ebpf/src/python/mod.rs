//! Python stacks: finding the thread state, walking the frames, sending each
//! distinct stack once.

mod first_sight;
mod memory;
mod tstate;

use leakcpu_common::{
    config::MAX_FRAMES,
    counters::Counter,
    event::StackEvent,
    process::{PyProcess, changeable_slot},
    python::{FrameSink, root_frame, walk_frames},
    stack::{EMPTY_STACK, RawFrame, finish, flags, mix, seed},
    thread::ThreadState,
};

use self::memory::UserMemory;
use crate::{
    count,
    maps::{PROCESSES, SCRATCH, STACKS_SENT, Scratch},
};

pub use memory::read_user_u64;

/// Writes frames into the scratch event and folds them into the hash.
struct Recorder {
    event: *mut StackEvent,
    process: *const PyProcess,
    hash: u64,
    /// Not 0 once a code object was among the frames that may have been replaced.
    may_change: u64,
}

impl FrameSink for Recorder {
    #[inline(always)]
    fn put(&mut self, index: usize, frame: RawFrame) {
        self.hash = mix(self.hash, frame);
        // SAFETY: a map value that stays mapped; the slot is below the table's size.
        // (Indexing would leave a panic.)
        self.may_change |= u64::from(unsafe {
            (&raw const (*self.process).changeable)
                .cast::<u8>()
                .add(changeable_slot(frame.address()))
                .read()
        });
        if index <= MAX_FRAMES {
            // SAFETY: `event` is this CPU's scratch and `index` is in bounds.
            unsafe {
                (&raw mut (*self.event).frames)
                    .cast::<RawFrame>()
                    .add(index)
                    .write(frame);
            };
        }
    }
}

/// A captured stack.
pub struct Captured {
    /// The stack's hash, [`EMPTY_STACK`] for none.
    pub hash: u64,
    /// How the walk ended.
    pub flags: u32,
}

impl Captured {
    #[inline(always)]
    pub const fn none(flags: u32) -> Self {
        Self {
            hash: EMPTY_STACK,
            flags,
        }
    }
}

/// How much of a stack is looked at.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Frames walked.
    pub frames: usize,
    /// Code objects looked at if the stack is new, leaf first.
    pub looks: usize,
    /// When no further code object is looked at or copied.
    pub until_ns: u64,
}

/// Walks the current task's Python stack and sends it if it is new.
#[inline(always)]
pub fn capture(thread: &ThreadState, thread_id: u64, now_ns: u64, limits: Limits) -> Captured {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return Captured::none(flags::NOT_PYTHON);
    };
    // SAFETY: this CPU's scratch.
    unsafe {
        (&raw mut (*scratch).pid).write(thread.pid);
        (&raw mut (*scratch).tid).write(thread.tid);
        (&raw mut (*scratch).tstate).write(thread.tstate);
        (&raw mut (*scratch).looks).write(limits.looks as u64);
        (&raw mut (*scratch).until_ns).write(limits.until_ns);
        (&raw mut (*scratch).known_hash).write(thread.wait_stack);
    }
    let hash = capture_stack(thread_id, now_ns, limits.frames as u64);
    // SAFETY: as above.
    let flags = unsafe { (&raw const (*scratch).flags).read_volatile() };
    Captured { hash, flags }
}

/// [`capture`] of the thread that the scratch names; leaves the flags there.
///
/// Exported, so that it is a global function: the verifier goes through it once, knowing
/// nothing of its arguments, and not once for each way that leads here.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn capture_stack(thread_id: u64, now_ns: u64, limit: u64) -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return EMPTY_STACK;
    };
    // SAFETY: this CPU's scratch.
    let scratch = unsafe { &mut *scratch };
    scratch.flags = match PROCESSES.get_ptr(scratch.pid) {
        Some(process) => walk(scratch, process, thread_id, now_ns, limit),
        None => flags::NOT_PYTHON,
    };
    if scratch.flags != 0 {
        return EMPTY_STACK;
    }
    conclude()
}

/// Walks the frames into the scratch; 0, or why there is no walk, of [`flags`].
#[inline(always)]
fn walk(
    scratch: &mut Scratch,
    process: *const PyProcess,
    thread_id: u64,
    now_ns: u64,
    limit: u64,
) -> u32 {
    let mut mem = UserMemory::new(scratch);
    // SAFETY: preallocated map values stay mapped; user space writes an entry whole
    // before any thread of the process runs with it.
    let known = unsafe { &*process };
    let thread = (scratch.tid, scratch.tstate);
    let found = match tstate::current(&mut mem, thread, known, thread_id, now_ns) {
        Ok(found) => found,
        Err(flags) => return flags,
    };
    let mut recorder = Recorder {
        event: &raw mut scratch.event,
        process,
        hash: seed(scratch.pid),
        may_change: 0,
    };
    scratch.walk_end = walk_frames::<_, _, MAX_FRAMES>(
        &mut mem,
        &known.layout,
        found.leaf,
        limit as usize,
        &mut recorder,
    );
    scratch.root_is_entry = u64::from(known.layout.root_is_entry);
    scratch.tstate = found.tstate;
    scratch.leaf = found.leaf;
    scratch.hash = recorder.hash;
    scratch.may_change = recorder.may_change;
    0
}

/// Judges the walk in the scratch, counts what it lacks, and sends it if it is new.
/// Returns its hash and leaves its flags in the scratch.
///
/// A global function, so that the verifier does not follow it once for every frame
/// after which a walk may end.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn conclude() -> u64 {
    let Some(scratch) = SCRATCH.get_ptr_mut(0) else {
        return EMPTY_STACK;
    };
    // SAFETY: this CPU's scratch.
    let scratch = unsafe { &mut *scratch };
    let walked = scratch
        .walk_end
        .judge(scratch.root_is_entry as u16, scratch.leaf);
    let mut frames = walked.frames;
    scratch.flags = walked.flags;
    count::one(Counter::StacksWalked);
    count::add(Counter::FramesWalked, frames as u64);
    if walked.flags & flags::IN_TRANSITION != 0 {
        count::one(Counter::StackInTransition);
        return EMPTY_STACK;
    }
    if walked.flags & flags::READ_FAILED != 0 {
        count::one(Counter::FrameReadFailed);
    }
    if walked.flags & flags::TRUNCATED != 0 {
        count::one(Counter::StacksTruncated);
        frames += add_root(scratch, frames);
    }
    if frames == 0 {
        return EMPTY_STACK;
    }
    let hash = finish(scratch.hash, scratch.flags);
    if scratch.may_change == 0
        && (hash == scratch.known_hash || STACKS_SENT.get_ptr(hash).is_some())
    {
        return hash;
    }
    let hash = first_sight::look_at_code(scratch.pid, scratch.tid, frames as u64);
    if hash == EMPTY_STACK {
        count::one(Counter::StackInTransition);
        scratch.flags |= flags::IN_TRANSITION;
    }
    hash
}

/// Adds the root to a stack that was cut; how many frames that are.
#[inline(always)]
fn add_root(scratch: &mut Scratch, frames: usize) -> usize {
    let root = PROCESSES.get_ptr(scratch.pid).and_then(|process| {
        // SAFETY: a map value that stays mapped.
        let layout = unsafe { &(*process).layout };
        let root = root_frame(&mut UserMemory::new(scratch), layout, scratch.tstate)?;
        Some((process, root))
    });
    let Some((process, root)) = root else {
        count::one(Counter::RootNotReached);
        return 0;
    };
    if frames > MAX_FRAMES {
        return 0;
    }
    let mut recorder = Recorder {
        event: &raw mut scratch.event,
        process,
        hash: scratch.hash,
        may_change: 0,
    };
    recorder.put(frames, root);
    scratch.hash = recorder.hash;
    scratch.flags |= flags::ROOT_FROM_DATA_STACK;
    1
}
