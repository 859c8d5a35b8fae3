//! Calls whose callees were seen.

use std::collections::BTreeMap;

use super::{Does, Missing, MissingKind, path::last};

/// The calls of one code object whose callees are known from samples, and judged by
/// themselves.
#[derive(Clone, Debug, Default)]
pub struct SeenCallees(BTreeMap<u32, Callee>);

/// All callees of one call.
#[derive(Clone, Debug)]
struct Callee {
    /// Nothing is between the call and what was seen.
    is_direct: bool,
    /// C code may be, unless the call is by one of these names.
    names: Vec<Box<str>>,
    does: Does,
}

impl SeenCallees {
    /// Under the call at `offset`, in bytes, a function of this name was seen that does this;
    /// `is_direct` if no C code is between the two.
    pub fn add(&mut self, offset: u32, name: &str, is_direct: bool, does: Does) {
        let callee = self.0.entry(offset).or_insert(Callee {
            is_direct,
            names: Vec::new(),
            does,
        });
        callee.is_direct |= is_direct;
        callee.does = callee.does.max(does);
        if !callee.names.iter().any(|known| **known == *name) {
            callee.names.push(name.into());
        }
    }

    /// Whether what is missing is the callee of one of them.
    pub(super) fn are_called_by(&self, missing: &Missing) -> bool {
        let callee = self.0.get(&missing.offset);
        missing.kind == MissingKind::Callee
            && callee.is_some_and(|callee| {
                let by = last(&missing.name);
                callee.is_direct || callee.names.iter().any(|name| **name == *by)
            })
    }

    /// The calls that have done something if they return.
    pub(super) fn unless_raising(&self) -> impl Iterator<Item = (u32, &str)> {
        let calls = self.0.iter();
        let unless = calls.filter(|(_, callee)| callee.does == Does::NothingIfItRaises);
        unless.map(|(offset, callee)| (*offset, callee.names.first().map_or("", |name| name)))
    }
}
