//! What the blocks of a loop do, and what their values are made from.
//!
//! One round of the loop is followed from its header on every way to where it leaves the
//! loop or comes back to the header, with what is known of each value; where ways meet,
//! what both know is kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Code, Effect, EffectKind, Instruction, Loop, Missing, MissingKind, NamedCall, RunsCode,
    SeenCallees,
    action::Action,
    flow::{Block, Edge},
    lower::lower,
    path::Path,
    step::{Machine, Ways},
    value::{Kind, LocalSet, Stack, State, Value},
};

/// Times that a block may be looked at again, on average.
const MAX_VISITS: usize = 16;

/// The loop writes more local variables, or its ways meet more often, than is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfollowed;

/// Which edges out of a block an effect is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// Those on which nothing was raised.
    Plain,
    /// The one to the next instruction.
    Next,
    /// That of the jump.
    Jump,
}

impl On {
    fn is(self, edge: Edge) -> bool {
        match self {
            Self::Plain => edge != Edge::Exception,
            Self::Next => edge == Edge::Next,
            Self::Jump => edge == Edge::Jump,
        }
    }
}

/// A value that a local variable got.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    /// Which variable, by its number in the loop.
    pub(super) slot: usize,
    /// What the value was computed from.
    pub(super) from: LocalSet,
    /// It is the variable's last value and a constant more or less.
    pub(super) is_count: bool,
    /// It is a constant: it comes from nothing that is seen outside.
    pub(super) is_constant: bool,
    pub(super) offset: u32,
}

/// What a block does.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockFacts {
    pub(super) effects: Vec<Effect>,
    /// Effects if control leaves the block so.
    pub(super) edge_effects: Vec<(On, Effect)>,
    pub(super) missing: Vec<Missing>,
    pub(super) calls: Vec<NamedCall>,
    pub(super) runs_code: Vec<RunsCode>,
    pub(super) assignments: Vec<Assignment>,
    /// Local variables that it reads before it writes them.
    pub(super) uses: LocalSet,
    /// Local variables that it writes.
    pub(super) defines: LocalSet,
    /// What its last instruction's choice depends on.
    pub(super) choice: LocalSet,
    /// What its operations work on, so that it depends on it whether they raise.
    pub(super) operands: LocalSet,
    /// Calls whose result says whether they had an effect, and those of them that were
    /// tested.
    pub(super) attempts: Vec<(u32, String)>,
    pub(super) tested: Vec<u32>,
}

impl BlockFacts {
    /// Nothing outlives it, on some way out.
    pub(super) fn is_quiet(&self) -> bool {
        self.effects.is_empty() && self.missing.is_empty()
    }
}

/// What a loop's blocks do.
pub(super) struct Facts {
    pub(super) blocks: BTreeMap<usize, BlockFacts>,
    /// Names of the local variables that the loop writes, by their numbers.
    pub(super) locals: Vec<String>,
}

impl Facts {
    /// Of these calls the callees are known, and judged by themselves.
    pub(super) fn excuse(
        &mut self,
        seen: &SeenCallees,
        instructions: &[Instruction],
        blocks: &[Block],
    ) {
        for facts in self.blocks.values_mut() {
            facts.missing.retain(|one| !seen.are_called_by(one));
        }
        for (offset, name) in seen.unless_raising() {
            let holds = |block: &Block| {
                let of = &instructions[block.instructions.clone()];
                of.iter().any(|one| one.offset == offset)
            };
            let effect = Effect {
                kind: EffectKind::Call,
                name: name.to_owned(),
                offset,
            };
            for (block, facts) in &mut self.blocks {
                if holds(&blocks[*block]) {
                    facts.edge_effects.push((On::Plain, effect.clone()));
                }
            }
        }
    }

    /// Whether nothing outlives the way from a block over one of its edges.
    pub(super) fn is_quiet_edge(&self, from: usize, edge: Edge) -> bool {
        self.blocks
            .get(&from)
            .is_some_and(|facts| !facts.edge_effects.iter().any(|(on, _)| on.is(edge)))
    }

    /// The effects of a block on all its ways to some blocks.
    pub(super) fn effects<'a>(
        &'a self,
        blocks: &'a [Block],
        block: usize,
        within: &'a BTreeSet<usize>,
    ) -> impl Iterator<Item = &'a Effect> {
        let facts = self.blocks.get(&block);
        let own = facts.into_iter().flat_map(|facts| &facts.effects);
        let on_edges = facts.into_iter().flat_map(|facts| &facts.edge_effects);
        let on_edges = on_edges.filter(move |(on, _)| {
            let mut edges = blocks[block].edges.iter();
            edges.any(|(to, edge)| on.is(*edge) && within.contains(to))
        });
        own.chain(on_edges.map(|(_, effect)| effect))
    }
}

