//! Native code that only the cyclic garbage collector runs.

use crate::model::{Code, Naming, NativeFunction, Process, StackTime, Thread, in_proportion};

/// Functions of `Modules/gcmodule.c` (3.8 to 3.12), `Python/gc.c` and
/// `Python/gc_free_threading.c` (from 3.13 on) that are not inlined everywhere. What the
/// collector sets free is destroyed elsewhere, and not counted.
const FUNCTIONS: &[&str] = &[
    "collect",
    "collect_generations",
    "collect_with_callback",
    "deduce_unreachable",
    "delete_garbage",
    "expand_region_transitively_reachable",
    "finalize_garbage",
    "gc_collect_full",
    "gc_collect_generations",
    "gc_collect_increment",
    "gc_collect_internal",
    "gc_collect_main",
    "gc_collect_region",
    "gc_collect_with_callback",
    "gc_collect_young",
    "handle_resurrected_objects",
    "handle_weakrefs",
    "mark_all_reachable",
    "mark_at_start",
    "move_legacy_finalizer_reachable",
    "move_unreachable",
    "subtract_refs",
    "untrack_dicts",
    "untrack_tuples",
    "update_refs",
    "visit_add_to_container",
    "visit_decref",
    "visit_decref_unreachable",
    "visit_move",
    "visit_reachable",
    "PyGC_Collect",
    "_PyGC_Collect",
    "_PyGC_CollectNoFail",
    // What instances have in place of a dict, shown by `subtype_traverse`.
    "PyObject_VisitManagedDict",
    "_PyObject_VisitInstanceAttributes",
    "_PyObject_VisitManagedDict",
];

/// How objects show the collector what they refer to (`tp_traverse`); in extension modules
/// too.
const TRAVERSE: &str = "_traverse";

/// Time of a thread on a CPU in the collector's own code, as samples have it; `None` where
/// they do not tell what was being executed.
pub fn sampled_collector_ns(process: &Process, thread: &Thread) -> Option<u64> {
    if process.natives.is_empty() {
        return None;
    }
    let entries = thread.stack_times.iter().zip(thread.charges());
    let in_collector = entries.map(|(entry, charge)| {
        in_proportion(charge.on_cpu_ns, in_collector(process, entry), entry.count)
    });
    Some(in_collector.sum())
}

/// Samples of a process in the collector's own code.
pub fn collector_samples(process: &Process) -> u64 {
    let threads = process.threads.iter();
    let entries = threads.flat_map(|thread| &thread.stack_times);
    entries.map(|entry| in_collector(process, entry)).sum()
}

fn in_collector(process: &Process, entry: &StackTime) -> u64 {
    let leaves = entry.leaves.iter().filter(|leaf| {
        let native = process.native(leaf.frame.function);
        native.is_some_and(is_collector)
    });
    leaves.map(|leaf| leaf.count).sum()
}

/// Whether that is code of the collector. A nearest symbol is no name.
pub(super) fn is_collector(native: &NativeFunction) -> bool {
    let Some(symbol) = native.symbol.as_deref() else {
        return false;
    };
    // Compilers' copies: `visit_decref.lto_priv.0`, `collect.constprop.0`.
    let name = symbol.split('.').next().unwrap_or_default();
    native.naming == Naming::Exact
        && match native.code {
            Code::Interpreter => FUNCTIONS.contains(&name) || name.ends_with(TRAVERSE),
            Code::Library => name.ends_with(TRAVERSE),
            _ => false,
        }
}
