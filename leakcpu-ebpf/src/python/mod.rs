//! Python stacks: finding the thread state, walking the frames, sending each
//! distinct stack once.

#[macro_use]
mod walker;
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

use self::{
    memory::UserMemory,
    walker::{PROBE, SWITCH, scratch},
};
use crate::{
    count,
    maps::{PROCESSES, STACKS_SENT, Scratch},
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
    /// When the walk ends and no further code object is looked at or copied.
    pub until_ns: u64,
    /// That there are more frames is no loss.
    pub is_leaf_only: bool,
}

steps! {
    fn walk_stack, probe_walk_stack(thread_id: u64, now_ns: u64, limit: u64) -> u32 = walk_stack_of;
    fn conclude, probe_conclude() -> u32 = conclude_of;
}

/// Walks the current task's Python stack and sends it if it is new; for programs at switches,
/// samples and wake-ups.
#[inline(always)]
pub fn capture(thread: &mut ThreadState, thread_id: u64, now_ns: u64, limits: Limits) -> Captured {
    capture_of::<SWITCH>(thread, thread_id, now_ns, limits)
}

/// The same for programs that those may interrupt; `None` if another of their kind is at work
/// on this CPU, or was meanwhile.
#[inline(always)]
pub fn capture_at_probe(
    thread: &mut ThreadState,
    thread_id: u64,
    now_ns: u64,
    limits: Limits,
) -> Option<Captured> {
    let scratch = scratch::<PROBE>()?;
    let owner = scratch.owner.as_ptr();
    // SAFETY: this CPU's scratch; a word that is read and written whole.
    unsafe {
        if owner.read_volatile() != 0 {
            return None;
        }
        owner.write_volatile(u64::from(thread.tid));
    }
    let captured = capture_of::<PROBE>(thread, thread_id, now_ns, limits);
    // SAFETY: as above.
    unsafe {
        if owner.read_volatile() != u64::from(thread.tid) {
            return None;
        }
        owner.write_volatile(0);
    }
    Some(captured)
}

#[inline(always)]
fn capture_of<const WALKER: u32>(
    thread: &mut ThreadState,
    thread_id: u64,
    now_ns: u64,
    limits: Limits,
) -> Captured {
    let Some(scratch) = scratch::<WALKER>() else {
        return Captured::none(flags::NOT_PYTHON);
    };
    scratch.pid.set(thread.pid);
    scratch.tid.set(thread.tid);
    scratch.tstate.set(thread.tstate);
    scratch.alone_until_ns.set(thread.alone_until_ns);
    scratch.frames_reach.set(thread.frames_reach);
    scratch.looks.set(limits.looks as u64);
    scratch.until_ns.set(limits.until_ns);
    scratch.is_leaf_only.set(u64::from(limits.is_leaf_only));
    scratch.known_hash.set(thread.wait_stack);
    // Step after step, none within another: the functions that are entered at a time have
    // 512 bytes of stack together, and kernels before 6.13 round each up to 32.
    if walk_stack::<WALKER>(thread_id, now_ns, limits.frames as u64) != 0
        && conclude::<WALKER>() != 0
        && first_sight::look_at_code::<WALKER>(thread.pid) != 0
    {
        first_sight::send::<WALKER>(thread.pid, thread.tid);
    }
    thread.alone_until_ns = scratch.alone_until_ns.get();
    if !limits.is_leaf_only {
        thread.frames_reach = scratch.frames_reach.get();
    }
    Captured {
        hash: scratch.hash.get(),
        flags: scratch.flags.get(),
    }
}

