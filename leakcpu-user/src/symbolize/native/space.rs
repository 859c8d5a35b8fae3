//! What was mapped where in a process, as far as it was looked at.

use std::collections::BTreeMap;

use crate::discovery::CodeRange;

/// Executable ranges kept of one process.
const MAX_RANGES: usize = 8_192;

/// The executable ranges that a process has or had. A later look replaces what it
/// contradicts and keeps the rest: a library that is gone by then stays known.
#[derive(Clone, Debug, Default)]
pub struct AddressSpace {
    by_start: BTreeMap<u64, CodeRange>,
    dropped: u64,
}

impl AddressSpace {
    /// Adds what a look found; returns the ranges that were not known.
    pub fn add(&mut self, ranges: Vec<CodeRange>) -> Vec<CodeRange> {
        let mut new = Vec::new();
        for range in ranges {
            if self.by_start.get(&range.range.start) == Some(&range) {
                continue;
            }
            self.remove_overlapping(&range);
            if self.by_start.len() >= MAX_RANGES {
                self.dropped += 1;
                continue;
            }
            new.push(range.clone());
            self.by_start.insert(range.range.start, range);
        }
        new
    }

    fn remove_overlapping(&mut self, range: &CodeRange) {
        let overlapping: Vec<u64> = self
            .by_start
            .range(..range.range.end)
            .rev()
            .take_while(|(_, known)| known.range.end > range.range.start)
            .map(|(start, _)| *start)
            .collect();
        for start in overlapping {
            self.by_start.remove(&start);
        }
    }

    /// What is behind `address`.
    pub fn find(&self, address: u64) -> Option<&CodeRange> {
        let (_, range) = self.by_start.range(..=address).next_back()?;
        range.range.contains(&address).then_some(range)
    }

    /// Ranges that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Backing;

    fn range(start: u64, end: u64, name: &str) -> CodeRange {
        CodeRange {
            range: start..end,
            backing: Backing::Kernel(name.into()),
        }
    }

    #[test]
    fn later_looks_replace_what_they_contradict() {
        let mut space = AddressSpace::default();
        let first = vec![range(10, 20, "a"), range(20, 30, "b"), range(50, 60, "c")];
        assert_eq!(space.add(first.clone()), first);
        assert!(space.add(first).is_empty());
        // `a` and `b` have gone, `d` is where both were; `c` is not mentioned.
        assert_eq!(space.add(vec![range(15, 25, "d")]).len(), 1);
        assert_eq!(space.find(12), None);
        assert_eq!(space.find(15), Some(&range(15, 25, "d")));
        assert_eq!(space.find(24), Some(&range(15, 25, "d")));
        assert_eq!(space.find(26), None);
        assert_eq!(space.find(59), Some(&range(50, 60, "c")));
        assert_eq!(space.find(60), None);
    }
}
