//! One stack of native and Python frames, from one of each.
//!
//! The interpreter runs Python functions in `_PyEval_EvalFrameDefault`, and each of
//! its native frames stands for a run of Python frames: all of them up to the one that
//! was called from C. Before 3.11 that is one Python frame each.

use super::{Code, Frame, Leaf, NativeFrame, Process, Stack};

/// A frame of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MixedFrame {
    /// Machine code.
    Native(NativeFrame),
    /// Python.
    Python(Frame),
}

/// A merged stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MixedStack {
    /// Leaf first.
    pub frames: Vec<MixedFrame>,
    /// Both stacks told the same story: as many runs of Python frames as frames of the
    /// evaluation loop. If not, the frames above the first disagreement are Python's
    /// alone.
    pub in_step: bool,
}

/// Merges the native frames `native`, of which `is_eval` says which run Python, with
/// `python`; both leaf first. A Python frame with a true flag was called from C: the
/// native frames outside its evaluation loop come before the next Python frame.
///
/// Where the native stack ends early (built without frame pointers), the rest of the
/// Python frames follow: they are known all the same. The native frames of the last
/// evaluation loop's callers follow in any case.
pub fn merge(
    native: &[NativeFrame],
    is_eval: impl Fn(NativeFrame) -> bool,
    python: &[(Frame, bool)],
) -> MixedStack {
    let mut frames = Vec::with_capacity(native.len() + python.len());
    let mut rest = python.iter();
    let mut in_step = true;
    for &frame in native {
        if !is_eval(frame) {
            frames.push(MixedFrame::Native(frame));
            continue;
        }
        if rest.len() == 0 {
            // A loop without a Python frame: one that has just begun or ended.
            in_step = false;
            frames.push(MixedFrame::Native(frame));
            continue;
        }
        for &(python, called_from_c) in rest.by_ref() {
            frames.push(MixedFrame::Python(python));
            if called_from_c {
                break;
            }
        }
    }
    in_step &= rest.len() == 0;
    frames.extend(rest.map(|&(frame, _)| MixedFrame::Python(frame)));
    MixedStack { frames, in_step }
}

impl Process {
    /// The native and Python frames of one leaf's samples as one stack; `None` if its
    /// native stack was not taken.
    pub fn mixed_stack(&self, stack: &Stack, leaf: &Leaf) -> Option<MixedStack> {
        let native = self.native_stacks.get(leaf.stack?.0 as usize)?;
        let is_eval = |frame: NativeFrame| {
            self.native(frame.function)
                .is_some_and(|native| native.code == Code::EvalLoop)
        };
        Some(merge(&native.frames, is_eval, &self.called_from_c(stack)))
    }

    /// The frames of a stack, each with whether it was called from C: every one before
    /// 3.11, whose frames do not say it. Later interpreters run many frames in one loop.
    fn called_from_c(&self, stack: &Stack) -> Vec<(Frame, bool)> {
        let minor = self.python.as_ref().and_then(|python| {
            let minor = python.version.strip_prefix("3.")?.split('.').next()?;
            minor.parse::<u32>().ok()
        });
        let always = minor.is_some_and(|minor| minor < 11);
        let last = stack.frames.len().saturating_sub(1);
        let frames = stack.frames.iter().enumerate();
        frames
            .map(|(i, &frame)| (frame, always || frame.called_from_c || i == last))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FunctionId, NativeId};

    const EVAL: u32 = 100;

    fn native(ids: &[u32]) -> Vec<NativeFrame> {
        let frame = |&id: &u32| NativeFrame {
            function: NativeId(id),
            offset: 0,
        };
        ids.iter().map(frame).collect()
    }

    fn python(frames: &[(u32, bool)]) -> Vec<(Frame, bool)> {
        let frame = |&(id, from_c): &(u32, bool)| {
            let frame = Frame {
                function: Some(FunctionId(id)),
                line: None,
                called_from_c: false,
            };
            (frame, from_c)
        };
        frames.iter().map(frame).collect()
    }

    /// `n7` is native frame 7, `p7` Python's.
    fn merged(native_ids: &[u32], python_ids: &[(u32, bool)]) -> (String, bool) {
        let is_eval = |frame: NativeFrame| frame.function.0 == EVAL;
        let stack = merge(&native(native_ids), is_eval, &python(python_ids));
        let text: Vec<String> = stack
            .frames
            .iter()
            .map(|frame| match frame {
                MixedFrame::Native(native) => format!("n{}", native.function.0),
                MixedFrame::Python(python) => format!("p{}", python.function.unwrap().0),
            })
            .collect();
        (text.join(" "), stack.in_step)
    }

    #[test]
    fn a_run_of_frames_stands_where_its_loop_does() {
        // sort() called by p1 calls the key function p3, through p2.
        assert_eq!(
            merged(
                &[1, EVAL, 2, 3, EVAL, 4],
                &[(3, false), (2, true), (1, false), (0, true)]
            ),
            ("n1 p3 p2 n2 n3 p1 p0 n4".to_owned(), true)
        );
    }

    #[test]
    fn one_loop_a_frame_as_before_3_11() {
        assert_eq!(
            merged(&[EVAL, 1, EVAL, 1, 2], &[(1, true), (0, true)]),
            ("p1 n1 p0 n1 n2".to_owned(), true)
        );
    }

    #[test]
    fn python_goes_on_where_the_native_stack_ends() {
        assert_eq!(
            merged(&[1, 2], &[(1, true), (0, true)]),
            ("n1 n2 p1 p0".to_owned(), false)
        );
        assert_eq!(
            merged(&[1, EVAL, 2], &[(2, false), (1, true), (0, true)]),
            ("n1 p2 p1 n2 p0".to_owned(), false)
        );
    }

    #[test]
    fn a_loop_without_python_stays_native() {
        assert_eq!(
            merged(&[EVAL, 1, EVAL, 2], &[(0, true)]),
            ("p0 n1 n100 n2".to_owned(), false)
        );
        assert_eq!(merged(&[1, 2], &[]), ("n1 n2".to_owned(), true));
        assert_eq!(merged(&[], &[(0, true)]), ("p0".to_owned(), false));
    }
}
