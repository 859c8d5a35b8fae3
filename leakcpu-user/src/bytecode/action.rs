//! What instructions of every version come down to.

use super::{EffectKind, RunsCodeKind};
use Action as A;

/// Where a variable is; the number is its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Local(u32),
    /// A global variable, or at module level any: a name.
    Name(u32),
    /// Shared with an inner or outer function.
    Cell(u32),
}

/// Arithmetic, as far as kinds of it are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// `+` and `-`.
    Sum,
    /// Any other.
    Other,
}

/// Where the names of a call's keyword arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keywords {
    None,
    /// Given by the last `KW_NAMES`.
    Noted,
    /// On top of the stack.
    OnStack,
}

/// What an instruction does to the stack and to what outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Constant(u32),
    SmallInt(u32),
    /// One of those that need no constant of the code object's own.
    Common(u32),
    /// A value of which nothing is known.
    Something,
    Receiver,
    Load(Variable),
    /// Loads a local variable and empties it.
    LoadAndClear(u32),
    /// An attribute by the name of this number; a method leaves its object beside it.
    Attribute {
        name: u32,
        takes: u32,
        is_method: bool,
    },
    /// A special method of the value: the way into a `with`, or out of it.
    Special,
    StoreLocal(u32),
    DeleteLocal(u32),
    /// Writes where it outlives the round; the name's number, if it has one.
    Store {
        kind: EffectKind,
        name: Option<u32>,
        takes: u32,
    },
    Pop(u32),
    /// A copy of the value this deep, 1 for the top.
    Copy(u32),
    /// Changes the top for the value this deep.
    Swap(u32),
    /// Brings the top this deep.
    Rotate(u32),
    CopyTwo,
    /// `-x`, `~x`.
    Unary,
    Not,
    /// `bool(x)` for a jump.
    Truth,
    /// Takes the value that a jump tests; `leaves` it where the jump is taken.
    Test {
        leaves: bool,
    },
    Arithmetic {
        of: Arithmetic,
        is_in_place: bool,
    },
    /// A comparison, which may run code of the program.
    Compare(RunsCodeKind),
    /// One that does not: `is`, and whether an exception matches.
    Match {
        takes: u32,
        gives: u32,
    },
    Subscript {
        takes: u32,
    },
    /// A new object from so many values.
    Build(u32),
    /// Adds the items of the top to the object this deep below it.
    Extend(u32),
    /// Takes and gives so many values, and runs code of the program at most.
    Runs {
        kind: RunsCodeKind,
        takes: u32,
        gives: u32,
    },
    Iterate {
        gives: u32,
    },
    /// The next item of an iterator; only a round's own is there afterwards.
    Advance {
        gives: u32,
        gives_if_taken: i32,
    },
    Call {
        args: u32,
        keywords: Keywords,
        has_receiver: bool,
    },
    /// With arguments in a tuple and a dict: so many values in all.
    CallSpread(u32),
    NoteKeywords(u32),
    /// Enters a `with`: leaves its way out and, if there is, what `as` names.
    Enter {
        gives: u32,
    },
    Await,
    /// Hands control to what is awaited, so many values below the top.
    Delegate {
        receiver: u32,
        takes: u32,
        gives: u32,
        gives_if_taken: i32,
    },
    Yield,
    /// Takes and gives so many values, and does nothing else.
    Shuffle {
        takes: u32,
        gives: u32,
    },
    /// Does nothing that is not known from elsewhere, and leaves the stack unknown.
    Lose,
    /// Not followed: the stack is unknown afterwards.
    Opaque,
}

impl Action {
    /// How many values there are more on the stack after it, where its jump is taken or
    /// not; `None` if that is not known.
    #[expect(clippy::match_same_arms, reason = "an action each reads better")]
    pub(super) fn stack_effect(self, is_taken: bool) -> Option<i64> {
        let change = |takes: u32, gives: u32| i64::from(gives) - i64::from(takes);
        Some(match self {
            A::Constant(_)
            | A::SmallInt(_)
            | A::Common(_)
            | A::Something
            | A::Receiver
            | A::Load(_) => 1,
            A::LoadAndClear(_) | A::Copy(_) | A::Special => 1,
            A::Attribute {
                takes, is_method, ..
            } => change(takes, 1 + u32::from(is_method)),
            A::StoreLocal(_) => -1,
            A::DeleteLocal(_) | A::Swap(_) | A::Rotate(_) | A::NoteKeywords(_) => 0,
            A::Store { takes, .. } | A::Pop(takes) => change(takes, 0),
            A::CopyTwo => 2,
            A::Unary | A::Not | A::Truth | A::Await | A::Yield => 0,
            A::Test { leaves } => -i64::from(!(leaves && is_taken)),
            A::Arithmetic { .. } | A::Compare(_) | A::Extend(_) => -1,
            A::Subscript { takes } | A::Build(takes) => change(takes, 1),
            A::Match { takes, gives }
            | A::Runs { takes, gives, .. }
            | A::Shuffle { takes, gives } => change(takes, gives),
            A::Enter { gives } => change(1, gives),
            A::Iterate { gives } => change(1, gives),
            A::Advance { gives_if_taken, .. } if is_taken => gives_if_taken.into(),
            A::Advance { gives, .. } => gives.into(),
            A::Delegate { gives_if_taken, .. } if is_taken => gives_if_taken.into(),
            A::Delegate { takes, gives, .. } => change(takes, gives),
            A::Call {
                args,
                keywords,
                has_receiver,
            } => {
                let names = u32::from(keywords == Keywords::OnStack);
                -i64::from(args) - i64::from(names) - i64::from(has_receiver)
            }
            A::CallSpread(takes) => change(takes, 1),
            A::Lose | A::Opaque => return None,
        })
    }
}
