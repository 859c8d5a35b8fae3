//! Code objects of busy threads, read while their process is there.
//!
//! Loops are judged when the window ends (`waiting_loops`). Of a process that has ended by
//! then, or executes another program, only what was read before can be.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Session, code_reads::read, stacks::Stacks, waiting_loops::MIN_SAMPLES, watched::Watched,
};
use crate::{interpreter::CodeParts, symbolize::CodeId};

/// Code objects read at one look, of all processes.
const READS_A_LOOK: usize = 32;
/// Code objects kept of one process.
const KEPT: usize = 64;
/// Stacks of one thread that are looked at, those with the most samples.
const STACKS: usize = 16;
/// Frames of a stack that are, from the leaf on.
const FRAMES: usize = 8;
/// Looks between two that find nothing new in a process, at most.
const LONGEST_REST: u32 = 32;

/// What was read of one process.
#[derive(Debug, Default)]
pub(super) struct HotCode {
    kept: HashMap<CodeId, Arc<CodeParts>>,
    /// Those that cannot be read need not be tried again.
    refused: HashSet<CodeId>,
    /// Looks to leave out before the next.
    rest: u32,
    last_rest: u32,
}

impl HotCode {
    pub(super) fn get(&self, code: CodeId) -> Option<Arc<CodeParts>> {
        self.kept.get(&code).cloned()
    }

    fn is_full(&self) -> bool {
        self.kept.len() + self.refused.len() >= KEPT
    }

    fn wants(&self, code: CodeId) -> bool {
        !self.kept.contains_key(&code) && !self.refused.contains(&code)
    }

    /// Whether it is this process' turn.
    fn is_due(&mut self) -> bool {
        if self.is_full() || self.rest > 0 {
            self.rest = self.rest.saturating_sub(1);
            return false;
        }
        true
    }

    /// A look was made, and found `new` code objects, read by now or not.
    fn looked(&mut self, new: usize) {
        self.last_rest = match new {
            0 => (2 * self.last_rest).clamp(1, LONGEST_REST),
            _ => 0,
        };
        self.rest = self.last_rest;
    }
}

impl Session {
    /// Reads code objects that busy threads run and that were not read yet.
    pub(super) fn keep_hot_code(&mut self) {
        let mut due: HashMap<u32, u32> = HashMap::new();
        for (pid, watched) in &mut self.watched {
            let mut busy = self.suspects.busy_threads(*pid).peekable();
            if !watched.exited && busy.peek().is_some() && watched.hot_code.is_due() {
                due.extend(busy.map(|tid| (tid, *pid)));
            }
        }
        if due.is_empty() {
            return;
        }
        let mut left = READS_A_LOOK;
        let by_thread = self.samples.stacks_of(|tid| due.contains_key(&tid));
        for (tid, mut stacks) in by_thread {
            let samples: u64 = stacks.iter().map(|(_, count)| count).sum();
            if samples < MIN_SAMPLES / 2 {
                continue;
            }
            stacks.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
            let stacks = stacks.iter().take(STACKS).map(|(hash, _)| *hash);
            if let Some(watched) = due.get(&tid).and_then(|pid| self.watched.get_mut(pid)) {
                left -= keep(watched, stacks, left);
            }
        }
    }
}

/// Reads what these stacks run, `limit` code objects at most; returns how many it read.
fn keep(watched: &mut Watched, stacks: impl Iterator<Item = u64>, limit: usize) -> usize {
    let Some(process) = watched.python().cloned() else {
        return 0;
    };
    let mut wanted = Vec::new();
    for stack in stacks {
        wanted.extend(codes(&watched.stacks, stack).filter(|code| watched.hot_code.wants(*code)));
    }
    let mut read_now = HashSet::new();
    wanted.retain(|code| read_now.insert(*code));
    // What is left for the next look is new then, too.
    watched.hot_code.looked(wanted.len());
    wanted.truncate(limit);
    for code in &wanted {
        if watched.hot_code.is_full() {
            break;
        }
        match read(&process, &watched.stacks, *code) {
            Ok(parts) => {
                watched.hot_code.kept.insert(*code, Arc::new(parts));
            }
            Err(why) => {
                tracing::debug!(pid = process.pid, %why, "hot code not read");
                watched.hot_code.refused.insert(*code);
            }
        }
    }
    wanted.len()
}

/// The code objects next to a stack's leaf.
fn codes(stacks: &Stacks, hash: u64) -> impl Iterator<Item = CodeId> {
    let stack = stacks.by_hash(hash);
    let spots = stack.into_iter().flat_map(|stack| stacks.spots(stack));
    spots.take(FRAMES).filter_map(|(_, spot)| Some(spot?.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_shows_nothing_new_is_left_alone_for_longer_each_time() {
        let mut code = HotCode::default();
        let mut rests = Vec::new();
        for _ in 0..8 {
            let mut rest = 0;
            while !code.is_due() {
                rest += 1;
            }
            rests.push(rest);
            code.looked(0);
        }
        assert_eq!(rests, [0, 1, 2, 4, 8, 16, 32, 32]);
        while !code.is_due() {}
        code.looked(1);
        assert!(code.is_due());
    }
}
