//! How many values are on a frame's stack before each instruction.

use super::{
    Instruction, Op,
    flow::{Block, Edge},
    lower::stack_effect,
};

/// Before each instruction; `None` where that is not known: in handlers, and behind what is not
/// followed.
pub(super) fn depths(
    minor: u8,
    instructions: &[Instruction],
    blocks: &[Block],
) -> Vec<Option<u32>> {
    let mut depths = vec![None; instructions.len()];
    let mut at_start: Vec<Option<i64>> = vec![None; blocks.len()];
    let Some(first) = at_start.first_mut() else {
        return depths;
    };
    // A generator of 3.10 begins with the value that it is sent.
    let is_sent = instructions
        .first()
        .is_some_and(|one| one.op == Op::GenStart);
    *first = Some(i64::from(is_sent));
    let mut pending = vec![0];
    while let Some(block) = pending.pop() {
        let Some(mut depth) = at_start[block] else {
            continue;
        };
        let of = &blocks[block];
        let mut after = Some((depth, depth));
        for index in of.instructions.clone() {
            let instruction = &instructions[index];
            depths[index] = u32::try_from(depth).ok();
            after = match instruction.op {
                // Whoever resumes the generator leaves a value for it.
                Op::ReturnGenerator => Some((depth + 1, depth + 1)),
                // The judgement of loops does not follow it.
                Op::ImportName => Some((depth - 1, depth - 1)),
                _ => stack_effect(minor, instruction, false)
                    .zip(stack_effect(minor, instruction, true))
                    .map(|(next, taken)| (depth + next, depth + taken)),
            };
            let Some((next, _)) = after else { break };
            depth = next;
        }
        let Some((next, taken)) = after else { continue };
        for (to, edge) in &of.edges {
            let depth = match edge {
                Edge::Next => next,
                Edge::Jump => taken,
                Edge::Exception => continue,
            };
            if at_start[*to].is_none() {
                at_start[*to] = Some(depth);
                pending.push(*to);
            }
        }
    }
    depths
}
