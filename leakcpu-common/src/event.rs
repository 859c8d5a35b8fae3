//! Events of the ring buffer. Each begins with an [`EventHeader`].

use crate::{config::MAX_FRAMES, stack::RawFrame};

/// Kinds of events; grouped by subject, with room between the groups.
pub mod kind {
    /// [`super::StackEvent`]: frames of a stack seen for the first time.
    pub const STACK: u32 = 1;
    /// [`super::ProcessEvent`]: a watched process forked a child process.
    pub const FORK: u32 = 16;
    /// [`super::ProcessEvent`]: a process called exec.
    pub const EXEC: u32 = 17;
    /// [`super::ProcessEvent`]: a watched thread is about to end.
    pub const THREAD_EXIT: u32 = 18;
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
    /// Leaf first.
    pub frames: [RawFrame; MAX_FRAMES],
}

/// Bytes of a [`StackEvent`] before its frames.
pub const STACK_EVENT_HEAD_BYTES: usize = core::mem::offset_of!(StackEvent, frames);

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
