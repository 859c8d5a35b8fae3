//! What was imported, and what that took.

use serde::{Deserialize, Serialize};

use super::Tid;

/// A module that was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedModule {
    /// Its full name; of a sampled one as its file tells it.
    pub module: String,
    /// The thread that imported it (of a sampled one, the first).
    pub tid: Tid,
    /// The one during whose import that was: an index of [`Imports::modules`], less than its own.
    pub parent: Option<usize>,
    /// Whether it was found and loaded; `None` if the end was not seen.
    pub found: Option<bool>,
    /// When it began, after the window did; 0 of a sampled one.
    pub start_ns: u64,
    /// What it took, with those that were imported meanwhile.
    pub total_ns: u64,
    /// The part of that on a CPU.
    pub on_cpu_ns: u64,
    /// The part of it that the thread was blocked.
    pub blocked_ns: u64,
}

/// The imports of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// Estimated from stacks; the interpreter's own probes were not listened at.
    pub is_sampled: bool,
    /// Nothing of the program's start was missed.
    pub is_whole: bool,
    /// In the order in which they began.
    pub modules: Vec<ImportedModule>,
    /// Imports that had begun before they were listened at.
    pub unmatched: u64,
    /// Imports for which there was no room.
    pub left_out: u64,
}

/// What a module took by itself, without those that were imported meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnTimes {
    /// In sum.
    pub total_ns: u64,
    /// The part of that on a CPU.
    pub on_cpu_ns: u64,
    /// The part of it that the thread was blocked.
    pub blocked_ns: u64,
}

impl Imports {
    /// What each module took by itself, by its index.
    pub fn own_times(&self) -> Vec<OwnTimes> {
        let mut own: Vec<OwnTimes> = self
            .modules
            .iter()
            .map(|module| OwnTimes {
                total_ns: module.total_ns,
                on_cpu_ns: module.on_cpu_ns,
                blocked_ns: module.blocked_ns,
            })
            .collect();
        for module in &self.modules {
            if let Some(outer) = module.parent.and_then(|parent| own.get_mut(parent)) {
                outer.total_ns = outer.total_ns.saturating_sub(module.total_ns);
                outer.on_cpu_ns = outer.on_cpu_ns.saturating_sub(module.on_cpu_ns);
                outer.blocked_ns = outer.blocked_ns.saturating_sub(module.blocked_ns);
            }
        }
        own
    }

    /// Indices of the modules that were imported during each one's import, in order.
    pub fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.modules.len()];
        for (index, module) in self.modules.iter().enumerate() {
            if let Some(of) = module.parent.and_then(|parent| children.get_mut(parent)) {
                of.push(index);
            }
        }
        children
    }

    /// What all of them took, each once.
    pub fn total_ns(&self) -> u64 {
        let outermost = self.modules.iter().filter(|it| it.parent.is_none());
        outermost.map(|module| module.total_ns).sum()
    }
}
