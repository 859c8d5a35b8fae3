//! Which code objects the stacks of a process name, and whether another one was ever
//! seen at the address of one of them.

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::{
    process::{CHANGEABLE_SLOTS, changeable_slot},
    stack::RawFrame,
};

use super::{
    name::{NoName, SymbolizedFrame},
    symbolizer::is_same_process,
};
use crate::interpreter::{PythonProcess, RemoteError, read_witness};

/// Index into a [`CodeTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeId(u32);

/// Addresses where one function took the place of another, beyond which that is expected
/// everywhere.
const FEW_REPLACED: usize = 1;

/// How a frame came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// At first sight of a stack that later ones are taken to equal by its hash.
    Hashed {
        /// The frame is the root: the kernel side does not mark that.
        is_outermost: bool,
        /// Numbers the times that the ring buffer was emptied.
        round: u64,
        /// The kernel side had no time to mix in the witnesses of all that it has marked.
        is_cut: bool,
    },
    /// Once, and what is charged to it is of that one moment.
    Once,
}

/// How the code objects fared by the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Code objects looked at again that are still there.
    pub unchanged: usize,
    /// Those in whose place there is another.
    pub replaced: usize,
    /// Those in whose place there is none.
    pub freed: usize,
    /// The process has ended: not all were looked at.
    pub process_gone: bool,
}

/// A code object as frames name it.
#[derive(Debug)]
struct Seen {
    address: u64,
    witness: u64,
    /// The kernel side knows these frames by the address alone: had another code object
    /// taken its place, they would have been taken for each other.
    exposed: bool,
    /// Another code object was seen at the address.
    replaced: bool,
}

/// The code objects that the stacks of one process name. As large as the stacks: the
/// kernel side's table of stacks bounds it.
///
/// A stack is known by its hash. The witness of a code object takes part in that only
/// if it is marked as changeable, by the kernel side's own rule or because two
/// different ones were seen at its address. The frames of an object that is not marked
/// are *exposed*: once another has been seen there, one cannot tell any more which of
/// the two later looks met, and the frames lose their names.
#[derive(Debug, Default)]
pub struct CodeTable {
    seen: Vec<Seen>,
    by_address: HashMap<u64, AtAddress>,
    /// Slots marked as changeable by us, with the round in which they were.
    marked: BTreeMap<usize, u64>,
    /// Addresses to mark.
    to_mark: Vec<u64>,
    /// Where to look again next.
    cursor: usize,
}

#[derive(Debug)]
struct AtAddress {
    /// The witness seen last.
    last: u64,
    ids: Vec<CodeId>,
}

impl CodeTable {
    /// Notes a frame with its name.
    pub fn note(&mut self, raw: RawFrame, named: &SymbolizedFrame, sight: Sight) -> CodeId {
        let address = raw.address();
        let is_told_apart = match sight {
            Sight::Once => true,
            Sight::Hashed { is_cut: true, .. } => false,
            Sight::Hashed {
                is_outermost,
                round,
                is_cut: false,
            } => {
                // What is met in the next round may have been seen before the mark was set.
                let since = self.marked.get(&changeable_slot(address));
                named.is_short_lived && !is_outermost || since.is_some_and(|at| round > at + 1)
            }
        };
        let exposed = raw.witness == 0 || !is_told_apart;
        self.saw(address, named.witness);
        let known = self.by_address.get(&address).and_then(|at| {
            at.ids.iter().copied().find(|id| {
                let seen = &self.seen[id.0 as usize];
                seen.witness == named.witness && seen.exposed == exposed
            })
        });
        known.unwrap_or_else(|| {
            let id = CodeId(u32::try_from(self.seen.len()).unwrap_or(u32::MAX));
            self.seen.push(Seen {
                address,
                witness: named.witness,
                exposed,
                replaced: false,
            });
            if let Some(at) = self.by_address.get_mut(&address) {
                at.ids.push(id);
            }
            id
        })
    }

    /// Notes what a frame without a name says about its address.
    pub fn note_unnamed(&mut self, raw: RawFrame, reason: NoName) {
        if raw.witness != 0 && !matches!(reason, NoName::Torn | NoName::Placeholder) {
            self.saw(raw.address(), raw.witness);
        }
        if let NoName::Replaced { witness } = reason {
            self.saw(raw.address(), witness);
        }
    }

