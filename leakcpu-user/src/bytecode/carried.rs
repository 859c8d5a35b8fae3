//! Local variables that carry something from one round of a loop to the next.
//!
//! A variable that each round writes before it reads it carries nothing. One that is read
//! first does; still, if no variable's new value is computed from its own old one, over
//! however many others, what the rounds know depends on what they see outside only, and
//! going round once more does nothing that the last round did not: `done = future.done()`.
//!
//! A variable that is given a constant is no sight of anything outside: the loop itself
//! decides what the next round does, `first = False`.

use std::collections::BTreeSet;

use super::{
    Effect, EffectKind,
    dataflow::Facts,
    flow::{Block, Edge},
    value::LocalSet,
};

/// What carries.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Writes of variables whose next value depends on the last, and the blocks they are
    /// in.
    pub(super) effects: Vec<(usize, Effect)>,
}

/// What some blocks of a loop carry over its header.
pub(super) fn carried(
    facts: &Facts,
    blocks: &[Block],
    within: &BTreeSet<usize>,
    header: usize,
) -> Carried {
    let live = live_at(facts, blocks, within, header);
    if live == 0 {
        return Carried::default();
    }
    // What decides which way is taken decides over every write, and so does what is
    // worked on where an exception leads on.
    let control = within.iter().fold(0, |all, block| {
        let inside = |to: &usize| within.contains(to);
        let edges = blocks[*block].edges.iter().filter(|(to, _)| inside(to));
        let all_ways = edges.clone().count();
        let caught = edges.filter(|(_, edge)| *edge == Edge::Exception).count();
        let Some(facts) = facts.blocks.get(block) else {
            return all;
        };
        let choice = if all_ways - caught > 1 {
            facts.choice
        } else {
            0
        };
        let raised = if caught == 0 { 0 } else { facts.operands };
        all | choice | raised
    });
    // For each variable, those that its next value is computed from.
    let mut from = [0; LocalSet::BITS as usize];
    let assignments = || {
        let facts = within
            .iter()
            .filter_map(|block| Some((*block, facts.blocks.get(block)?)));
        facts.flat_map(|(block, facts)| facts.assignments.iter().map(move |one| (block, one)))
    };
    for (_, one) in assignments() {
        from[one.slot] |= (one.from | control) & live;
    }
    let loops: LocalSet = (0..from.len())
        .filter(|slot| reaches(&from, *slot))
        .fold(0, |all, slot| all | 1 << slot);
    let effects = assignments().filter(|(_, one)| {
        let is_given_constant = one.is_constant && live >> one.slot & 1 == 1;
        is_given_constant || loops >> one.slot & 1 == 1
    });
    let effects = effects.map(|(block, one)| {
        let mut others = assignments().filter(|(_, other)| other.slot == one.slot);
        let is_count = others.all(|(_, other)| other.is_count);
        let effect = Effect {
            kind: if is_count {
                EffectKind::Counter
            } else {
                EffectKind::Local
            },
            name: facts.locals.get(one.slot).cloned().unwrap_or_default(),
            offset: one.offset,
        };
        (block, effect)
    });
    Carried {
        effects: effects.collect(),
    }
}

/// The variables that are read before they are written, from the header on.
fn live_at(facts: &Facts, blocks: &[Block], within: &BTreeSet<usize>, header: usize) -> LocalSet {
    let mut live = vec![0; blocks.len()];
    // Sets only grow, by at most one bit of 64 in each pass.
    loop {
        let mut is_changed = false;
        for block in within.iter().rev() {
            let Some(facts) = facts.blocks.get(block) else {
                continue;
            };
            let mut after = 0;
            let mut in_handler = 0;
            for (to, edge) in blocks[*block]
                .edges
                .iter()
                .filter(|(to, _)| within.contains(to))
            {
                // An exception may come before the block's writes.
                match edge {
                    Edge::Exception => in_handler |= live[*to],
                    Edge::Next | Edge::Jump => after |= live[*to],
                }
            }
            let before = facts.uses | in_handler | after & !facts.defines;
            is_changed |= before != live[*block];
            live[*block] = before;
        }
        if !is_changed {
            return live[header];
        }
    }
}

/// Whether a variable is computed from itself, over others or not.
fn reaches(from: &[LocalSet], slot: usize) -> bool {
    let mut seen: LocalSet = 0;
    let mut pending = from[slot];
    while pending != 0 {
        let next = pending.trailing_zeros() as usize;
        if next == slot {
            return true;
        }
        seen |= 1 << next;
        pending = (pending | from[next]) & !seen;
    }
    false
}
