//! The frames of a thread, walked from outside by the code that the kernel side runs.

use leakcpu_common::{
    config::MAX_FRAMES,
    python::{
        FrameSink, WalkEnd, Walked, leaf_frame, read_code, read_tstate, root_frame, walk_frames,
    },
    stack::{RawFrame, flags},
};

use super::{PythonProcess, RemoteReader};

struct Collected(Vec<RawFrame>);

impl FrameSink for Collected {
    fn put(&mut self, _index: usize, frame: RawFrame) {
        self.0.push(frame);
    }
}

/// The frames of the thread state at `tstate`, leaf first, at most `limit` and the root,
/// and bits of [`flags`]. The thread must not run meanwhile: that is for the caller to
/// see to, or to find out afterwards.
pub fn read_stack(process: &PythonProcess, tstate: u64, limit: usize) -> (Vec<RawFrame>, u32) {
    let mut reader = RemoteReader::new(process.memory());
    let layout = &process.layout.walk;
    let leaf = read_tstate(&mut reader, layout, tstate)
        .and_then(|words| leaf_frame(&reader, layout, tstate, words));
    let Some(leaf) = leaf else {
        return (Vec::new(), flags::TSTATE_UNREADABLE);
    };
    let mut collected = Collected(Vec::new());
    let mut end = WalkEnd::default();
    walk_frames::<_, _, MAX_FRAMES>(
        &mut reader,
        &process.kernel.plan,
        leaf.frame,
        limit.min(MAX_FRAMES),
        &mut collected,
        &mut end,
    );
    let Walked { mut flags, .. } = end.judge(layout.root_is_entry, leaf);
    let mut frames = collected.0;
    let is_truncated = flags & flags::TRUNCATED != 0;
    if frames.iter().any(|frame| !layout.can_be_frame(*frame)) {
        flags |= flags::IN_TRANSITION;
    }
    if flags & flags::IN_TRANSITION != 0 {
        return (Vec::new(), flags);
    }
    if is_truncated && let Some(root) = root_frame(&mut reader, layout, tstate) {
        frames.push(root);
        flags |= flags::ROOT_FROM_DATA_STACK;
    }
    for frame in frames.iter_mut().filter(|frame| frame.address() != 0) {
        frame.witness = read_code(&mut reader, layout, frame.address()).map_or(0, |c| c.witness);
    }
    (frames, flags)
}
