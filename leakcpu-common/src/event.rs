//! Events of the ring buffer. Each begins with an [`EventHeader`].

use crate::{config::MAX_FRAMES, stack::RawFrame};

/// Kinds of events; grouped by subject, with room between the groups.
pub mod kind {
    /// [`super::StackEvent`]: frames of a stack seen for the first time.
    pub const STACK: u32 = 1;
    /// [`super::CodeEvent`]: a code object that may soon be gone.
    pub const CODE: u32 = 2;
    /// [`super::ProcessEvent`]: a watched process forked a child process.
    pub const FORK: u32 = 16;
    /// [`super::ProcessEvent`]: a process called exec.
    pub const EXEC: u32 = 17;
    /// [`super::ProcessEvent`]: a watched thread is about to end.
    pub const THREAD_EXIT: u32 = 18;
    /// [`super::ImportEvent`]: a thread begins to find and load a module.
    pub const IMPORT_START: u32 = 32;
    /// [`super::ImportEvent`]: it is done with that, or has failed.
    pub const IMPORT_DONE: u32 = 33;
}

/// Common head of every event.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EventHeader {
    /// One of [`kind`].
    pub kind: u32,
    /// Process the event is about.
    pub pid: u32,
    /// Thread the event is about.
    pub tid: u32,
    /// Kind-specific: number of frames ([`kind::STACK`]), else 0.
    pub count: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub ktime_ns: u64,
}

/// A stack's frames, sent once. Only the first `header.count` frames are sent.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StackEvent {
    /// `count` holds the number of frames.
    pub header: EventHeader,
    /// The stack's hash, as in `TotalsKey::stack`.
    pub hash: u64,
    /// [`crate::stack::flags`].
    pub flags: u32,
    /// Zero.
    pub pad: u32,
    /// Leaf first. One more than a walk yields: the root of a truncated stack.
    pub frames: [RawFrame; MAX_FRAMES + 1],
}

/// Bytes of a [`StackEvent`] before its frames.
pub const STACK_EVENT_HEAD_BYTES: usize = core::mem::offset_of!(StackEvent, frames);

/// Bytes of a [`Segment`]: a file name or line table of ordinary length with its
/// object's head.
pub const SEGMENT_BYTES: usize = 320;

/// A piece of the target's memory.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// Where it was.
    pub address: u64,
    /// Bytes of `data` that were read; 0 if none could be.
    pub bytes: u32,
    /// Zero.
    pub pad: u32,
    /// The bytes.
    pub data: [u8; SEGMENT_BYTES],
}

/// Segments of a [`CodeEvent`]: the beginnings of the code object and of the objects
/// that name it.
pub mod segment {
    /// The code object itself.
    pub const CODE: usize = 0;
    /// `co_name`.
    pub const NAME: usize = 1;
    /// `co_qualname`; `co_name` again before 3.11.
    pub const QUALNAME: usize = 2;
    /// `co_filename`.
    pub const FILENAME: usize = 3;
    /// The line table.
    pub const LINE_TABLE: usize = 4;
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A code object, copied at first sight because it may be gone before user space
/// could read it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CodeEvent {
    /// Which process.
    pub header: EventHeader,
    /// Address of the code object.
    pub code: u64,
    /// Its [`crate::stack::witness`].
    pub witness: u64,
    /// Indexed by [`segment`].
    pub segments: [Segment; segment::COUNT],
}

/// Birth, change or death of a process or thread.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProcessEvent {
    /// Which, when.
    pub header: EventHeader,
    /// The parent ([`kind::FORK`]), else 0.
    pub parent_pid: u32,
    /// Zero.
    pub pad: u32,
    /// `task_struct.start_boottime` of the thread: its identity beside the tid.
    pub start_boottime_ns: u64,
}

/// Bytes of a module's name that are kept, the end of the text included.
pub const MODULE_NAME_BYTES: usize = 128;

/// A module that is imported, as the interpreter's own probe says it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ImportEvent {
    /// Which thread, when.
    pub header: EventHeader,
    /// What the thread has been on a CPU since it is watched.
    pub on_cpu_ns: u64,
    /// What it has been blocked since then.
    pub blocked_ns: u64,
    /// [`kind::IMPORT_DONE`]: not 0 if the module was found and loaded; else 0.
    pub found: u32,
    /// Bytes of `name`; 0 if it could not be read.
    pub name_bytes: u32,
    /// The module's full name, or its beginning.
    pub name: [u8; MODULE_NAME_BYTES],
}
