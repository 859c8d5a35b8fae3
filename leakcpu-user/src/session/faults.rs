//! The files of page faults, looked up while they are mapped.

use std::collections::HashMap;

use leakcpu_common::fault::FaultKey;

use super::{Session, SessionError};
use crate::{
    discovery::{Backed, Regions},
    model::{Reason, StackTime, StackTimeKind, UserLoss},
};

/// Ticks between two looks for new faults.
pub(super) const FAULT_TICKS: u32 = 4;

/// What was behind the addresses of faults.
pub(super) type FaultFiles = HashMap<FaultKey, Backed>;

/// The faults of one thread, by stack: what they read from, and how many.
pub(super) type ThreadFaults = HashMap<u64, Vec<(Backed, u64)>>;

impl Session {
    /// Looks up what is behind the addresses of faults that are new.
    pub(super) fn look_up_faults(&mut self) -> Result<(), SessionError> {
        let maps = self.probes.maps()?;
        let mut regions: HashMap<u32, Regions> = HashMap::new();
        for entry in &maps.faults {
            let Ok((key, faults)) = entry else { continue };
            if self.fault_files.contains_key(&key) {
                continue;
            }
            let Ok(thread) = maps.threads.get(&key.tid, 0) else {
                continue;
            };
            let regions = regions
                .entry(thread.pid)
                .or_insert_with(|| Regions::read(thread.pid));
            if let Some(backed) = regions.at(faults.address) {
                self.fault_files.insert(key, backed.clone());
            }
        }
        Ok(())
    }

    /// The faults of each thread, by (tid, generation).
    pub(super) fn faults(&mut self) -> Result<HashMap<(u32, u32), ThreadFaults>, SessionError> {
        let mut all: HashMap<(u32, u32), ThreadFaults> = HashMap::new();
        let mut unknown = 0;
        for entry in &self.probes.maps()?.faults {
            let Ok((key, faults)) = entry else { continue };
            let backed = self.fault_files.get(&key).cloned().unwrap_or_else(|| {
                unknown += faults.count;
                Backed::Unknown
            });
            let of_thread = all.entry((key.tid, key.generation)).or_default();
            let of_stack = of_thread.entry(key.stack).or_default();
            match of_stack.iter_mut().find(|(known, _)| *known == backed) {
                Some((_, count)) => *count += faults.count,
                None => of_stack.push((backed, faults.count)),
            }
        }
        if unknown > 0 {
            self.lose(UserLoss::FaultAddressesUnmapped, unknown);
        }
        Ok(all)
    }
}

/// Splits the waits for pages in one stack by what was read, their time in proportion to
/// the faults.
pub(super) fn split(all: StackTime, faults: &[(Backed, u64)]) -> Vec<StackTime> {
    if faults.is_empty() {
        return vec![all];
    }
    let counts: Vec<u64> = faults.iter().map(|(_, count)| *count).collect();
    faults
        .iter()
        .zip(all.parted(&counts))
        .map(|((backed, _), part)| StackTime {
            kind: kind(part.kind.clone(), backed),
            ..part
        })
        .collect()
}

fn kind(mut kind: StackTimeKind, backed: &Backed) -> StackTimeKind {
    if let StackTimeKind::Blocked { reason, file, .. } = &mut kind {
        match backed {
            Backed::File(path) => *file = Some(path.clone()),
            Backed::Swap => *reason = Reason::Swap,
            Backed::Unknown => {}
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackId;

    #[test]
    fn time_is_split_by_the_faults() {
        let all = StackTime {
            stack: StackId(1),
            kind: StackTimeKind::Blocked {
                reason: Reason::PageFault,
                syscall: None,
                peer: None,
                file: None,
                child: None,
            },
            count: 8,
            blocked_ns: 1_000,
            runnable_ns: 0,
            max_blocked_ns: 600,
            stack_estimated_ns: 0,
            reason_estimated_ns: 0,
            in_long_gap: false,
            awaits: None,
            leaves: Vec::new(),
        };
        assert_eq!(split(all.clone(), &[]), std::slice::from_ref(&all));
        let parts = split(all, &[(Backed::File("/a".into()), 3), (Backed::Swap, 1)]);
        let shown: Vec<_> = parts
            .iter()
            .map(|part| (part.kind.reason(), part.blocked_ns, part.count))
            .collect();
        assert_eq!(
            shown,
            [
                (Some(Reason::PageFault), 750, 6),
                (Some(Reason::Swap), 250, 2)
            ]
        );
    }
}
