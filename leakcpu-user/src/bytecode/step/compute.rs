//! Operations that make one value of others.

use super::Step;
use crate::bytecode::{
    MissingKind, RunsCodeKind,
    action::{Action, Arithmetic},
    value::{Kind, Literal, Stack, Value, union},
};

impl Step<'_> {
    /// Operations that make one value of others.
    pub(super) fn compute(&mut self, action: Action) {
        match action {
            Action::Unary => {
                let value = self.take(1).pop().unwrap_or(Value::UNKNOWN);
                if !value.is_number() {
                    self.runs(RunsCodeKind::Arithmetic);
                }
                let kind = if value.is_number() {
                    Kind::Number
                } else {
                    Kind::Unknown
                };
                self.push(kind, value.from);
            }
            Action::Not | Action::Truth => {
                let value = self.take(1).pop().unwrap_or(Value::UNKNOWN);
                if !value.is_plain_test() {
                    self.runs(RunsCodeKind::Truth);
                }
                let kind = match value.kind {
                    Kind::Attempt { call, is_negated } => Kind::Attempt {
                        call,
                        is_negated: is_negated != (action == Action::Not),
                    },
                    _ => Kind::Truth,
                };
                self.push(kind, value.from);
            }
            Action::Arithmetic { of, is_in_place } => self.arithmetic(of, is_in_place),
            Action::Compare(kind) => {
                let values = self.take(2);
                if !values.iter().all(Value::is_number) {
                    self.runs(kind);
                }
                // A comparison may give anything: an array's gives an array.
                let is_plain = values.iter().all(Value::is_number);
                let kind = if is_plain { Kind::Truth } else { Kind::Unknown };
                self.push(kind, union(&values));
            }
            Action::Match { takes, gives } => {
                let from = union(&self.take(takes));
                for _ in 0..gives {
                    self.push(Kind::Truth, from);
                }
            }
            Action::Subscript { takes } => {
                let from = union(&self.take(takes));
                self.runs(RunsCodeKind::Subscript);
                self.push(Kind::Unknown, from);
            }
            Action::Build(takes) => {
                let from = union(&self.take(takes));
                self.push(Kind::Literal(Literal::Other), from);
            }
            Action::Extend(depth) => self.extend(depth),
            Action::Runs { kind, takes, gives } => {
                let from = union(&self.take(takes));
                self.runs(kind);
                if gives > 64 {
                    self.state.stack = Stack::lost();
                    return;
                }
                for _ in 0..gives {
                    self.push(Kind::Unknown, from);
                }
            }
            Action::Iterate { gives } => {
                let from = union(&self.take(1));
                self.runs(RunsCodeKind::Iterate);
                for _ in 0..gives {
                    self.push(Kind::Unknown, from);
                }
            }
            Action::Await => {
                let value = self.pop();
                let kind = if value.kind == Kind::Nap {
                    Kind::Nap
                } else {
                    Kind::Unknown
                };
                self.push(kind, value.from);
            }
            _ => {}
        }
    }

    pub(super) fn arithmetic(&mut self, of: Arithmetic, is_in_place: bool) {
        let values = self.take(2);
        let numbers = values.iter().filter(|value| value.is_number()).count();
        let is_known = numbers == values.len();
        if !is_known {
            self.runs(RunsCodeKind::Arithmetic);
            let may_change = is_in_place && !values.iter().any(Value::is_number);
            if may_change || of == Arithmetic::Other && numbers == 0 {
                self.missing(MissingKind::Arithmetic, "");
            }
        }
        let from = union(&values);
        let kind = match (of, &*values) {
            _ if is_known => Kind::Number,
            (Arithmetic::Sum, [a, b]) => match (self.own_value(a), self.own_value(b)) {
                (Some(slot), _) if b.literal().is_some() => Kind::Step(slot),
                (_, Some(slot)) if a.literal().is_some() => Kind::Step(slot),
                _ => Kind::Unknown,
            },
            _ => Kind::Unknown,
        };
        self.push(kind, from);
    }

    /// The variable whose value it is, unchanged since the round began.
    pub(super) fn own_value(&self, value: &Value) -> Option<usize> {
        let slot = usize::try_from(value.from.trailing_zeros()).ok()?;
        let is_one = value.from.is_power_of_two();
        let path = value.path()?;
        let names = self.machine.slots.iter();
        let mut names = names.filter(|(_, of)| **of == slot);
        let name = names.find_map(|(index, _)| self.machine.code.local(*index));
        (is_one && name == Some(path.as_str())).then_some(slot)
    }

    /// `[*items]`: reads an iterable to its end, which may be what it is there for.
    pub(super) fn extend(&mut self, depth: u32) {
        let items = self.take(1).pop().unwrap_or(Value::UNKNOWN);
        let below = self.state.stack.take(depth);
        let is_new = below
            .first()
            .is_some_and(|target| matches!(target.kind, Kind::Literal(_)));
        let from = items.from | below.first().map_or(0, |target| target.from);
        for (i, mut value) in below.into_iter().enumerate() {
            if i == 0 {
                value.from = from;
            }
            self.state.stack.push(value);
        }
        if !is_new || !matches!(items.kind, Kind::Literal(_)) {
            self.missing(MissingKind::Operation(self.instruction.op), "");
        }
    }
}
