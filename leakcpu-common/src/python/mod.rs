//! CPython layouts as data and the frame walk over them.
//!
//! The walk is generic over [`MemRead`]: the eBPF programs, the outside reader of
//! parked threads and the tests run the same code.

mod code;
mod layout;
mod plan;
mod walk;
mod window;

pub use code::{CodeWords, is_generated, read_code};
pub use layout::{
    FRAME_READ_BYTES, FRAME_WINDOW_WORDS, NO_DATASTACK, NO_PLACEHOLDER, PyLayout, WIDE_READ_BYTES,
    WIDE_READ_WORDS, WIDE_WINDOW_WORDS,
};
pub use plan::FramePlan;
pub use walk::{
    FrameSink, Leaf, MemRead, TstateWords, WalkEnd, Walked, find_tstate, leaf_frame, read_tstate,
    root_frame, walk_frames,
};
pub use window::FrameWindow;