/// Follows one round of a loop.
pub(super) fn facts(
    code: &Code<'_>,
    instructions: &[Instruction],
    blocks: &[Block],
    this: &Loop,
) -> Result<Facts, Unfollowed> {
    let written = written(code.minor, instructions, blocks, this)?;
    let locals: Vec<String> = written
        .iter()
        .map(|index| code.local(*index).unwrap_or("?").to_owned())
        .collect();
    let machine = Machine::new(code, instructions, &written);
    let start = State {
        stack: Stack::default(),
        locals: locals
            .iter()
            .enumerate()
            .map(|(slot, name)| {
                let kind = Path::new(name).map_or(Kind::Unknown, Kind::Named);
                Value::new(kind, 1 << slot)
            })
            .collect(),
        keywords: None,
    };
    let states = states(&machine, blocks, this, start)?;
    let mut found = BTreeMap::new();
    for block in &this.blocks {
        let mut facts = BlockFacts::default();
        // A block that the header does not lead to but by leaving the loop has no state.
        if let Some(state) = states.get(block) {
            let ways = run(&machine, &blocks[*block], state, &mut facts);
            check_stack(blocks, *block, this, &ways, instructions, &mut facts);
        }
        found.insert(*block, facts);
    }
    settle_attempts(&mut found);
    Ok(Facts {
        blocks: found,
        locals,
    })
}

/// Indices of the local variables that a loop writes.
pub(super) fn written(
    minor: u8,
    instructions: &[Instruction],
    blocks: &[Block],
    this: &Loop,
) -> Result<Vec<u32>, Unfollowed> {
    let mut written = BTreeSet::new();
    for block in &this.blocks {
        for instruction in &instructions[blocks[*block].instructions.clone()] {
            for action in lower(minor, instruction).into_iter().flatten() {
                if let Action::StoreLocal(index)
                | Action::DeleteLocal(index)
                | Action::LoadAndClear(index) = action
                {
                    written.insert(index);
                }
            }
        }
        if written.len() > LocalSet::BITS as usize {
            return Err(Unfollowed);
        }
    }
    Ok(written.into_iter().collect())
}

/// What is known at the beginning of each block.
fn states(
    machine: &Machine<'_>,
    blocks: &[Block],
    this: &Loop,
    start: State,
) -> Result<BTreeMap<usize, State>, Unfollowed> {
    let mut states = BTreeMap::from([(this.header_block, start)]);
    let mut pending = BTreeSet::from([this.header_block]);
    let mut visits = this.blocks.len() * MAX_VISITS;
    while let Some(block) = pending.pop_first() {
        visits = visits.checked_sub(1).ok_or(Unfollowed)?;
        let Some(state) = states.get(&block) else {
            continue;
        };
        let ways = run(machine, &blocks[block], state, &mut BlockFacts::default());
        for (to, edge) in &blocks[block].edges {
            // The next round begins anew.
            if *to == this.header_block || this.blocks.binary_search(to).is_err() {
                continue;
            }
            let state = ways.over(*edge);
            let is_news = if let Some(known) = states.get_mut(to) {
                known.join(state)
            } else {
                states.insert(*to, state.clone());
                true
            };
            if is_news {
                pending.insert(*to);
            }
        }
    }
    Ok(states)
}

/// Runs a block on what is known at its beginning.
fn run(machine: &Machine<'_>, block: &Block, start: &State, facts: &mut BlockFacts) -> Ways {
    let mut state = start.clone();
    let mut raised = State {
        stack: Stack::lost(),
        locals: start.locals.clone(),
        keywords: None,
    };
    let mut jumped = None;
    for index in block.instructions.clone() {
        jumped = machine.step(index, &mut state, facts);
        for (value, now) in raised.locals.iter_mut().zip(&state.locals) {
            value.join(now);
        }
    }
    Ways::new(state, jumped, raised)
}

/// A round must leave the stack as it found it.
fn check_stack(
    blocks: &[Block],
    block: usize,
    this: &Loop,
    ways: &Ways,
    instructions: &[Instruction],
    facts: &mut BlockFacts,
) {
    let back = blocks[block].edges.iter();
    let mut back = back.filter(|(to, _)| *to == this.header_block);
    if back.any(|(_, edge)| !ways.over(*edge).stack.is_even()) {
        let last = &instructions[blocks[block].instructions.end - 1];
        facts.missing.push(Missing {
            kind: MissingKind::Stack,
            name: String::new(),
            offset: last.offset,
        });
    }
}

/// An attempt whose result is never tested may have had its effect anywhere.
fn settle_attempts(found: &mut BTreeMap<usize, BlockFacts>) {
    let tested: BTreeSet<u32> = found
        .values()
        .flat_map(|facts| facts.tested.iter().copied())
        .collect();
    for facts in found.values_mut() {
        for (offset, name) in &facts.attempts {
            if !tested.contains(offset) {
                facts.missing.push(Missing {
                    kind: MissingKind::Attempt,
                    name: name.clone(),
                    offset: *offset,
                });
            }
        }
    }
}
