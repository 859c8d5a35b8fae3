//! Instructions that go on in two ways.

use super::Step;
use crate::bytecode::{
    Effect, EffectKind, MissingKind, Op, RunsCodeKind,
    action::Action,
    dataflow::On,
    value::{Kind, State, Value},
};

impl Step<'_> {
    pub(super) fn test(mut self, leaves: bool) -> State {
        let value = self.take(1).pop().unwrap_or(Value::UNKNOWN);
        self.facts.choice |= value.from;
        // Compiled code decides such a thing before it runs; which way goes on is not followed.
        if value.literal().is_some() {
            self.missing(MissingKind::Operation(self.instruction.op), "");
        }
        if !value.is_plain_test() {
            self.runs(RunsCodeKind::Truth);
        }
        let mut jumped = self.state.clone();
        if leaves {
            jumped.stack.push(Value::new(Kind::Unknown, value.from));
        } else if let Kind::Attempt { call, is_negated } = value.kind {
            let if_true = matches!(
                self.instruction.op,
                Op::PopJumpIfTrue | Op::PopJumpForwardIfTrue | Op::PopJumpBackwardIfTrue
            );
            let on = if if_true == is_negated {
                On::Next
            } else {
                On::Jump
            };
            let effect = Effect {
                kind: EffectKind::Call,
                name: "acquire".to_owned(),
                offset: call,
            };
            self.facts.edge_effects.push((on, effect));
            self.facts.tested.push(call);
        }
        jumped
    }

    /// The next item. An iterator from before the round goes on in the next one.
    pub(super) fn advance(&mut self, gives_if_taken: i32) -> State {
        let beside = u32::from(self.machine.code.minor >= 15);
        let values = self.take(1 + beside);
        let iterator = values.first().cloned().unwrap_or(Value::UNKNOWN);
        if matches!(iterator.kind, Kind::Below(_)) {
            let effect = self.effect(EffectKind::Iterator, "");
            self.facts.effects.push(effect);
        } else {
            self.missing(MissingKind::InnerLoop, "");
        }
        self.runs(RunsCodeKind::Iterate);
        let mut jumped = self.state.clone();
        for value in values {
            if gives_if_taken >= 0 {
                jumped.stack.push(value.clone());
            }
            self.state.stack.push(value);
        }
        for _ in 0..gives_if_taken {
            jumped.stack.push(Value::UNKNOWN);
        }
        self.push(Kind::Unknown, iterator.from);
        jumped
    }

    /// `await` and `yield from`: what runs meanwhile is not seen here, but for sleeps.
    pub(super) fn delegate(mut self, action: Action) -> Option<State> {
        let Action::Delegate {
            receiver,
            gives_if_taken,
            ..
        } = action
        else {
            return None;
        };
        let mut values = self.state.stack.take(1 + receiver);
        let awaited = values.first().cloned().unwrap_or(Value::UNKNOWN);
        if awaited.kind != Kind::Nap {
            let name = awaited.path().map_or("", |path| path.as_str()).to_owned();
            self.missing(MissingKind::Awaited, &name);
        }
        values.pop();
        let mut jumped = self.state.clone();
        if self.instruction.op == Op::Send {
            for value in values {
                if gives_if_taken >= 0 {
                    jumped.stack.push(value.clone());
                }
                self.state.stack.push(value);
            }
        }
        jumped.stack.push(Value::UNKNOWN);
        self.push(Kind::Unknown, 0);
        Some(jumped)
    }
}
