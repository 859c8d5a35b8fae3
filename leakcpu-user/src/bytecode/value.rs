//! What is known of a value on the stack or in a local variable.

use super::path::Path;

/// Values that are kept of a stack; no compiled expression needs more than a few.
const MAX_KNOWN: usize = 64;

/// A set of the local variables that a loop writes, by their number there.
pub(super) type LocalSet = u64;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Unknown,
    /// The free slot beside a callable: `NULL`, or the object that a method is of.
    Receiver,
    Literal(Literal),
    /// What a clock or a predicate gave, and what is computed from that.
    Number,
    /// `True` or `False`.
    Truth,
    /// What the program calls so.
    Named(Path),
    /// Whether an attempt by the call at this offset succeeded, or did not.
    Attempt {
        call: u32,
        is_negated: bool,
    },
    /// What has to be awaited for a sleep.
    Nap,
    /// A variable's value from the beginning of the round, and a constant more or less.
    Step(usize),
    /// What lay this deep below the top of the stack when the round began.
    Below(u32),
}

/// A constant as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Float,
    Text,
    /// Names of keyword arguments: the number of the constant.
    Names(u32),
    Tuple,
    Other,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    /// The local variables that it was computed from, as they were when the round began.
    pub(super) from: LocalSet,
}

impl Value {
    pub(super) const fn new(kind: Kind, from: LocalSet) -> Self {
        Self { kind, from }
    }

    pub(super) const UNKNOWN: Self = Self::new(Kind::Unknown, 0);

    pub(super) fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Named(path) => Some(path),
            _ => None,
        }
    }

    pub(super) fn literal(&self) -> Option<Literal> {
        match self.kind {
            Kind::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(
            self.kind,
            Kind::Number
                | Kind::Truth
                | Kind::Literal(Literal::Int(_) | Literal::Float | Literal::Bool(_))
        )
    }

    /// Testing it runs no code of the program.
    pub(super) fn is_plain_test(&self) -> bool {
        self.is_number() || matches!(self.kind, Kind::Literal(_) | Kind::Attempt { .. })
    }

    pub(super) fn join(&mut self, other: &Self) -> bool {
        let from = self.from | other.from;
        let kind = if self.kind == other.kind {
            self.kind.clone()
        } else if self.is_number() && other.is_number() {
            Kind::Number
        } else {
            Kind::Unknown
        };
        let joined = Self { kind, from };
        let is_changed = joined != *self;
        *self = joined;
        is_changed
    }
}

/// The top of the value stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stack {
    known: Vec<Value>,
    /// How many values from before the round have been taken off.
    taken: u32,
    /// How far the top is from where it was is not known: inside of a handler.
    is_lost: bool,
}

impl Stack {
    /// As in a handler.
    pub(super) fn lost() -> Self {
        Self {
            is_lost: true,
            ..Self::default()
        }
    }

    pub(super) fn pop(&mut self) -> Value {
        if let Some(value) = self.known.pop() {
            return value;
        }
        if self.is_lost {
            return Value::UNKNOWN;
        }
        self.taken = self.taken.saturating_add(1);
        Value::new(Kind::Below(self.taken - 1), 0)
    }

    pub(super) fn push(&mut self, value: Value) {
        if !self.is_lost
            && self.known.is_empty()
            && self.taken > 0
            && value.kind == Kind::Below(self.taken - 1)
        {
            self.taken -= 1;
        } else if self.known.len() < MAX_KNOWN {
            self.known.push(value);
        } else {
            *self = Self::lost();
        }
    }

    /// Takes `count` values off, the topmost last; of very many only the last ones are
    /// given back.
    pub(super) fn take(&mut self, count: u32) -> Vec<Value> {
        if count as usize > MAX_KNOWN {
            *self = Self::lost();
            return Vec::new();
        }
        let mut values: Vec<Value> = (0..count).map(|_| self.pop()).collect();
        values.reverse();
        values
    }

    /// Whether it is as it was when the round began, as far as is known.
    pub(super) fn is_even(&self) -> bool {
        self.is_lost || self.taken == 0 && self.known.is_empty()
    }

    /// Takes in another way to get here; whether that changed anything.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        let mut other = other.clone();
        if !self.is_lost && !other.is_lost {
            let taken = self.taken.max(other.taken);
            self.reach(taken);
            other.reach(taken);
        }
        let same_depth = self.known.len() == other.known.len();
        if self.is_lost || other.is_lost || !same_depth {
            let keep = self.known.len().min(other.known.len());
            self.known.drain(..self.known.len() - keep);
            other.known.drain(..other.known.len() - keep);
            self.is_lost = true;
            self.taken = 0;
        }
        for (value, other) in self.known.iter_mut().zip(&other.known) {
            value.join(other);
        }
        *self != before
    }

    /// Counts values that were left in place among those taken off.
    fn reach(&mut self, taken: u32) {
        // Both stacks of a join have at most this many.
        if taken as usize > MAX_KNOWN {
            *self = Self::lost();
            return;
        }
        let more = (self.taken..taken).rev();
        let below = more.map(|depth| Value::new(Kind::Below(depth), 0));
        self.known = below.chain(self.known.drain(..)).collect();
        self.taken = taken;
    }
}

/// All that is known at a point of a round.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) stack: Stack,
    /// The local variables that the loop writes.
    pub(super) locals: Vec<Value>,
    /// Names of the keyword arguments of the next call (3.11, 3.12): a constant's number.
    pub(super) keywords: Option<u32>,
}

impl State {
    /// Takes in another way to get here; whether that changed anything.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let mut is_changed = self.stack.join(&other.stack);
        for (value, other) in self.locals.iter_mut().zip(&other.locals) {
            is_changed |= value.join(other);
        }
        if self.keywords != other.keywords && self.keywords.is_some() {
            self.keywords = None;
            is_changed = true;
        }
        is_changed
    }
}

/// The variables that some values were computed from.
pub(super) fn union(values: &[Value]) -> LocalSet {
    values.iter().fold(0, |all, value| all | value.from)
}
