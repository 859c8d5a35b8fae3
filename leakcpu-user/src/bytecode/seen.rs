//! Calls whose callees were seen.

use std::collections::BTreeMap;

use super::{Missing, MissingKind, path::last};

/// The calls of one code object whose callees are known from samples, and judged by
/// themselves.
#[derive(Clone, Debug, Default)]
pub struct SeenCallees(BTreeMap<u32, Callee>);

#[derive(Clone, Debug)]
enum Callee {
    /// Nothing is between the call and what was seen.
    Direct,
    /// C code may be, unless the call is by this name.
    Named(Box<str>),
}

impl SeenCallees {
    /// The call at `offset`, in bytes, runs a function that is written in Python, and no C
    /// code is between the two.
    pub fn add_direct(&mut self, offset: u32) {
        self.0.insert(offset, Callee::Direct);
    }

    /// Under the call at `offset` a function of this name was seen; whether C code called
    /// it is not known.
    pub fn add_named(&mut self, offset: u32, name: &str) {
        self.0
            .entry(offset)
            .or_insert_with(|| Callee::Named(name.into()));
    }

    /// Whether what is missing is the callee of one of them.
    pub(super) fn are_called_by(&self, missing: &Missing) -> bool {
        missing.kind == MissingKind::Callee
            && match self.0.get(&missing.offset) {
                Some(Callee::Direct) => true,
                Some(Callee::Named(name)) => last(&missing.name) == &**name,
                None => false,
            }
    }
}
