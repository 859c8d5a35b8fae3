//! Which frames are the user's own code.

use super::{Frame, Function, FunctionId, NativeFunction, NativeId, Process, Stack, StackId};

/// What Python calls code that was typed, or handed over as text: the user's own. Other names
/// in angle brackets are those of code that a library has written, as `<template>`.
const TYPED: [&str; 5] = [
    "<stdin>",
    "<string>",
    "<python-input",
    "<ipython-input",
    "<doctest",
];

/// Parts of a path that mark the standard library and installed packages of any
/// interpreter, for stacks whose interpreter's directories are not known.
const LIBRARY_MARKS: [&str; 4] = [
    "/lib/python3.",
    "/lib64/python3.",
    "/site-packages/",
    "/dist-packages/",
];

impl Process {
    /// The function of `id`, if the index holds.
    pub fn function(&self, id: FunctionId) -> Option<&Function> {
        self.functions.get(id.0 as usize)
    }

    /// The native function of `id`, if the index holds.
    pub fn native(&self, id: NativeId) -> Option<&NativeFunction> {
        self.natives.get(id.0 as usize)
    }

    /// The stack of `id`; an unknown id has the empty stack.
    pub fn stack(&self, id: StackId) -> &Stack {
        static EMPTY: Stack = Stack {
            frames: Vec::new(),
            truncated: false,
            has_root: false,
            partial: false,
        };
        self.stacks.get(id.0 as usize).unwrap_or(&EMPTY)
    }

    /// Whether `file` belongs to the standard library or an installed package, or is code that
    /// one of them has made up.
    pub fn is_library_file(&self, file: &str) -> bool {
        (file.starts_with('<') && !TYPED.iter().any(|typed| file.starts_with(typed)))
            || LIBRARY_MARKS.iter().any(|mark| file.contains(mark))
            || self.library_dirs.iter().any(|dir| {
                file.strip_prefix(dir.trim_end_matches('/'))
                    .is_some_and(|rest| rest.starts_with('/'))
            })
    }

    /// Whether `frame` is the user's own code.
    pub fn is_own_frame(&self, frame: Frame) -> bool {
        frame
            .function
            .and_then(|id| self.function(id))
            .is_some_and(|function| !self.is_library_file(&function.file))
    }

    /// The frame to answer for a stack: the innermost one of the user's own code,
    /// else the leaf.
    pub fn own_frame(&self, stack: &Stack) -> Option<Frame> {
        stack
            .frames
            .iter()
            .copied()
            .find(|&frame| self.is_own_frame(frame))
            .or_else(|| leaf(stack))
    }
}

/// The innermost frame, if it has a name.
pub(super) fn leaf(stack: &Stack) -> Option<Frame> {
    stack
        .frames
        .first()
        .copied()
        .filter(|frame| frame.function.is_some())
}
