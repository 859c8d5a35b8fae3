//! Loads, stores, and what only moves values.

use super::Step;
use crate::bytecode::{
    Code, RunsCodeKind,
    action::{Action, Variable},
    code::Constant,
    dataflow::Assignment,
    path::Path,
    value::{Kind, Literal, Value, union},
};

impl Step<'_> {
    pub(super) fn load(&mut self, variable: Variable) {
        let code = self.machine.code;
        let named =
            |name: Option<&str>| name.and_then(Path::new).map_or(Kind::Unknown, Kind::Named);
        let value = match variable {
            Variable::Local(index) => match self.machine.slots.get(&index) {
                Some(&slot) => {
                    if self.facts.defines >> slot & 1 == 0 {
                        self.facts.uses |= 1 << slot;
                    }
                    self.state
                        .locals
                        .get(slot)
                        .cloned()
                        .unwrap_or(Value::UNKNOWN)
                }
                None => Value::new(named(code.local(index)), 0),
            },
            Variable::Name(index) => Value::new(named(code.name(index)), 0),
            Variable::Cell(index) => Value::new(named(code.cell(index)), 0),
        };
        self.state.stack.push(value);
    }

    pub(super) fn assign(&mut self, index: u32, value: &Value) {
        let Some(&slot) = self.machine.slots.get(&index) else {
            return;
        };
        self.facts.assignments.push(Assignment {
            slot,
            from: value.from,
            is_count: value.kind == Kind::Step(slot),
            is_constant: matches!(value.kind, Kind::Literal(_)),
            offset: self.instruction.offset,
        });
        self.facts.defines |= 1 << slot;
        let kind = match &value.kind {
            // It is tested on the stack, or not followed.
            Kind::Attempt { .. } | Kind::Below(_) | Kind::Receiver => Kind::Unknown,
            kind => kind.clone(),
        };
        if let Some(local) = self.state.locals.get_mut(slot) {
            *local = Value::new(kind, value.from);
        }
    }

    pub(super) fn attribute(&mut self, name: u32, takes: u32, is_method: bool) {
        let values = self.take(takes);
        let of = values.last().filter(|_| takes == 1).and_then(Value::path);
        let name = self.machine.code.name(name);
        let path = name.and_then(|name| Path::attribute(of, name));
        self.push(path.map_or(Kind::Unknown, Kind::Named), union(&values));
        if is_method {
            self.push(Kind::Receiver, 0);
        }
        self.runs(RunsCodeKind::Attribute);
    }

    pub(super) fn shuffle(&mut self, action: Action) {
        let stack = &mut self.state.stack;
        match action {
            Action::Copy(depth) if depth > 0 => {
                let values = stack.take(depth);
                let copy = values.first().cloned().unwrap_or(Value::UNKNOWN);
                for value in values {
                    stack.push(value);
                }
                stack.push(copy);
            }
            Action::CopyTwo => {
                let values = stack.take(2);
                let both = values.iter().chain(&values);
                for value in both {
                    stack.push(value.clone());
                }
            }
            Action::Swap(depth) if depth > 1 => {
                let mut values = stack.take(depth);
                let last = values.len().saturating_sub(1);
                if last > 0 {
                    values.swap(0, last);
                }
                for value in values {
                    stack.push(value);
                }
            }
            Action::Rotate(depth) if depth > 1 => {
                let mut values = stack.take(depth);
                if !values.is_empty() {
                    values.rotate_right(1);
                }
                for value in values {
                    stack.push(value);
                }
            }
            Action::Shuffle { takes, gives } => {
                let from = union(&stack.take(takes));
                for _ in 0..gives {
                    stack.push(Value::new(Kind::Unknown, from));
                }
            }
            _ => {}
        }
    }
}

pub(super) fn literal(code: &Code<'_>, index: u32) -> Literal {
    match code.constants.get(index as usize) {
        Some(Constant::None) => Literal::None,
        Some(Constant::Bool(value)) => Literal::Bool(*value),
        Some(Constant::Int(value)) => Literal::Int(*value),
        Some(Constant::Float(_)) => Literal::Float,
        Some(Constant::Text(_)) => Literal::Text,
        Some(Constant::Names(_)) => Literal::Names(index),
        Some(Constant::Tuple) => Literal::Tuple,
        Some(Constant::Other) | None => Literal::Other,
    }
}

/// `_common_constants` of the module `opcode` (3.14, more of them in 3.15).
pub(super) fn common(index: u32) -> Literal {
    match index {
        7 => Literal::None,
        8 => Literal::Text,
        9 => Literal::Bool(true),
        10 => Literal::Bool(false),
        11 => Literal::Int(-1),
        _ => Literal::Other,
    }
}
