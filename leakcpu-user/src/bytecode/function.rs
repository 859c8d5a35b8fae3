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
    flow::Block,
    judge::{MAX_KEPT, reached},
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
    facts.excuse(seen);
    let quiet = quiet(&facts, instructions, blocks);
    let mut calls: Vec<_> = quiet
        .iter()
        .filter_map(|block| facts.blocks.get(block))
        .flat_map(|facts| facts.calls.clone())
        .collect();
    calls.truncate(MAX_KEPT);
    FunctionJudgement {
        quiet: ranges(instructions, quiet.iter().map(|block| &blocks[*block])),
        calls,
    }
}

/// The blocks on ways from the beginning to an end on which nothing outlives the call.
fn quiet(facts: &Facts, instructions: &[Instruction], blocks: &[Block]) -> BTreeSet<usize> {
    let is_quiet = |block: &usize| facts.blocks.get(block).is_some_and(BlockFacts::is_quiet);
    if !is_quiet(&0) {
        return BTreeSet::new();
    }
    let edges: Vec<(usize, usize)> = (0..blocks.len())
        .filter(is_quiet)
        .flat_map(|from| blocks[from].edges.iter().map(move |edge| (from, edge)))
        .filter(|(from, (to, edge))| is_quiet(to) && facts.is_quiet_edge(*from, *edge))
        .map(|(from, (to, _))| (from, *to))
        .collect();
    let from_start = reached([0], &edges, |(from, to)| (from, to));
    let ends = from_start.iter().copied();
    let ends = ends.filter(|block| is_end(&instructions[blocks[*block].instructions.clone()]));
    let to_end = reached(ends, &edges, |(from, to)| (to, from));
    from_start.intersection(&to_end).copied().collect()
}

fn is_end(of: &[Instruction]) -> bool {
    of.last().is_some_and(|last| {
        matches!(
            last.op,
            Op::ReturnValue | Op::ReturnConst | Op::RaiseVarargs | Op::Reraise
        )
    })
}
