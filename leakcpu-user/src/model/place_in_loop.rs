//! Where in an event loop's turn a stack is: who was called by the loop.

use super::{EventLoop, Frame, FunctionId, LoopKind, Process, Stack, event_loop::UVLOOP};

/// Where asyncio runs what is due (`Handle._run`) ...
const HANDLE_FILE: &str = "/asyncio/events.py";
/// ... and turns (`BaseEventLoop._run_once`).
const LOOP_FILE: &str = "/asyncio/base_events.py";

/// Where in a loop's turn a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceInLoop {
    /// The outermost function that the loop called.
    pub task: Option<FunctionId>,
    /// The innermost one of the user's own code in there, else the innermost; `None` for
    /// the own code of a loop that has no frames.
    pub frame: Option<Frame>,
    /// It is the loop's own code.
    pub is_own: bool,
}

impl PlaceInLoop {
    const fn own(frame: Option<Frame>) -> Self {
        Self {
            task: None,
            frame,
            is_own: true,
        }
    }
}

/// What a thread in asyncio's loop was doing, by the loop's own frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// What is due: inside of `Handle._run`.
    Callback,
    /// Its own work between two of those, or waiting: inside of `_run_once` only.
    Own,
}

impl Process {
    /// What asyncio's loop was doing in `stack`; `None` if the stack is not inside of one
    /// that is written in Python.
    pub fn turn_of_asyncio(&self, stack: &Stack) -> Option<Turn> {
        self.functions_of(stack)
            .find_map(|(file, name)| match name {
                "_run" if file.ends_with(HANDLE_FILE) => Some(Turn::Callback),
                "_run_once" if file.ends_with(LOOP_FILE) => Some(Turn::Own),
                _ => None,
            })
    }

    /// Who held the loop in a gap, of which `stack` was seen.
    pub fn place_in_loop(&self, of: &EventLoop, stack: &Stack) -> PlaceInLoop {
        let functions: Vec<(&str, &str)> = self.functions_of(stack).collect();
        let called = |mark: &str, wanted: &str| {
            let mut frames = functions.iter();
            frames.position(|(file, name)| file.ends_with(mark) && *name == wanted)
        };
        if let Some(run) = called(HANDLE_FILE, "_run") {
            return self.inside_handle(stack, &functions, run);
        }
        if of.kind == LoopKind::Asyncio && called(LOOP_FILE, "_run_once").is_some() {
            return PlaceInLoop::own(stack.frames.first().copied());
        }
        let is_hub = functions
            .last()
            .is_some_and(|(file, name)| file.ends_with("/gevent/hub.py") && *name == "run");
        if of.kind == LoopKind::Gevent && is_hub {
            return PlaceInLoop::own(stack.frames.first().copied());
        }
        self.inside_c(of, stack).unwrap_or_else(|| PlaceInLoop {
            task: None,
            frame: self.own_frame(stack),
            is_own: false,
        })
    }

    /// In what asyncio's `Handle._run`, the frame number `run`, has called.
    fn inside_handle(&self, stack: &Stack, functions: &[(&str, &str)], run: usize) -> PlaceInLoop {
        // Tasks that are written in Python step through frames of their own.
        let is_step = |i: usize| {
            let (file, name) = functions[i];
            file.ends_with("/asyncio/tasks.py")
                && (name.starts_with("__step") || name == "__wakeup")
        };
        match (0..run).rev().find(|&i| !is_step(i)) {
            Some(called) => self.inside(stack, called),
            None => PlaceInLoop {
                task: None,
                frame: stack.frames.get(run).copied(),
                is_own: false,
            },
        }
    }

    /// In what a loop has called that is written in C: the frames outside of it are those
    /// it waits in, at the very same lines. `None` if they are not.
    fn inside_c(&self, of: &EventLoop, stack: &Stack) -> Option<PlaceInLoop> {
        if stack.truncated || stack.partial {
            return None;
        }
        let inner = of.waits.iter().filter_map(|wait| {
            let outside = &self.stack(*wait).frames;
            let inner = stack.frames.strip_suffix(outside.as_slice())?;
            (!outside.is_empty()).then_some(inner)
        });
        let inner = inner.min_by_key(|inner| inner.len())?;
        let Some(outermost) = inner.last() else {
            // Of a loop with a library of its own the leaf is only who started it.
            let is_others = of.kind != LoopKind::Other;
            let leaf = stack.frames.first().copied();
            return Some(PlaceInLoop::own(leaf.filter(|_| !is_others)));
        };
        // Before 3.11 frames do not tell; asyncio's loops are run by a line of their own.
        if of.kind != LoopKind::Asyncio && !outermost.called_from_c {
            return None;
        }
        // What is run first is wrapped.
        let wraps = |frame: &&Frame| {
            let function = frame.function.and_then(|id| self.function(id));
            function.is_some_and(|function| function.file.ends_with(UVLOOP))
        };
        let wrappers = inner.iter().rev().take_while(wraps).count();
        let called = inner.len().saturating_sub(wrappers + 1);
        Some(self.inside(stack, called))
    }

    /// In the frame number `called` and what that called.
    fn inside(&self, stack: &Stack, called: usize) -> PlaceInLoop {
        let inside = &stack.frames[..=called];
        let own = inside.iter().find(|frame| self.is_own_frame(**frame));
        PlaceInLoop {
            task: stack.frames[called].function,
            frame: own.or_else(|| inside.first()).copied(),
            is_own: false,
        }
    }
}
