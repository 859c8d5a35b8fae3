//! What an instruction is for, in words that a user of Python knows.

use serde::{Deserialize, Serialize};

use super::{
    Analysis, Op,
    action::{Action, Variable},
    lower::lower,
};

/// Longest expression that is named, in attributes.
const MAX_ATTRIBUTES: usize = 8;

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// `x in y`.
    Contains,
    /// `x + y`, and `x += y`.
    Add,
    /// Other arithmetic.
    Arithmetic,
    /// `x == y`, `x != y`.
    Equal,
    /// `x < y` and the like.
    Compare,
    /// `x[y]`.
    Subscript,
    /// The next item of what a loop goes through.
    Iterate,
    /// A call.
    Call,
    /// A global or built-in name is looked up.
    LoadName,
    /// An attribute is looked up.
    LoadAttribute,
    /// An exception is raised, or handled.
    Exception,
    /// `import`.
    Import,
    /// Anything else.
    Other,
}

/// One of an instruction's actions.
#[derive(Clone, Copy)]
struct Position {
    instruction: usize,
    part: usize,
}

impl Position {
    /// The first one.
    const fn of(instruction: usize) -> Self {
        Self {
            instruction,
            part: 0,
        }
    }
}

/// What an instruction takes from the stack, where that is two values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operands {
    /// The instruction, with its prefixes and caches, in bytes.
    pub bytes: std::ops::Range<u32>,
    /// Values on the frame's stack below these two.
    pub below: u32,
    /// What the program calls them: `self.seen`.
    pub names: [Option<String>; 2],
    /// The result takes the place of the first one: `x += y`, `x = x + y`.
    pub accumulates: bool,
}

/// A loop over items: `for`, a comprehension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemLoop {
    /// Its instructions, in bytes.
    pub ranges: Box<[std::ops::Range<u32>]>,
    /// Values on the frame's stack below what keeps its place: an iterator, and from 3.15 on a
    /// number beside it.
    pub below: u32,
    /// What the program calls the items it goes over.
    pub name: Option<String>,
}

