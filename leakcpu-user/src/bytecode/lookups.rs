//! What a loop looks up again on every turn, though nothing in it changes that.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Analysis, EffectKind, Loop,
    action::{Action, Variable},
    lower::lower,
};

/// Attributes that are followed from one value.
const MAX_ATTRIBUTES: usize = 8;
/// Longest name that is told, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Look-ups of one loop that are told.
const MAX_LOOKUPS: usize = 32;
/// Attributes of a local variable or one of an outer function, from which on it is worth keeping
/// the last one: a local that takes the place of one attribute saves next to nothing.
const MIN_OF_LOCAL: usize = 2;
/// The same of a global.
const MIN_OF_GLOBAL: usize = 1;

/// A global or an attribute that a loop looks up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The program's name for it: `self.config.limits`.
    pub name: String,
    /// The instructions that look it up, in bytes: those of its attributes, and of the global that
    /// they begin with.
    pub ranges: Vec<Range<u32>>,
}

/// What a loop writes, and what is inside of it.
struct Written<'a> {
    locals: BTreeSet<u32>,
    globals: BTreeSet<&'a str>,
    attributes: BTreeSet<&'a str>,
    /// A variable that functions share.
    cell: bool,
    /// Blocks of loops inside of it.
    inner: BTreeSet<usize>,
}

/// A chain of attributes while it is followed.
struct Chain {
    name: String,
    ranges: Vec<Range<u32>>,
    attributes: usize,
    is_global: bool,
}

impl Analysis<'_> {
    /// What a loop's own instructions look up and nothing in the loop stores: neither the variable
    /// that it begins with nor an attribute by any of its names, of whatever object. Chains of two
    /// attributes and more, and of one and more if they begin with a global. What the loop calls
    /// may change them all the same.
    pub fn steady_lookups(&self, this: &Loop) -> Vec<Lookup> {
        let Some(written) = self.written_by(this) else {
            return Vec::new();
        };
        let mut found: BTreeMap<String, Vec<Range<u32>>> = BTreeMap::new();
        for block in this
            .blocks
            .iter()
            .filter(|block| !written.inner.contains(block))
        {
            let mut chain: Option<Chain> = None;
            for index in self.instructions_of(*block) {
                let instruction = &self.instructions()[index];
                let bytes = &instruction.bytes;
                for action in lower(self.minor(), instruction).into_iter().flatten() {
                    if action == (Action::Shuffle { takes: 0, gives: 0 }) {
                        continue;
                    }
                    let before = chain.take();
                    chain = match (before, action) {
                        (
                            Some(before),
                            Action::Attribute {
                                name,
                                takes: 1,
                                is_method,
                            },
                        ) => {
                            let name = self.code().name(name);
                            let name = name.filter(|name| !written.attributes.contains(name));
                            match before.and(name, is_method, bytes) {
                                Ok(longer) => Some(longer),
                                Err(ended) => {
                                    keep(ended, &mut found);
                                    None
                                }
                            }
                        }
                        (before, action) => {
                            if let Some(ended) = before {
                                keep(ended, &mut found);
                            }
                            match action {
                                Action::Load(variable) => self.begun(variable, &written, bytes),
                                _ => None,
                            }
                        }
                    };
                }
            }
            if let Some(ended) = chain {
                keep(ended, &mut found);
            }
        }
        let all = found.into_iter().take(MAX_LOOKUPS);
        all.map(|(name, ranges)| Lookup { name, ranges }).collect()
    }

    /// The beginning of a chain, if the loop does not write that.
    fn begun(
        &self,
        variable: Variable,
        written: &Written<'_>,
        bytes: &Range<u32>,
    ) -> Option<Chain> {
        let code = self.code();
        let (name, is_global) = match variable {
            Variable::Local(index) if !written.locals.contains(&index) => {
                (code.local(index)?, false)
            }
            Variable::Cell(index) if !written.cell => (code.cell(index)?, false),
            Variable::Name(index) => {
                let name = code.name(index)?;
                (
                    Some(name).filter(|name| !written.globals.contains(name))?,
                    true,
                )
            }
            _ => return None,
        };
        // Loading a local takes what loading the one that would take its place does.
        let ranges = is_global.then(|| bytes.clone()).into_iter().collect();
        (!name.is_empty()).then(|| Chain {
            name: name.to_owned(),
            ranges,
            attributes: 0,
            is_global,
        })
    }

    /// `None` if it writes more than is followed.
    fn written_by(&self, this: &Loop) -> Option<Written<'_>> {
        let mut written = Written {
            locals: self.written(this)?.into_iter().collect(),
            globals: BTreeSet::new(),
            attributes: BTreeSet::new(),
            cell: false,
            inner: BTreeSet::new(),
        };
        let blocks = this.blocks.iter();
        for index in blocks.flat_map(|block| self.instructions_of(*block)) {
            for action in lower(self.minor(), &self.instructions()[index])
                .into_iter()
                .flatten()
            {
                let Action::Store { kind, name, .. } = action else {
                    continue;
                };
                let name = name.and_then(|name| self.code().name(name));
                match kind {
                    EffectKind::Global => written.globals.extend(name),
                    EffectKind::Attribute => written.attributes.extend(name),
                    EffectKind::Cell => written.cell = true,
                    _ => {}
                }
            }
        }
        let inner = self
            .loops()
            .iter()
            .filter(|other| this.holds(other) && !self.only_delegates(other));
        written.inner = inner
            .flat_map(|other| other.blocks.iter().copied())
            .collect();
        Some(written)
    }
}

impl Chain {
    /// With one attribute more, or as it is if it ends here: where the loop stores that attribute,
    /// and with a method, which is called at once. That of a local is no part of it: it is another
    /// object each time.
    fn and(
        mut self,
        attribute: Option<&str>,
        is_method: bool,
        bytes: &Range<u32>,
    ) -> Result<Self, Self> {
        let is_part = self.is_global || !is_method;
        let has_room = |name: &&str| {
            self.attributes < MAX_ATTRIBUTES && self.name.len() + name.len() < MAX_NAME_BYTES
        };
        let Some(attribute) = attribute.filter(|_| is_part).filter(has_room) else {
            return Err(self);
        };
        self.name = format!("{}.{attribute}", self.name);
        self.ranges.push(bytes.clone());
        self.attributes += 1;
        if is_method { Err(self) } else { Ok(self) }
    }
}

/// Keeps a chain that has come to its end, if it is worth it.
fn keep(chain: Chain, found: &mut BTreeMap<String, Vec<Range<u32>>>) {
    let least = if chain.is_global {
        MIN_OF_GLOBAL
    } else {
        MIN_OF_LOCAL
    };
    if chain.attributes >= least {
        found.entry(chain.name).or_default().extend(chain.ranges);
    }
}
