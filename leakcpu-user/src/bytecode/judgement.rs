//! What is said of a loop.

use std::ops::Range;

use super::{CallKind, Op};

/// What a loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judgement {
    /// No iteration does anything that outlives it: it goes round until something
    /// outside changes.
    Spin,
    /// The same, and it sleeps or gives up the CPU in between.
    Poll,
    /// An iteration does something that outlives it.
    Work,
    /// Not known.
    Unknown,
}

/// What outlives an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Of what kind it is.
    pub kind: EffectKind,
    /// What is written or called, by the program's name for it; empty if it has none.
    pub name: String,
    /// Where, in bytes.
    pub offset: u32,
}

/// Kinds of what outlives an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EffectKind {
    /// A local variable whose next value depends on the last.
    Local,
    /// The same, and each iteration adds or subtracts a constant.
    Counter,
    /// A global variable, or a name of a module or class body.
    Global,
    /// A variable that another function shares.
    Cell,
    /// An attribute.
    Attribute,
    /// An item, or a slice.
    Subscript,
    /// An object in the making, as a comprehension's.
    Container,
    /// A call that is known to change something.
    Call,
    /// An iterator of the loop's own goes on.
    Iterator,
    /// A value is handed to whoever runs the generator.
    Yield,
}

/// What stands in the way of a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Of what kind it is.
    pub kind: MissingKind,
    /// What is called or awaited, by the program's name for it; empty if it has none.
    pub name: String,
    /// Where, in bytes.
    pub offset: u32,
}

/// Kinds of what is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingKind {
    /// What is called.
    Callee,
    /// What is awaited.
    Awaited,
    /// What a `with` enters.
    Context,
    /// Arithmetic that is not on clocks and counts: the iteration may be there for it.
    Arithmetic,
    /// Another loop inside of it that does more than wait.
    InnerLoop,
    /// What becomes of the result of an attempt.
    Attempt,
    /// What this instruction does.
    Operation(Op),
    /// A value stays on the stack from one iteration to the next.
    Stack,
    /// More than is looked at.
    TooMuch,
}

/// A call that was judged by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCall {
    /// What it does if it is what it is called.
    pub kind: CallKind,
    /// The program's name for it.
    pub name: String,
    /// Where, in bytes.
    pub offset: u32,
}

/// Where code of the program may run that is not seen here: a property, a `__bool__`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunsCode {
    /// By what.
    pub kind: RunsCodeKind,
    /// Where, in bytes.
    pub offset: u32,
}

/// Operations that may run code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunsCodeKind {
    /// A property, or `__getattr__`.
    Attribute,
    /// `__getitem__`.
    Subscript,
    /// `__bool__` or `__len__`.
    Truth,
    /// `__eq__` and the like.
    Compare,
    /// `__contains__`.
    Contains,
    /// `__add__` and the like.
    Arithmetic,
    /// `__format__`, `__str__` or `__repr__`.
    Format,
    /// `__iter__` and `__next__`.
    Iterate,
    /// `__enter__` and `__exit__`.
    Context,
}

/// What is known of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopJudgement {
    /// The judgement of the whole loop.
    pub judgement: Judgement,
    /// What outlives an iteration, as far as it was looked for.
    pub effects: Vec<Effect>,
    /// What is not known.
    pub missing: Vec<Missing>,
    /// Calls that were judged by their names. Whatever of them is written in Python, and
    /// whatever else runs below the loop, shows in samples; its code has to be judged too.
    pub calls: Vec<NamedCall>,
    /// Where code of the program may run unseen; the same holds.
    pub runs_code: Vec<RunsCode>,
    /// Of a loop that does more: the instructions of a way round on which nothing
    /// outlives an iteration, in bytes. A thread that is seen there and nowhere else in
    /// the loop only waits.
    pub quiet: Option<Box<[Range<u32>]>>,
}

impl LoopJudgement {
    pub(super) fn unknown(kind: MissingKind, offset: u32) -> Self {
        Self {
            judgement: Judgement::Unknown,
            effects: Vec::new(),
            missing: vec![Missing {
                kind,
                name: String::new(),
                offset,
            }],
            calls: Vec::new(),
            runs_code: Vec::new(),
            quiet: None,
        }
    }

    /// Nothing outlives any iteration.
    pub fn only_waits(&self) -> bool {
        matches!(self.judgement, Judgement::Spin | Judgement::Poll)
    }
}

/// What is known of a call of a whole function: the instructions, in bytes, on ways from its
/// beginning on which nothing outlives the call ...
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionJudgement {
    /// ... to where it returns, ...
    pub returning: Box<[Range<u32>]>,
    /// ... and to where it raises an exception.
    pub raising: Box<[Range<u32>]>,
}

/// What a function does, as far as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Does {
    /// Nothing that outlives the call.
    Nothing,
    /// The same if it raises an exception: `get_nowait` of an empty queue.
    NothingIfItRaises,
}

impl FunctionJudgement {
    /// What it does if it was seen at these offsets and nowhere else; `None` if that is
    /// more than to look.
    pub fn does(&self, offsets: &[u32]) -> Option<Does> {
        let are_on = |ranges: &[Range<u32>]| {
            let is_on = |offset: &u32| ranges.iter().any(|range| range.contains(offset));
            offsets.iter().all(is_on)
        };
        if are_on(&self.returning) {
            Some(Does::Nothing)
        } else if are_on(&self.raising) {
            Some(Does::NothingIfItRaises)
        } else {
            None
        }
    }
}
