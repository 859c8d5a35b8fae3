//! Local variables of a thread's frame, as they are at one moment.
//!
//! The thread may run meanwhile: what is read may be from two moments, or from a frame that
//! is gone. So it only ever speaks against something: values that differ.

use leakcpu_common::{
    config::MAX_FRAMES,
    python::{leaf_frame, read_tstate},
};

use super::{PythonProcess, RemoteError, RemoteReader, parts::Reader};

/// Most variables that are read.
pub const MAX_VALUES: usize = 8;

/// Some local variables of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameValues {
    /// The frame's address.
    pub frame: u64,
    /// Of each variable the value, if it is a number, else the object's address; 0 if it has
    /// none.
    pub values: Vec<u64>,
}

/// Reads the variables with these indices, [`MAX_VALUES`] of them at most, of the innermost
/// frame of the code object at `code`, in the thread whose `PyThreadState` is at `tstate`.
/// `None` if it is in no such frame just now.
pub fn frame_values(
    process: &PythonProcess,
    tstate: u64,
    code: u64,
    variables: &[u32],
) -> Result<Option<FrameValues>, RemoteError> {
    let memory = process.memory();
    let Some(frame) = find_frame(process, tstate, code)? else {
        return Ok(None);
    };
    let layout = &process.layout;
    let tag = u64::from(layout.walk.code_tag_mask);
    let mut reader = Reader::new(&memory, layout);
    let mut values = Vec::with_capacity(variables.len());
    for variable in variables.iter().take(MAX_VALUES) {
        let at = u64::from(layout.parts.frame_locals) + 8 * u64::from(*variable);
        let object = memory.read_u64(frame.wrapping_add(at))? & !tag;
        values.push(match object {
            0 => 0,
            object => reader.identity(object)?,
        });
    }
    // It has not returned meanwhile.
    let is_there = code_of(process, frame)? == code;
    Ok(is_there.then_some(FrameValues { frame, values }))
}

fn find_frame(process: &PythonProcess, tstate: u64, code: u64) -> Result<Option<u64>, RemoteError> {
    let layout = &process.layout.walk;
    let mut frame = innermost_frame(process, tstate);
    let previous = u64::from(layout.frame_base) + u64::from(layout.frame_previous);
    for _ in 0..MAX_FRAMES {
        if frame == 0 {
            break;
        }
        if code_of(process, frame)? == code {
            return Ok(Some(frame));
        }
        frame = process.memory().read_u64(frame.wrapping_add(previous))?;
    }
    Ok(None)
}

/// The address of a thread's innermost frame; 0 if it has none.
pub(super) fn innermost_frame(process: &PythonProcess, tstate: u64) -> u64 {
    let layout = &process.layout.walk;
    let mut reader = RemoteReader::new(process.memory());
    let leaf = read_tstate(&mut reader, layout, tstate)
        .and_then(|words| leaf_frame(&reader, layout, tstate, words));
    leaf.map_or(0, |leaf| leaf.frame)
}

pub(super) fn code_of(process: &PythonProcess, frame: u64) -> Result<u64, RemoteError> {
    let layout = &process.layout.walk;
    let at = u64::from(layout.frame_base) + u64::from(layout.frame_code);
    let code = process.memory().read_u64(frame.wrapping_add(at))?;
    Ok(code & !u64::from(layout.code_tag_mask))
}