/// Walks the frames of the thread that the scratch names, `limit` at most; 0 if it has
/// none, and then the flags say why.
#[inline(always)]
fn walk_stack_of<const WALKER: u32>(thread_id: u64, now_ns: u64, limit: u64) -> u32 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    scratch.hash.set(EMPTY_STACK);
    scratch.flags.set(flags::NOT_PYTHON);
    let Some(process) = PROCESSES.get_ptr(scratch.pid.get()) else {
        return 0;
    };
    // SAFETY: preallocated map values stay mapped; user space writes an entry whole
    // before any thread of the process runs with it.
    let process = unsafe { &*process };
    let thread = (scratch.tid.get(), scratch.tstate.get());
    let mut memory = UserMemory::new(scratch);
    match tstate::current::<WALKER>(
        &mut memory,
        &scratch.alone_until_ns,
        thread,
        process,
        thread_id,
        now_ns,
    ) {
        Ok(found) => {
            scratch.tstate.set(found.tstate);
            scratch.leaf.set(found.leaf);
            scratch.flags.set(0);
        }
        Err(why) => {
            scratch.flags.set(why);
            return 0;
        }
    }
    let mut recorder = Recorder {
        event: scratch.event.get(),
        process,
        hash: seed(scratch.pid.get()),
        may_change: 0,
    };
    memory.begin(scratch.frames_reach.get());
    walk_frames::<_, _, MAX_FRAMES>(
        &mut memory,
        &process.plan,
        scratch.leaf.get().frame,
        limit as usize,
        &mut recorder,
        // SAFETY: this CPU's scratch, of which nothing else has this part now.
        unsafe { &mut *scratch.walk_end.get() },
    );
    scratch.frames_reach.set(memory.reach());
    scratch
        .root_is_entry
        .set(u64::from(process.layout.root_is_entry));
    scratch.hash.set(recorder.hash);
    scratch.may_change.set(recorder.may_change);
    1
}

/// Judges the walk in the scratch and counts what it lacks. Leaves its hash and its flags
/// there; 0 if that is all, for it is known.
///
/// A step of its own, so that the verifier does not follow it once for every frame
/// after which a walk may end.
#[inline(always)]
fn conclude_of<const WALKER: u32>() -> u32 {
    let Some(scratch) = scratch::<WALKER>() else {
        return 0;
    };
    // SAFETY: this CPU's scratch.
    let end = unsafe { scratch.walk_end.get().read() };
    let walked = end.judge(scratch.root_is_entry.get() as u16, scratch.leaf.get());
    let mut frames = walked.frames;
    scratch.flags.set(walked.flags);
    count::one(Counter::StacksWalked);
    count::add(Counter::FramesWalked, frames as u64);
    if walked.flags & flags::IN_TRANSITION != 0 {
        count::one(Counter::StackInTransition);
        scratch.hash.set(EMPTY_STACK);
        return 0;
    }
    if walked.flags & flags::READ_FAILED != 0 {
        count::one(Counter::FrameReadFailed);
    }
    if walked.was_late {
        count::one(Counter::WalkCut);
    }
    if walked.flags & flags::TRUNCATED != 0 && scratch.is_leaf_only.get() == 0 {
        count::one(Counter::StacksTruncated);
        frames += add_root(scratch, frames);
    }
    scratch.frames.set(frames as u64);
    if frames == 0 {
        scratch.hash.set(EMPTY_STACK);
        return 0;
    }
    let hash = finish(scratch.hash.get(), scratch.flags.get());
    scratch.frames_hash.set(scratch.hash.get());
    scratch.hash.set(hash);
    let is_known = scratch.may_change.get() == 0
        && (hash == scratch.known_hash.get() || STACKS_SENT.get_ptr(hash).is_some());
    u32::from(!is_known)
}

/// Adds the root to a stack that was cut; how many frames that are.
#[inline(always)]
fn add_root(scratch: &Scratch, frames: usize) -> usize {
    let root = PROCESSES.get_ptr(scratch.pid.get()).and_then(|process| {
        // SAFETY: a map value that stays mapped.
        let layout = unsafe { &(*process).layout };
        let root = root_frame(&mut UserMemory::new(scratch), layout, scratch.tstate.get())?;
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
        event: scratch.event.get(),
        process,
        hash: scratch.hash.get(),
        may_change: 0,
    };
    recorder.put(frames, root);
    scratch.hash.set(recorder.hash);
    scratch
        .flags
        .set(scratch.flags.get() | flags::ROOT_FROM_DATA_STACK);
    1
}
