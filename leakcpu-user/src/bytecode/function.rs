//! Whether a call of a whole function does anything that outlives it.
//!
//! A call is one round: it begins at the first instruction and ends with a return or an
//! exception. Local variables end with it, so they carry nothing, and a loop inside may
//! count in them; whether it comes to an end is not asked, for then it would be the one
//! that is judged.

use std::collections::BTreeSet;

use super::{
    Code, FunctionJudgement, Instruction, Loop, Op, SeenCallees,
    dataflow::{BlockFacts, Facts, facts},
    flow::{Block, Edge},
    judge::reached,
    loops::ranges,
};

/// Judges a call; `seen` are the calls in it whose callees are judged by themselves.
pub(super) fn judge_function(
    code: &Code<'_>,
    instructions: &[Instruction],
    blocks: &[Block],
    seen: &SeenCallees,
) -> FunctionJudgement {
    if blocks.is_empty() {
        return FunctionJudgement::default();
    }
    let whole = Loop::whole(instructions, blocks);
    let Ok(mut facts) = facts(code, instructions, blocks, &whole) else {
        return FunctionJudgement::default();
    };
    facts.excuse(seen, instructions, blocks);
    let edges = quiet_edges(&facts, blocks);
    let start = Some(0).filter(|start| is_quiet(&facts, *start));
    let from_start = reached(start, &edges, |(from, to)| (from, to));
    let to = |is_end: &dyn Fn(usize) -> bool| {
        let ends = from_start.iter().copied().filter(|block| is_end(*block));
        let to_end = reached(ends, &edges, |(from, to)| (to, from));
        let both: BTreeSet<usize> = from_start.intersection(&to_end).copied().collect();
        ranges(instructions, both.iter().map(|block| &blocks[*block]))
    };
    let last = |block: usize| instructions[blocks[block].instructions.clone()].last();
    FunctionJudgement {
        returning: to(&|block| returns(last(block)) && facts.is_quiet_edge(block, Edge::Next)),
        raising: to(&|block| raises(last(block)) || may_raise_at_once(&facts, blocks, block)),
    }
}

fn is_quiet(facts: &Facts, block: usize) -> bool {
    facts.blocks.get(&block).is_some_and(BlockFacts::is_quiet)
}

/// The edges on which nothing outlives the call.
fn quiet_edges(facts: &Facts, blocks: &[Block]) -> Vec<(usize, usize)> {
    let from = (0..blocks.len()).filter(|block| is_quiet(facts, *block));
    from.flat_map(|from| blocks[from].edges.iter().map(move |edge| (from, edge)))
        .filter(|(from, (to, edge))| is_quiet(facts, *to) && facts.is_quiet_edge(*from, *edge))
        .map(|(from, (to, _))| (from, *to))
        .collect()
}

fn returns(last: Option<&Instruction>) -> bool {
    last.is_some_and(|last| matches!(last.op, Op::ReturnValue | Op::ReturnConst))
}

fn raises(last: Option<&Instruction>) -> bool {
    last.is_some_and(|last| matches!(last.op, Op::RaiseVarargs | Op::Reraise))
}

/// Whether an attempt in a block raises, if it fails, to whoever called the function.
fn may_raise_at_once(facts: &Facts, blocks: &[Block], block: usize) -> bool {
    let is_caught = blocks[block]
        .edges
        .iter()
        .any(|(_, edge)| *edge == Edge::Exception);
    !is_caught && !facts.is_quiet_edge(block, Edge::Next)
}
