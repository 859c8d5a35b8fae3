//! Loops that do nothing but fill a list, so that a comprehension does the same.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Analysis, Loop, Op,
    action::{Action, Keywords, Variable},
    flow::Edge,
    lower::lower,
};

/// The method that makes a list longer by one.
const APPEND: &str = "append";

/// What a loop appends to, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Index of the local variable that it appends to.
    pub list: u32,
    /// What the program calls it.
    pub name: String,
    /// The instructions that load the list, look up its method, call that and drop its result, in
    /// bytes: what a comprehension does without.
    pub ranges: Box<[Range<u32>]>,
}

/// An action of an instruction in the loop.
struct Step {
    instruction: usize,
    action: Action,
    /// Values on the frame's stack before it.
    depth: i64,
}

impl Analysis<'_> {
    /// What a loop over items appends to, if that is all it does with them: it calls `append` of a
    /// local variable once a turn, or on some turns, and stores nothing but the items themselves.
    /// It neither ends early nor handles exceptions, and it reads what it fills nowhere else.
    pub fn only_appends(&self, this: &Loop) -> Option<Append> {
        let header = self.index_at(this.header)?;
        let is_over_items = self.instructions()[header].op == Op::ForIter;
        let is_innermost = !self.loops().iter().any(|other| this.holds(other));
        if !is_over_items || !is_innermost || !self.goes_on_to_the_end(this) {
            return None;
        }
        let steps = self.steps(this, header)?;
        let floor = i64::from(self.depths().get(header).copied().flatten()?);
        let targets = targets(&steps, floor)?;
        let body = &steps[targets..];
        let load = body.windows(2).position(|pair| {
            let is_append = matches!(
                pair[1].action,
                Action::Attribute { name, takes: 1, is_method: true }
                    if self.code().name(name) == Some(APPEND)
            );
            is_append && pair[0].depth == floor
        })?;
        let Action::Load(Variable::Local(list)) = body[load].action else {
            return None;
        };
        let name = self.code().local(list).filter(|name| !name.is_empty())?;
        let call =
            (load + 2..body.len()).find(|at| body[*at].depth == floor + 3 && ends(body, *at))?;
        let argument = &body[load + 2..call];
        let is_one_call = argument.iter().all(|step| step.depth >= floor + 2);
        let is_own = |at: usize| at == load || at == call + 1;
        let others = body.iter().enumerate().filter(|(at, _)| !is_own(*at));
        let stored = steps[..targets]
            .iter()
            .any(|step| matches!(step.action, Action::StoreLocal(local) if local == list));
        if !is_one_call
            || stored
            || !others
                .clone()
                .all(|(_, step)| is_part_of_an_expression(step, list))
        {
            return None;
        }
        let instructions = self.instructions();
        let bytes = |at: usize| instructions[body[at].instruction].bytes.clone();
        // 3.11 may do all of it at the instruction before the call.
        let before = body[call].instruction.checked_sub(1)?;
        let start = match instructions[before].op {
            Op::Precall => instructions[before].bytes.start,
            _ => bytes(call).start,
        };
        // What loads the list may be what stores the item, too (3.13 and later).
        let loads = &instructions[body[load].instruction];
        let [_, second] = lower(self.minor(), loads);
        let first = if second.is_none() { load } else { load + 1 };
        Some(Append {
            list,
            name: name.to_owned(),
            ranges: [
                bytes(first).start..bytes(load + 1).end,
                start..bytes(call + 1).end,
            ]
            .into(),
        })
    }

    /// Whether a loop goes on until there are no more items: its body neither leaves it nor has
    /// handlers of its own.
    fn goes_on_to_the_end(&self, this: &Loop) -> bool {
        let around: BTreeSet<usize> =
            self.goes_to(this.header_block, |edge| edge == Edge::Exception);
        this.blocks
            .iter()
            .filter(|block| **block != this.header_block)
            .all(|block| {
                let plain = self.goes_to(*block, |edge| edge != Edge::Exception);
                let raised = self.goes_to(*block, |edge| edge == Edge::Exception);
                plain.iter().all(|to| this.blocks.binary_search(to).is_ok())
                    && raised.is_subset(&around)
            })
    }

    /// What a loop does behind its header, in the order of the instructions; `None` where it is not
    /// known how much is on the stack.
    fn steps(&self, this: &Loop, header: usize) -> Option<Vec<Step>> {
        let depths = self.depths();
        let mut steps = Vec::new();
        for block in this
            .blocks
            .iter()
            .filter(|block| **block != this.header_block)
        {
            for instruction in self.instructions_of(*block) {
                let mut depth = i64::from(depths.get(instruction).copied().flatten()?);
                let of = &self.instructions()[instruction];
                for mut action in lower(self.minor(), of).into_iter().flatten() {
                    if matches!(action, Action::Pop(1)) && of.op != Op::PopTop {
                        // A jump that asks for `None`.
                        action = Action::Test { leaves: false };
                    }
                    if action != (Action::Shuffle { takes: 0, gives: 0 }) {
                        steps.push(Step {
                            instruction,
                            action,
                            depth,
                        });
                    }
                    depth += action.stack_effect(false)?;
                }
            }
        }
        // The header has a block of its own, before all others.
        let first = steps.first()?.instruction;
        (first > header).then_some(steps)
    }
}

/// How many of the first steps take up the next item: they store it, or parts of it, in local
/// variables.
fn targets(steps: &[Step], floor: i64) -> Option<usize> {
    let body = steps.iter().position(|step| step.depth == floor)?;
    let takes_up = |step: &Step| {
        matches!(
            step.action,
            Action::StoreLocal(_)
                | Action::Runs {
                    kind: super::RunsCodeKind::Iterate,
                    ..
                }
        )
    };
    steps[..body].iter().all(takes_up).then_some(body)
}

/// Whether there is a call of one argument here whose result is dropped.
fn ends(body: &[Step], at: usize) -> bool {
    let is_call = matches!(
        body[at].action,
        Action::Call {
            args: 1,
            keywords: Keywords::None | Keywords::Noted,
            has_receiver: true,
        }
    );
    let next = body.get(at + 1);
    is_call
        && next
            .is_some_and(|next| next.action == Action::Pop(1) && next.depth + 2 == body[at].depth)
}

/// Whether a step changes nothing by itself, and does not look at the list.
fn is_part_of_an_expression(step: &Step, list: u32) -> bool {
    use Action as A;
    match step.action {
        A::Load(variable) => variable != Variable::Local(list),
        A::Constant(_)
        | A::SmallInt(_)
        | A::Common(_)
        | A::Receiver
        | A::Attribute { .. }
        | A::Copy(_)
        | A::CopyTwo
        | A::Swap(_)
        | A::Rotate(_)
        | A::Unary
        | A::Not
        | A::Truth
        | A::Test { .. }
        | A::Arithmetic { .. }
        | A::Compare(_)
        | A::Match { .. }
        | A::Subscript { .. }
        | A::Build(_)
        | A::Extend(_)
        | A::Runs { .. }
        | A::Iterate { .. }
        | A::NoteKeywords(_)
        | A::Call { .. }
        | A::CallSpread(_) => true,
        _ => false,
    }
}
