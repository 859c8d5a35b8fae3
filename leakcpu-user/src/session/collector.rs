//! What the probes of interpreters' garbage collectors said.

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::usdt::{CollectionKey, Collections, FiredKey, UNKNOWN_GENERATION};

use super::{Session, SessionError, listening::WatchedProbes, watched::Watched};
use crate::{
    model::{CollectionsAt, Collector, Pauses, StackId, Tid},
    probes::ProbeGroup,
};

/// What a window's collections were, by thread and its generation.
pub(super) type WindowCollections = HashMap<(u32, u32), Vec<(CollectionKey, Collections)>>;

impl Session {
    /// What the collectors' probes said of the window.
    pub(super) fn window_collections(
        &mut self,
    ) -> Result<(WindowCollections, HashMap<FiredKey, u64>), SessionError> {
        let mut all = WindowCollections::new();
        let maps = self.probes.maps()?;
        for entry in &maps.collections {
            let Ok((key, sums)) = entry else { continue };
            let of_thread = all.entry((key.tid, key.thread_generation)).or_default();
            of_thread.push((key, sums));
        }
        let fired = maps.usdt_fired.iter().filter_map(Result::ok).collect();
        Ok((all, fired))
    }
}

/// What the collector of a process did; `None` if nobody listened.
pub(super) fn collector(
    watched: &Watched,
    threads: impl Iterator<Item = (u32, u32)>,
    window: &WindowCollections,
    heard_ns: Option<u64>,
) -> Option<Collector> {
    let is_told = |probes: &&WatchedProbes| probes.is_armed(ProbeGroup::Collector);
    watched.probes.as_ref().filter(is_told)?;
    let of_threads = threads.filter_map(|thread| window.get(&thread)).flatten();
    let mut sums: BTreeMap<(Tid, StackId, Option<u32>), Pauses> = BTreeMap::new();
    for (key, found) in of_threads {
        let stack = watched.stacks.by_hash(key.stack).unwrap_or(StackId(0));
        let generation = Some(key.generation).filter(|it| *it != UNKNOWN_GENERATION);
        let pauses = sums.entry((Tid(key.tid), stack, generation)).or_default();
        pauses.count += found.count;
        pauses.total_ns += found.total_ns;
        pauses.on_cpu_ns += found.on_cpu_ns;
        pauses.max_ns = pauses.max_ns.max(found.max_ns);
        pauses.collected += found.collected;
    }
    let mut collections: Vec<CollectionsAt> = sums
        .into_iter()
        .map(|((tid, stack, generation), pauses)| CollectionsAt {
            tid,
            stack,
            generation,
            pauses,
        })
        .collect();
    collections.sort_by_key(|one| std::cmp::Reverse(one.pauses.total_ns));
    Some(Collector {
        collections,
        heard_ns,
    })
}
