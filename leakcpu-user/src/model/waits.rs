//! What a process waited for, by reason, other end and place in the code.

use std::collections::BTreeMap;

use super::{Awaits, Child, Frame, Process, Reason, StackTimeKind};

/// The waits of one kind at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For what.
    pub reason: Reason,
    /// The other end of a network wait.
    pub peer: Option<String>,
    /// The file of a disk, pipe or terminal wait.
    pub file: Option<String>,
    /// The child of a wait for one.
    pub child: Option<Child>,
    /// Whether it was for work or for an answer, where that is known; then the time is
    /// estimated.
    pub awaits: Option<Awaits>,
    /// The place: the innermost frame of the user's own code, else the leaf.
    pub frame: Option<Frame>,
    /// How many waits.
    pub count: u64,
    /// Their time.
    pub total_ns: u64,
    /// The longest one.
    pub max_ns: u64,
}

impl Process {
    /// Its waits, longest total first.
    pub fn waits(&self) -> Vec<Wait> {
        let mut waits = BTreeMap::new();
        for thread in &self.threads {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                let StackTimeKind::Blocked {
                    reason,
                    peer,
                    file,
                    child,
                    ..
                } = &entry.kind
                else {
                    continue;
                };
                let frame = self.own_frame(self.stack(entry.stack));
                let place = frame.map(|f| (f.function, f.line));
                let wait = waits
                    .entry((*reason, peer, file, child, entry.awaits, place))
                    .or_insert_with(|| Wait {
                        reason: *reason,
                        peer: peer.clone(),
                        file: file.clone(),
                        child: child.clone(),
                        awaits: entry.awaits,
                        frame,
                        count: 0,
                        total_ns: 0,
                        max_ns: 0,
                    });
                wait.count += entry.count;
                wait.total_ns += charge.blocked_ns;
                wait.max_ns = wait.max_ns.max(entry.max_blocked_ns);
            }
        }
        let mut waits: Vec<Wait> = waits.into_values().collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.total_ns));
        waits
    }
}