impl Analysis<'_> {
    /// The loops over items that an offset is in, innermost first, as far as there is no other
    /// loop between them.
    pub fn item_loops(&self, offset: u32) -> Vec<ItemLoop> {
        let depths = self.depths();
        let around = self.loops().iter().filter(|one| one.contains(offset));
        let own = around.filter(|one| !self.only_delegates(one));
        own.map_while(|one| {
            let header = self.index_at(one.header)?;
            let kept = if self.minor() >= 15 { 2 } else { 1 };
            let is_over_items = self.instructions()[header].op == Op::ForIter;
            let before = header.checked_sub(1)?;
            let name = self.value_before(Position::of(before), MAX_ATTRIBUTES);
            Some(ItemLoop {
                ranges: one.ranges.clone(),
                below: depths.get(header).copied().flatten()?.checked_sub(kept)?,
                name: name.map(|(name, _)| name),
            })
            .filter(|_| is_over_items)
        })
        .collect()
    }

    /// What the instruction at an offset does; `None` if there is none.
    pub fn operation(&self, offset: u32) -> Option<Operation> {
        let instruction = self.instruction_at(offset)?;
        Some(match instruction.op {
            Op::ImportName | Op::ImportFrom | Op::ImportStar => Operation::Import,
            Op::RaiseVarargs
            | Op::Reraise
            | Op::PushExcInfo
            | Op::PopExcept
            | Op::CheckExcMatch
            | Op::JumpIfNotExcMatch => Operation::Exception,
            // `COMPARE_OP` of 3.8 is the match of an exception too.
            Op::CompareOp if self.minor() < 9 && instruction.arg == 10 => Operation::Exception,
            Op::CompareOp if is_equality(self.minor(), instruction.arg) => Operation::Equal,
            // Followed like the subtraction, but another thing to whoever reads it.
            Op::BinaryOp if matches!(instruction.arg, 0 | 13) => Operation::Add,
            Op::BinaryAdd | Op::InplaceAdd => Operation::Add,
            _ => lower(self.minor(), instruction)
                .into_iter()
                .flatten()
                .map(of_action)
                .find(|operation| *operation != Operation::Other)
                .unwrap_or(Operation::Other),
        })
    }

    /// How many loops of its function the instruction at an offset is in.
    pub fn loop_depth(&self, offset: u32) -> usize {
        let loops = self.loops().iter();
        loops.filter(|one| one.contains(offset)).count()
    }

    /// Whether the innermost loop around an offset goes through the items of something, or as
    /// long as something holds; `None` if it is in no loop. That in which an `await` waits is
    /// none of the program's, and where a loop asks for its next item it is not in it yet: what
    /// gives the items may fetch many at a time.
    pub fn repeats(&self, offset: u32) -> Option<bool> {
        let at = self.instruction_at(offset)?.offset;
        let over_items = |header: u32| {
            let header = self.instruction_at(header)?;
            Some((header.offset, header.op == Op::ForIter))
        };
        let around = self.loops().iter().filter(|one| one.contains(offset));
        let own = around.filter(|one| !self.only_delegates(one));
        own.filter_map(|one| over_items(one.header))
            .find(|(header, over_items)| !over_items || *header != at)
            .map(|(_, over_items)| over_items)
    }

    /// The two operands of the instruction at an offset; `None` if it has not two, or it is not
    /// known how much is on the stack below them.
    pub fn operands(&self, offset: u32) -> Option<Operands> {
        let index = self.index_at(offset)?;
        let instruction = &self.instructions()[index];
        if !matches!(
            self.operation(offset)?,
            Operation::Contains
                | Operation::Add
                | Operation::Arithmetic
                | Operation::Equal
                | Operation::Compare
        ) {
            return None;
        }
        let depth = self.depths().get(index).copied().flatten()?;
        let right = self.value_before(Position::of(index), MAX_ATTRIBUTES);
        let left = right
            .as_ref()
            .and_then(|(_, from)| self.value_before(*from, MAX_ATTRIBUTES));
        let left = left.map(|(name, _)| name);
        let stored_as = self.stored_by(index + 1);
        let is_in_place = match lower(self.minor(), instruction)[0] {
            Some(Action::Arithmetic { is_in_place, .. }) => is_in_place,
            _ => false,
        };
        Some(Operands {
            bytes: instruction.bytes.clone(),
            below: depth.checked_sub(2)?,
            accumulates: is_in_place || left.is_some() && left == stored_as,
            names: [
                left.or(stored_as.filter(|_| is_in_place)),
                right.map(|(name, _)| name),
            ],
        })
    }

    /// The name of the value on top of the stack before an action, and the first of those that
    /// left it there.
    fn value_before(&self, at: Position, limit: usize) -> Option<(String, Position)> {
        let before = self.action_before(at)?;
        match lower(self.minor(), &self.instructions()[before.instruction])[before.part]? {
            Action::Load(variable) => Some((self.variable(variable)?, before)),
            Action::Attribute {
                name,
                takes: 1,
                is_method: false,
            } if limit > 0 => {
                let (of, from) = self.value_before(before, limit - 1)?;
                Some((format!("{of}.{}", self.code().name(name)?), from))
            }
            _ => None,
        }
    }

    fn action_before(&self, at: Position) -> Option<Position> {
        if let Some(part) = at.part.checked_sub(1) {
            return Some(Position { part, ..at });
        }
        let instruction = self.before(at.instruction)?;
        let actions = lower(self.minor(), &self.instructions()[instruction]);
        Some(Position {
            instruction,
            part: usize::from(actions[1].is_some()),
        })
    }

    /// The instruction before one, but for those that do nothing.
    fn before(&self, index: usize) -> Option<usize> {
        // What jumps here comes from elsewhere.
        if self.begins_block(index) {
            return None;
        }
        self.instructions()
            .get(..index)?
            .iter()
            .rposition(|instruction| {
                !matches!(
                    instruction.op,
                    Op::Nop | Op::Resume | Op::NotTaken | Op::Precall
                )
            })
    }

    fn stored_by(&self, index: usize) -> Option<String> {
        let instruction = self.instructions().get(index)?;
        let code = self.code();
        match lower(self.minor(), instruction)[0]? {
            Action::StoreLocal(local) => code.local(local).map(str::to_owned),
            // What is stored lies below the object that it becomes an attribute of.
            Action::Store {
                name: Some(name), ..
            } => code.name(name).map(str::to_owned),
            // `self.text += x` turns the two round before it stores.
            Action::Swap(2) | Action::Rotate(2) => self.stored_by(index + 1),
            // `self` is loaded anew.
            Action::Load(of) if instruction.op != Op::LoadConst => {
                let next = self.instructions().get(index + 1)?;
                match lower(self.minor(), next)[0]? {
                    Action::Store {
                        name: Some(name), ..
                    } if next.op == Op::StoreAttr => {
                        Some(format!("{}.{}", self.variable(of)?, code.name(name)?))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn variable(&self, variable: Variable) -> Option<String> {
        let code = self.code();
        let name = match variable {
            Variable::Local(index) => code.local(index),
            Variable::Name(index) => code.name(index),
            Variable::Cell(index) => code.cell(index),
        };
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    }
}

/// Whether `COMPARE_OP` asks for equality: its number among `<`, `<=`, `==`, `!=`, `>`, `>=`, which
/// from 3.12 on has other bits below it (`Lib/opcode.py`, `Python/compile.c`).
const fn is_equality(minor: u8, arg: u32) -> bool {
    let number = match minor {
        ..=11 => arg,
        12 => arg >> 4,
        _ => arg >> 5,
    };
    matches!(number, 2 | 3)
}

fn of_action(action: Action) -> Operation {
    match action {
        Action::Compare(super::RunsCodeKind::Contains) => Operation::Contains,
        Action::Compare(_) => Operation::Compare,
        Action::Arithmetic { .. } | Action::Unary => Operation::Arithmetic,
        Action::Subscript { .. } => Operation::Subscript,
        Action::Iterate { .. } | Action::Advance { .. } => Operation::Iterate,
        Action::Call { .. } | Action::CallSpread(_) => Operation::Call,
        Action::Load(Variable::Name(_)) => Operation::LoadName,
        Action::Attribute { .. } => Operation::LoadAttribute,
        _ => Operation::Other,
    }
}