    /// At `address` there is, or was, the code object with this witness.
    fn saw(&mut self, address: u64, witness: u64) {
        let at = self.by_address.entry(address).or_insert(AtAddress {
            last: witness,
            ids: Vec::new(),
        });
        if at.last == witness {
            return;
        }
        at.last = witness;
        let mut is_exposed = false;
        for id in &at.ids {
            let seen = &mut self.seen[id.0 as usize];
            if seen.witness != witness && seen.exposed {
                seen.replaced = true;
            }
            is_exposed |= seen.exposed;
        }
        // The kernel side marks the others by itself.
        if is_exposed && !self.marked.contains_key(&changeable_slot(address)) {
            self.to_mark.push(address);
        }
    }

    /// Slots whose code objects the kernel side is to tell apart from now on: those of
    /// addresses where it turned out too late, and after a few of them, which is what a
    /// program looks like that makes functions all the time, every one.
    pub fn take_to_mark(&mut self, round: u64) -> Vec<usize> {
        let mut slots: Vec<usize> = std::mem::take(&mut self.to_mark)
            .into_iter()
            .map(changeable_slot)
            .collect();
        if !slots.is_empty() && self.marked.len() + slots.len() > FEW_REPLACED {
            slots = (0..CHANGEABLE_SLOTS).collect();
        }
        for slot in &slots {
            self.marked.entry(*slot).or_insert(round);
        }
        slots
    }

    /// Whether frames of this code object may have been another's.
    pub fn is_replaced(&self, id: CodeId) -> bool {
        self.seen
            .get(id.0 as usize)
            .is_some_and(|seen| seen.replaced)
    }

    /// Where a code object is, and its witness; `None` if its frames may have been another's,
    /// or its address means something else by now.
    pub fn whereabouts(&self, id: CodeId) -> Option<(u64, u64)> {
        let seen = self.seen.get(id.0 as usize)?;
        let is_there = self.by_address.contains_key(&seen.address);
        (is_there && !seen.replaced).then_some((seen.address, seen.witness))
    }

    /// The process runs another program: its addresses mean something else.
    pub fn forget_addresses(&mut self) {
        self.by_address.clear();
        self.marked.clear();
        self.to_mark.clear();
    }

    /// Looks again at the next few exposed code objects of `process`, so that an address
    /// where they come and go is marked soon. A successor that is met only where its
    /// predecessor was is not noticed otherwise.
    pub fn look_again(&mut self, process: &PythonProcess, at_most: usize) {
        if self.by_address.is_empty() || !is_same_process(process) {
            return;
        }
        for _ in 0..at_most.min(self.seen.len()) {
            self.cursor = (self.cursor + 1) % self.seen.len();
            let seen = &mut self.seen[self.cursor];
            if !seen.exposed || seen.replaced || !self.by_address.contains_key(&seen.address) {
                continue;
            }
            let is_gone = match read_witness(process, seen.address) {
                Ok(witness) => witness != Some(seen.witness),
                Err(error) => matches!(error, RemoteError::Unmapped { .. }),
            };
            if is_gone {
                seen.replaced = true;
                if !self.marked.contains_key(&changeable_slot(seen.address)) {
                    self.to_mark.push(seen.address);
                }
            }
        }
    }

