//! Whether an iteration of a loop does anything that outlives it.

use std::collections::BTreeSet;

use super::{
    CallKind, Code, Effect, Instruction, Judgement, Loop, LoopJudgement, Missing, MissingKind,
    NamedCall, RunsCode, SeenCallees,
    carried::{Carried, carried},
    dataflow::{BlockFacts, Facts, Unfollowed, facts},
    flow::Block,
    loops::ranges,
};

/// Entries that are kept of each list of a judgement.
pub(super) const MAX_KEPT: usize = 32;

/// How often what works is left out in the search for a way round that does not.
const MAX_ROUNDS: usize = 16;

/// Judges a loop; `inner` are the loops inside of it that do more than wait, `seen` the calls
/// whose callees are judged by themselves.
pub(super) fn judge(
    code: &Code<'_>,
    instructions: &[Instruction],
    blocks: &[Block],
    this: &Loop,
    inner: &[&Loop],
    seen: &SeenCallees,
) -> LoopJudgement {
    let mut facts = match facts(code, instructions, blocks, this) {
        Ok(facts) => facts,
        Err(Unfollowed) => return LoopJudgement::unknown(MissingKind::TooMuch, this.header),
    };
    facts.excuse(seen, instructions, blocks);
    let whole: BTreeSet<usize> = this.blocks.iter().copied().collect();
    let carried_by_all = carried(&facts, blocks, &whole, this.header_block);
    let mut judged = gather(&facts, blocks, &whole, &carried_by_all, inner);
    if !judged.only_waits() {
        judged.quiet = quiet(&facts, blocks, this, inner)
            .map(|quiet| ranges(instructions, quiet.iter().map(|block| &blocks[*block])));
    }
    judged
}

/// Everything that is known of some blocks, and the judgement of all of them.
fn gather(
    facts: &Facts,
    blocks: &[Block],
    of: &BTreeSet<usize>,
    carried: &Carried,
    inner: &[&Loop],
) -> LoopJudgement {
    let within = || of.iter().filter_map(|block| facts.blocks.get(block));
    let own = of
        .iter()
        .flat_map(|block| facts.effects(blocks, *block, of))
        .cloned();
    let mut effects: Vec<Effect> = own.collect();
    effects.extend(carried.effects.iter().map(|(_, effect)| effect.clone()));
    effects.sort_by_key(|effect| effect.offset);
    let mut missing: Vec<Missing> = within().flat_map(|facts| facts.missing.clone()).collect();
    missing.extend(inner.iter().take(MAX_KEPT).map(|one| Missing {
        kind: MissingKind::InnerLoop,
        name: String::new(),
        offset: one.header,
    }));
    let mut calls: Vec<NamedCall> = within().flat_map(|facts| facts.calls.clone()).collect();
    let mut runs_code: Vec<RunsCode> = within().flat_map(|one| one.runs_code.clone()).collect();
    let judgement = if !effects.is_empty() {
        Judgement::Work
    } else if !missing.is_empty() {
        Judgement::Unknown
    } else if calls.iter().any(|call| call.kind == CallKind::Sleep) {
        Judgement::Poll
    } else {
        Judgement::Spin
    };
    effects.truncate(MAX_KEPT);
    missing.truncate(MAX_KEPT);
    calls.truncate(MAX_KEPT);
    runs_code.truncate(MAX_KEPT);
    LoopJudgement {
        judgement,
        effects,
        missing,
        calls,
        runs_code,
        quiet: None,
    }
}

/// The blocks of the ways round on which nothing outlives an iteration.
fn quiet(facts: &Facts, blocks: &[Block], this: &Loop, inner: &[&Loop]) -> Option<BTreeSet<usize>> {
    let mut left: BTreeSet<usize> = this
        .blocks
        .iter()
        .copied()
        .filter(|block| facts.blocks.get(block).is_some_and(BlockFacts::is_quiet))
        .collect();
    for _ in 0..MAX_ROUNDS {
        left = on_ways_round(facts, blocks, &left, this.header_block)?;
        // Loops inside of it may be passed, but not gone round.
        let turning = inner.iter().find(|one| {
            let inside = left
                .iter()
                .filter(|block| one.blocks.binary_search(block).is_ok());
            let inside = inside.copied().collect();
            on_ways_round(facts, blocks, &inside, one.header_block).is_some()
        });
        let carried = carried(facts, blocks, &left, this.header_block);
        if turning.is_none() && carried.effects.is_empty() {
            return Some(left);
        }
        let working = carried.effects.iter().map(|(block, _)| *block);
        for block in working.chain(turning.map(|one| one.header_block)) {
            left.remove(&block);
        }
    }
    None
}

/// Of some blocks, those that lie on a way from the header back to it; `None` if there is
/// no such way.
fn on_ways_round(
    facts: &Facts,
    blocks: &[Block],
    within: &BTreeSet<usize>,
    header: usize,
) -> Option<BTreeSet<usize>> {
    let edges: Vec<(usize, usize)> = within
        .iter()
        .flat_map(|from| blocks[*from].edges.iter().map(move |edge| (*from, edge)))
        .filter(|(from, (to, edge))| within.contains(to) && facts.is_quiet_edge(*from, *edge))
        .map(|(from, (to, _))| (from, *to))
        .collect();
    if !within.contains(&header) || !edges.iter().any(|(_, to)| *to == header) {
        return None;
    }
    let forward = reached([header], &edges, |(from, to)| (from, to));
    let backward = reached([header], &edges, |(from, to)| (to, from));
    let both: BTreeSet<usize> = forward.intersection(&backward).copied().collect();
    let goes_round = edges
        .iter()
        .any(|(from, to)| *to == header && both.contains(from));
    goes_round.then_some(both)
}

/// What the edges lead to from some blocks, these included.
pub(super) fn reached(
    from: impl IntoIterator<Item = usize>,
    edges: &[(usize, usize)],
    turn: impl Fn((usize, usize)) -> (usize, usize),
) -> BTreeSet<usize> {
    let mut turned: Vec<(usize, usize)> = edges.iter().map(|edge| turn(*edge)).collect();
    turned.sort_unstable();
    let mut seen: BTreeSet<usize> = from.into_iter().collect();
    let mut pending: Vec<usize> = seen.iter().copied().collect();
    while let Some(at) = pending.pop() {
        let start = turned.partition_point(|(a, _)| *a < at);
        for (_, to) in turned[start..].iter().take_while(|(a, _)| *a == at) {
            if seen.insert(*to) {
                pending.push(*to);
            }
        }
    }
    seen
}
