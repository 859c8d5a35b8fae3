//! What the probes of audited events said.

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::usdt::AuditKey;

use super::{Session, SessionError, watched::Watched};
use crate::{
    model::{AuditedAt, StackId, Tid},
    probes::ProbeGroup,
};

/// What was audited in a window, by thread and its generation.
pub(super) type WindowAudits = HashMap<(u32, u32), Vec<(AuditKey, u64)>>;

impl Session {
    /// What was audited in the window.
    pub(super) fn window_audits(&mut self) -> Result<WindowAudits, SessionError> {
        let mut all = WindowAudits::new();
        for entry in &self.probes.maps()?.audits {
            let Ok((key, times)) = entry else { continue };
            let of_thread = all.entry((key.tid, key.thread_generation)).or_default();
            of_thread.push((key, times));
        }
        Ok(all)
    }
}

/// The audited events of a process, most first; `None` if nobody listened.
pub(super) fn audits(
    watched: &Watched,
    threads: impl Iterator<Item = (u32, u32)>,
    window: &WindowAudits,
) -> Option<Vec<AuditedAt>> {
    let probes = watched.probes.as_ref()?;
    if !probes.is_armed(ProbeGroup::Audit) {
        return None;
    }
    let mut sums: BTreeMap<(String, Tid, StackId), u64> = BTreeMap::new();
    for (key, times) in threads.filter_map(|thread| window.get(&thread)).flatten() {
        let stack = watched.stacks.by_hash(key.stack).unwrap_or(StackId(0));
        let name = key.event.split(|byte| *byte == 0).next().unwrap_or(&[]);
        let event = String::from_utf8_lossy(name).into_owned();
        *sums.entry((event, Tid(key.tid), stack)).or_default() += times;
    }
    let mut audited: Vec<AuditedAt> = sums
        .into_iter()
        .map(|((event, tid, stack), count)| AuditedAt {
            event,
            tid,
            stack,
            count,
        })
        .collect();
    audited.sort_by_key(|one| std::cmp::Reverse(one.count));
    Some(audited)
}