    /// Looks again at every exposed code object of `process`.
    ///
    /// One that has been freed loses its name like one that was replaced: others may
    /// have lived there meanwhile and been met at its instructions only, as in a loop
    /// that calls one generated function after the other. Where the process has ended,
    /// nothing can be looked at, and names stay.
    pub fn verify_unchanged(
        &mut self,
        process: &PythonProcess,
    ) -> Result<Verification, RemoteError> {
        let mut verification = Verification::default();
        if !is_same_process(process) {
            verification.process_gone = true;
            return Ok(verification);
        }
        for at in self.by_address.values() {
            for id in &at.ids {
                let seen = &mut self.seen[id.0 as usize];
                if !seen.exposed {
                    continue;
                }
                match read_witness(process, seen.address) {
                    Ok(Some(witness)) if witness == seen.witness => verification.unchanged += 1,
                    Ok(Some(_)) => {
                        seen.replaced = true;
                        verification.replaced += 1;
                    }
                    Ok(None) | Err(RemoteError::Unmapped { .. }) => {
                        seen.replaced = true;
                        verification.freed += 1;
                    }
                    Err(RemoteError::Gone { .. }) => {
                        verification.process_gone = true;
                        return Ok(verification);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(verification)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::symbolize::FunctionName;

    fn note(table: &mut CodeTable, code: u64, witness: u64, short: bool, round: u64) -> CodeId {
        let raw = RawFrame {
            code,
            instr: 0,
            witness,
        };
        let sight = Sight::Hashed {
            is_outermost: false,
            round,
            is_cut: false,
        };
        table.note(raw, &named(witness, short), sight)
    }

    fn named(witness: u64, is_short_lived: bool) -> SymbolizedFrame {
        SymbolizedFrame {
            function: Arc::new(FunctionName {
                name: "f".into(),
                file: "f.py".into(),
                first_line: 1,
            }),
            line: None,
            offset: None,
            witness,
            is_short_lived,
            is_before_start: false,
        }
    }

    #[test]
    fn a_successor_takes_the_names_of_exposed_frames() {
        let mut table = CodeTable::default();
        let first = note(&mut table, 0x1000, 1, false, 1);
        let other = note(&mut table, 0x2000, 1, false, 1);
        assert_eq!(note(&mut table, 0x1000, 1, false, 2), first);
        assert!(table.take_to_mark(2).is_empty());
        let second = note(&mut table, 0x1000, 2, false, 2);
        assert!(table.is_replaced(first));
        assert!(!table.is_replaced(second) && !table.is_replaced(other));
        assert_eq!(table.take_to_mark(2), [changeable_slot(0x1000)]);
        // Met in the round after the mark, it may be from before it; then no more.
        let third = note(&mut table, 0x1000, 3, false, 3);
        assert!(table.is_replaced(second) && table.take_to_mark(3).is_empty());
        let fourth = note(&mut table, 0x1000, 4, false, 4);
        assert!(table.is_replaced(third));
        note(&mut table, 0x1000, 5, false, 5);
        assert!(!table.is_replaced(fourth));
    }

    #[test]
    fn what_the_kernel_side_tells_apart_keeps_its_name() {
        let mut table = CodeTable::default();
        let first = note(&mut table, 0x1000, 1, true, 1);
        let second = note(&mut table, 0x1000, 2, true, 1);
        assert!(!table.is_replaced(first) && !table.is_replaced(second));
        assert!(table.take_to_mark(1).is_empty());
        // But not where it is the outermost frame.
        let raw = RawFrame {
            code: 0x1000,
            instr: 0,
            witness: 3,
        };
        let sight = Sight::Hashed {
            is_outermost: true,
            round: 1,
            is_cut: false,
        };
        let root = table.note(raw, &named(3, true), sight);
        table.note_unnamed(RawFrame { witness: 4, ..raw }, NoName::Freed);
        assert!(table.is_replaced(root) && !table.is_replaced(first));
        assert_eq!(table.take_to_mark(1), [changeable_slot(0x1000)]);
    }

    #[test]
    fn a_short_lived_one_may_be_another_where_witnesses_are_missing_in_the_hash() {
        let mut table = CodeTable::default();
        let raw = RawFrame {
            code: 0x1000,
            instr: 0,
            witness: 3,
        };
        let sight = |is_cut| Sight::Hashed {
            is_outermost: false,
            round: 1,
            is_cut,
        };
        let cut = table.note(raw, &named(3, true), sight(true));
        let whole = table.note(raw, &named(3, true), sight(false));
        assert_ne!(cut, whole);
        let other = RawFrame { witness: 4, ..raw };
        table.note(other, &named(4, true), sight(false));
        assert!(table.is_replaced(cut) && !table.is_replaced(whole));
    }

    #[test]
    fn a_frame_without_a_name_says_who_was_there() {
        let mut table = CodeTable::default();
        let first = note(&mut table, 0x1000, 1, false, 1);
        let raw = RawFrame {
            code: 0x1000,
            instr: 0,
            witness: 1,
        };
        table.note_unnamed(raw, NoName::Unreadable);
        table.note_unnamed(RawFrame { witness: 9, ..raw }, NoName::Torn);
        assert!(!table.is_replaced(first));
        table.note_unnamed(raw, NoName::Replaced { witness: 2 });
        assert!(table.is_replaced(first));
    }

    #[test]
    fn another_program_is_another_matter() {
        let mut table = CodeTable::default();
        let first = note(&mut table, 0x1000, 1, false, 1);
        table.forget_addresses();
        let second = note(&mut table, 0x1000, 2, false, 1);
        assert!(first != second && !table.is_replaced(first));
    }
}
