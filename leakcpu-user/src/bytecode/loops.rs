//! Natural loops.
//!
//! A loop is what can be gone round: an edge back to a block that dominates its origin,
//! and all that lies between. Cycles that can be entered in two places are no loops here;
//! no compiler of CPython makes any.

use std::{collections::BTreeMap, ops::Range};

use petgraph::{
    algo::dominators::{Dominators, simple_fast},
    graph::{DiGraph, NodeIndex},
};

use super::{Instruction, flow::Block};

/// Blocks of all loops together that are held: nested loops share theirs.
const MAX_LOOP_BLOCKS: usize = 1 << 16;

/// Most blocks of a code object: dominators take the square of it at worst.
const MAX_BLOCKS: usize = 8192;

/// A loop of a code object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    /// Offset of the instruction that each round begins with, in bytes.
    pub header: u32,
    /// Its instructions, in bytes, ascending.
    pub ranges: Box<[Range<u32>]>,
    /// Its blocks, ascending; the header is one of them.
    pub(super) blocks: Box<[usize]>,
    /// The block that each round begins with.
    pub(super) header_block: usize,
}

impl Loop {
    /// Everything there is, begun once.
    pub(super) fn whole(instructions: &[Instruction], blocks: &[Block]) -> Self {
        Self {
            header: 0,
            ranges: ranges(instructions, blocks.iter()),
            blocks: (0..blocks.len()).collect(),
            header_block: 0,
        }
    }

    /// Whether the instruction or cache at an offset belongs to it.
    pub fn contains(&self, offset: u32) -> bool {
        self.ranges.iter().any(|range| range.contains(&offset))
    }

    /// Whether another loop is inside of it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.header_block != other.header_block
            && self.blocks.binary_search(&other.header_block).is_ok()
    }
}

/// The natural loops, inner ones before those that hold them. `None` if there are more
/// than are looked at.
pub(super) fn loops(instructions: &[Instruction], blocks: &[Block]) -> Option<Vec<Loop>> {
    if blocks.is_empty() {
        return Some(Vec::new());
    }
    if blocks.len() > MAX_BLOCKS {
        return None;
    }
    let mut graph = DiGraph::<(), ()>::with_capacity(blocks.len(), 2 * blocks.len());
    let nodes: Vec<NodeIndex> = blocks.iter().map(|_| graph.add_node(())).collect();
    for (from, block) in blocks.iter().enumerate() {
        for (to, _) in &block.edges {
            graph.add_edge(nodes[from], nodes[*to], ());
        }
    }
    let tree = Tree::of(&simple_fast(&graph, nodes[0]), &nodes);
    let mut latches: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, block) in blocks.iter().enumerate() {
        for (to, _) in &block.edges {
            if tree.dominates(*to, from) {
                latches.entry(*to).or_default().push(from);
            }
        }
    }
    let mut left = MAX_LOOP_BLOCKS;
    let mut found = Vec::with_capacity(latches.len());
    for (header, latches) in latches {
        let body = body(&graph, &nodes, header, latches);
        left = left.checked_sub(body.len())?;
        found.push(Loop {
            header: instructions[blocks[header].instructions.start].offset,
            ranges: ranges(instructions, body.iter().map(|block| &blocks[*block])),
            blocks: body.into(),
            header_block: header,
        });
    }
    found.sort_by_key(|one| one.blocks.len());
    Some(found)
}

/// All that leads to the latches without passing the header, ascending.
fn body(
    graph: &DiGraph<(), ()>,
    nodes: &[NodeIndex],
    header: usize,
    latches: Vec<usize>,
) -> Vec<usize> {
    let mut inside = std::collections::BTreeSet::from([header]);
    let mut pending = latches;
    while let Some(block) = pending.pop() {
        if inside.insert(block) {
            let before = graph.neighbors_directed(nodes[block], petgraph::Incoming);
            pending.extend(before.map(NodeIndex::index));
        }
    }
    inside.into_iter().collect()
}

/// The bytes of blocks, neighbours joined.
pub(super) fn ranges<'a>(
    instructions: &[Instruction],
    blocks: impl Iterator<Item = &'a Block>,
) -> Box<[Range<u32>]> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for block in blocks {
        let of = &instructions[block.instructions.clone()];
        let (Some(first), Some(last)) = (of.first(), of.last()) else {
            continue;
        };
        match ranges.last_mut() {
            Some(range) if range.end == first.bytes.start => range.end = last.bytes.end,
            _ => ranges.push(first.bytes.start..last.bytes.end),
        }
    }
    ranges.into()
}

/// When a walk through the dominator tree enters and leaves each block: one dominates
/// those that are entered before it is left.
struct Tree(Vec<Option<(usize, usize)>>);

impl Tree {
    fn of(dominators: &Dominators<NodeIndex>, nodes: &[NodeIndex]) -> Self {
        let mut children = vec![Vec::new(); nodes.len()];
        for node in nodes {
            if let Some(above) = dominators.immediate_dominator(*node) {
                children[above.index()].push(node.index());
            }
        }
        let mut times: Vec<Option<(usize, usize)>> = vec![None; nodes.len()];
        let mut pending = vec![(dominators.root().index(), false)];
        let mut clock = 0;
        while let Some((node, is_left)) = pending.pop() {
            clock += 1;
            if is_left {
                times[node] = times[node].map(|(entered, _)| (entered, clock));
                continue;
            }
            times[node] = Some((clock, usize::MAX));
            pending.push((node, true));
            pending.extend(children[node].iter().map(|child| (*child, false)));
        }
        Self(times)
    }

    /// Whether one block is passed on every way to another; not of what is never reached.
    fn dominates(&self, one: usize, other: usize) -> bool {
        match (self.0[one], self.0[other]) {
            (Some((entered, left)), Some((at, _))) => (entered..=left).contains(&at),
            _ => false,
        }
    }
}
