//! One instruction, on what is known of the values it works on.

mod call;
mod compute;
mod control;
mod values;

use std::collections::HashMap;

use super::{
    Code, Effect, EffectKind, Instruction, Missing, MissingKind, Op, RunsCode, RunsCodeKind,
    action::{Action, Variable},
    dataflow::BlockFacts,
    flow::Edge,
    lower::lower,
    path::Path,
    value::{Kind, Literal, LocalSet, Stack, State, Value, union},
};
use values::{common, literal};

/// What is known where control leaves a block.
pub(super) struct Ways {
    next: State,
    jumped: Option<State>,
    raised: State,
}

impl Ways {
    pub(super) fn new(next: State, jumped: Option<State>, raised: State) -> Self {
        Self {
            next,
            jumped,
            raised,
        }
    }

    pub(super) fn over(&self, edge: Edge) -> &State {
        match edge {
            Edge::Next => &self.next,
            Edge::Jump => self.jumped.as_ref().unwrap_or(&self.next),
            Edge::Exception => &self.raised,
        }
    }
}

/// Runs instructions of one code object for one loop.
pub(super) struct Machine<'a> {
    code: &'a Code<'a>,
    instructions: &'a [Instruction],
    /// Numbers of the local variables that the loop writes, by their index.
    slots: HashMap<u32, usize>,
}

/// One instruction at work.
struct Step<'a> {
    machine: &'a Machine<'a>,
    instruction: &'a Instruction,
    index: usize,
    state: &'a mut State,
    facts: &'a mut BlockFacts,
}

impl<'a> Machine<'a> {
    pub(super) fn new(
        code: &'a Code<'a>,
        instructions: &'a [Instruction],
        written: &[u32],
    ) -> Self {
        Self {
            code,
            instructions,
            slots: written.iter().copied().zip(0..).collect(),
        }
    }

    /// Runs an instruction; what is known if its jump is taken, where that differs.
    pub(super) fn step(
        &self,
        index: usize,
        state: &mut State,
        facts: &mut BlockFacts,
    ) -> Option<State> {
        let instruction = &self.instructions[index];
        let mut jumped = None;
        for action in lower(self.code.minor, instruction).into_iter().flatten() {
            let step = Step {
                machine: self,
                instruction,
                index,
                state,
                facts,
            };
            jumped = step.act(action);
        }
        jumped
    }
}

impl Step<'_> {
    fn push(&mut self, kind: Kind, from: LocalSet) {
        self.state.stack.push(Value::new(kind, from));
    }

    fn pop(&mut self) -> Value {
        self.state.stack.pop()
    }

    /// Takes values that the instruction works on.
    fn take(&mut self, count: u32) -> Vec<Value> {
        let values = self.state.stack.take(count);
        self.facts.operands |= union(&values);
        values
    }

    fn runs(&mut self, kind: RunsCodeKind) {
        self.facts.runs_code.push(RunsCode {
            kind,
            offset: self.instruction.offset,
        });
    }

    fn effect(&self, kind: EffectKind, name: &str) -> Effect {
        Effect {
            kind,
            name: name.to_owned(),
            offset: self.instruction.offset,
        }
    }

    fn missing(&mut self, kind: MissingKind, name: &str) {
        self.facts.missing.push(Missing {
            kind,
            name: name.to_owned(),
            offset: self.instruction.offset,
        });
    }

    fn act(mut self, action: Action) -> Option<State> {
        match action {
            Action::Constant(index) => {
                let literal = literal(self.machine.code, index);
                self.push(Kind::Literal(literal), 0);
            }
            Action::SmallInt(value) => self.push(Kind::Literal(Literal::Int(value.into())), 0),
            Action::Common(index) => self.push(Kind::Literal(common(index)), 0),
            Action::Something => self.push(Kind::Unknown, 0),
            Action::Receiver => self.push(Kind::Receiver, 0),
            Action::Load(variable) => self.load(variable),
            Action::LoadAndClear(index) => {
                self.load(Variable::Local(index));
                self.assign(index, &Value::UNKNOWN);
            }
            Action::StoreLocal(index) => {
                let value = self.pop();
                self.assign(index, &value);
            }
            Action::DeleteLocal(index) => self.assign(index, &Value::UNKNOWN),
            Action::Attribute {
                name,
                takes,
                is_method,
            } => self.attribute(name, takes, is_method),
            Action::Special => {
                let value = self.take(1).pop().unwrap_or(Value::UNKNOWN);
                // Which one, only its order says; a lock's are all harmless.
                let path = Path::attribute(value.path(), "__exit__");
                self.push(path.map_or(Kind::Unknown, Kind::Named), value.from);
                self.push(Kind::Receiver, 0);
                self.runs(RunsCodeKind::Context);
            }
            Action::Store { kind, name, takes } => {
                self.take(takes);
                let name = name.and_then(|name| self.machine.code.name(name));
                let effect = self.effect(kind, name.unwrap_or_default());
                self.facts.effects.push(effect);
            }
            Action::Pop(count) => {
                self.state.stack.take(count);
            }
            Action::Copy(_)
            | Action::Swap(_)
            | Action::Rotate(_)
            | Action::CopyTwo
            | Action::Shuffle { .. } => self.shuffle(action),
            Action::NoteKeywords(index) => self.state.keywords = Some(index),
            Action::Lose => self.state.stack = Stack::lost(),
            Action::Opaque => {
                self.state.stack = Stack::lost();
                self.missing(MissingKind::Operation(self.instruction.op), "");
            }
            Action::Test { leaves } => return Some(self.test(leaves)),
            Action::Advance { gives_if_taken, .. } => return Some(self.advance(gives_if_taken)),
            Action::Delegate { .. } => return self.delegate(action),
            Action::Call {
                args,
                keywords,
                has_receiver,
            } => self.call(args, keywords, has_receiver),
            Action::CallSpread(takes) => self.call_spread(takes),
            Action::Enter { gives } => self.enter(gives),
            Action::Yield => {
                let next = self.machine.instructions.get(self.index + 1);
                // `RESUME` says after what: 2 and 3 are `yield from` and `await`.
                let delegates = next.is_some_and(|next| next.op == Op::Resume && next.arg & 3 > 1);
                if !delegates {
                    let effect = self.effect(EffectKind::Yield, "");
                    self.facts.effects.push(effect);
                }
                self.pop();
                self.push(Kind::Unknown, 0);
            }
            _ => self.compute(action),
        }
        None
    }
}
