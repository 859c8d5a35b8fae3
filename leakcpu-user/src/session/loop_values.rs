//! Whether the variables of a loop that only waits stay what they are.

use std::collections::HashSet;

use crate::{
    interpreter::{FrameValues, PythonProcess, frame_values},
    model::{Pid, SteadyValues, Tid},
};

/// Fewer looks that find it say nothing.
const MIN_VALUE_LOOKS: u32 = 5;

/// The variables of one thread's loop.
pub(super) struct Frames {
    pub pid: Pid,
    pub tid: Tid,
    pub tstate: u64,
    /// Address of the loop's code object.
    pub code: u64,
    pub process: PythonProcess,
    pub variables: Vec<u32>,
    pub found: Vec<FrameValues>,
}

impl Frames {
    pub(super) fn look(&mut self) {
        match frame_values(&self.process, self.tstate, self.code, &self.variables) {
            Ok(found) => self.found.extend(found),
            Err(error) => tracing::debug!(pid = self.pid.0, %error, "variables not read"),
        }
    }

    pub(super) fn steady(&self) -> Option<SteadyValues> {
        let distinct: HashSet<&FrameValues> = self.found.iter().collect();
        let looks = u32::try_from(self.found.len()).ok()?;
        (looks >= MIN_VALUE_LOOKS).then_some(SteadyValues {
            looks,
            distinct: u32::try_from(distinct.len()).ok()?,
        })
    }
}
