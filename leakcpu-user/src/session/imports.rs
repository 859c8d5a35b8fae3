//! What the probes of imports said: which module was imported while which was, and what that
//! took.

use std::collections::HashMap;

use crate::{
    collect::ImportSeen,
    model::{ImportedModule, Imports, Tid},
};

/// Modules of a process that are kept.
const MAX_MODULES: usize = 100_000;
/// Imports within each other that are told apart, of a thread.
const MAX_DEPTH: usize = 512;

/// Imports of each process.
#[derive(Default)]
pub(super) struct ImportLogs {
    by_process: HashMap<u32, ImportLog>,
}

/// Imports of one process.
#[derive(Default)]
struct ImportLog {
    modules: Vec<ImportedModule>,
    /// Those under way, of each thread, outermost first.
    open: HashMap<u32, Vec<Open>>,
    unmatched: u64,
    left_out: u64,
}

/// An import that is under way.
struct Open {
    /// In `modules`; `None` if there was no room.
    index: Option<usize>,
    module: String,
    at_ns: u64,
    on_cpu_ns: u64,
    blocked_ns: u64,
}

impl ImportLogs {
    /// Adds an event.
    pub(super) fn note(&mut self, seen: ImportSeen) {
        let log = self.by_process.entry(seen.pid).or_default();
        match seen.outcome {
            None => log.begin(seen),
            Some(found) => log.end(&seen, found),
        }
    }

    /// A process' imports in the window that is over.
    pub(super) fn take(&mut self, pid: u32, start_ns: u64, end_ns: u64) -> Imports {
        let mut log = self.by_process.remove(&pid).unwrap_or_default();
        for open in log.open.values().flatten() {
            if let Some(module) = open.index.and_then(|index| log.modules.get_mut(index)) {
                module.total_ns = end_ns.saturating_sub(open.at_ns);
            }
        }
        for module in &mut log.modules {
            module.start_ns = module.start_ns.saturating_sub(start_ns);
        }
        Imports {
            is_sampled: false,
            is_whole: false,
            modules: log.modules,
            unmatched: log.unmatched,
            left_out: log.left_out,
        }
    }
}

impl ImportLog {
    fn begin(&mut self, seen: ImportSeen) {
        let open = self.open.entry(seen.tid).or_default();
        let index = (self.modules.len() < MAX_MODULES && open.len() < MAX_DEPTH)
            .then_some(self.modules.len());
        if index.is_none() {
            self.left_out += 1;
        } else {
            let parent = open.iter().rev().find_map(|outer| outer.index);
            self.modules.push(ImportedModule {
                module: seen.module.clone(),
                tid: Tid(seen.tid),
                parent,
                found: None,
                start_ns: seen.at_ns,
                total_ns: 0,
                on_cpu_ns: 0,
                blocked_ns: 0,
            });
        }
        open.push(Open {
            index,
            module: seen.module,
            at_ns: seen.at_ns,
            on_cpu_ns: seen.on_cpu_ns,
            blocked_ns: seen.blocked_ns,
        });
    }

    /// Ends the innermost import of that name, and those in it whose end was not seen.
    fn end(&mut self, seen: &ImportSeen, found: bool) {
        let open = self.open.entry(seen.tid).or_default();
        let Some(at) = open.iter().rposition(|open| open.module == seen.module) else {
            // It had begun before it was listened at.
            self.unmatched += 1;
            return;
        };
        for (nth, ended) in open.drain(at..).enumerate() {
            let Some(module) = ended.index.and_then(|index| self.modules.get_mut(index)) else {
                continue;
            };
            module.total_ns = seen.at_ns.saturating_sub(ended.at_ns);
            module.on_cpu_ns = seen.on_cpu_ns.saturating_sub(ended.on_cpu_ns);
            module.blocked_ns = seen.blocked_ns.saturating_sub(ended.blocked_ns);
            module.found = (nth == 0).then_some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tid: u32, at_ns: u64, module: &str, outcome: Option<bool>) -> ImportSeen {
        ImportSeen {
            pid: 1,
            tid,
            at_ns,
            on_cpu_ns: at_ns / 2,
            blocked_ns: at_ns / 4,
            module: module.to_owned(),
            outcome,
        }
    }

    fn noted(events: impl IntoIterator<Item = ImportSeen>) -> Imports {
        let mut logs = ImportLogs::default();
        for event in events {
            logs.note(event);
        }
        logs.take(1, 0, 1_000)
    }

    #[test]
    fn imports_are_within_each_other_by_thread() {
        let imports = noted([
            seen(1, 100, "a", None),
            seen(2, 110, "x", None),
            seen(1, 120, "a.b", None),
            seen(1, 140, "a.b", Some(true)),
            seen(2, 150, "x", Some(false)),
            seen(1, 200, "a", Some(true)),
        ]);
        let of = |name: &str| {
            let mut modules = imports.modules.iter();
            modules.find(|it| it.module == name).unwrap()
        };
        assert_eq!((of("a").total_ns, of("a").on_cpu_ns), (100, 50));
        assert_eq!(of("a.b").parent, Some(0));
        assert_eq!((of("a.b").total_ns, of("a.b").blocked_ns), (20, 5));
        assert_eq!((of("x").parent, of("x").found), (None, Some(false)));
    }

    #[test]
    fn what_began_before_or_never_ends_misleads_nobody() {
        let imports = noted([
            seen(1, 100, "early", Some(true)),
            seen(1, 200, "a", None),
            seen(1, 300, "lost", None),
            seen(1, 400, "a", Some(true)),
            seen(1, 500, "open", None),
        ]);
        assert_eq!(imports.unmatched, 1);
        let [a, lost, open] = &imports.modules[..] else {
            panic!("{imports:?}");
        };
        assert_eq!((a.total_ns, a.found), (200, Some(true)));
        assert_eq!(
            (lost.total_ns, lost.found, lost.parent),
            (100, None, Some(0))
        );
        assert_eq!((open.total_ns, open.found), (500, None));
    }

    #[test]
    fn depth_is_bounded() {
        let imports = noted((0..2_000).map(|n| seen(1, n, &format!("m{n}"), None)));
        assert_eq!(imports.modules.len(), MAX_DEPTH);
        assert_eq!(imports.left_out, 2_000 - MAX_DEPTH as u64);
    }
}
