//! Looking up what threads wait for, while they do: descriptors, children and locks.

use std::collections::HashMap;

use leakcpu_common::{thread::run_state, totals::wait_flags};

use super::{
    DESCRIPTOR_TICKS, Session, SessionError, build::parked_sighting, exchanges::Sighting,
    locks::lock_waiter, sightings::Sightings,
};
use crate::{
    collect::{Snapshot, monotonic_ns},
    discovery::{self, Tables},
    model::UserLoss,
    probes::syscall_name,
};

/// Threads that are looked at in one tick without a noticeable cost, which is two map
/// look-ups for each.
const THREADS_A_TICK: u32 = 16;

/// Looks at a descriptor that follow each other at once: enough to tell one that is used for
/// one end after the other from one that stays what it is.
const FIRST_LOOKS: u32 = 8;

impl Session {
    /// Looks at what threads wait for now. New descriptors every few ticks, the more
    /// threads there are the fewer: one that is closed before anybody looked has no
    /// name. Those seen a few times already once a second, for a number may be used again.
    pub(super) fn look_up_current(&mut self) -> Result<(), SessionError> {
        let again = self.ticks % DESCRIPTOR_TICKS == DESCRIPTOR_TICKS / 4;
        if !again && !self.ticks.is_multiple_of(self.look_up_ticks) {
            return Ok(());
        }
        let mut wanted = Vec::new();
        let mut parents = Vec::new();
        let mut sightings = Vec::new();
        let mut lock_waiters = Vec::new();
        let mut threads = 0;
        let now_ns = monotonic_ns();
        {
            let maps = self.probes.maps()?;
            for entry in &maps.threads {
                let Ok((tid, state)) = entry else { continue };
                threads += 1;
                let wait = state.wait;
                if again {
                    lock_waiters.extend(lock_waiter(&self.watched, &state, now_ns));
                }
                if state.run_state == run_state::UNKNOWN {
                    let watched = self.watched.get(&state.pid);
                    sightings.extend(watched.and_then(|watched| parked_sighting(watched, &state)));
                }
                if state.run_state != run_state::BLOCKED {
                    continue;
                }
                if wait.flags & wait_flags::HAS_FD != 0 {
                    sightings.push(Sighting {
                        pid: state.pid,
                        tid,
                        wait,
                        stack: state.wait_stack,
                    });
                }
                if wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((state.pid, tid, wait.fd));
                } else if waits_for_child(wait.syscall) {
                    parents.push((state.pid, tid));
                }
            }
        }
        self.look_up_ticks = (threads / THREADS_A_TICK).clamp(1, DESCRIPTOR_TICKS);
        if again {
            for (pid, watched) in &self.watched {
                for (tid, note) in &watched.threads {
                    let Some(parked) = &note.parked else { continue };
                    if parked.wait.flags & wait_flags::HAS_FD != 0 {
                        wanted.push((*pid, *tid, parked.wait.fd));
                    } else if waits_for_child(parked.wait.syscall) {
                        parents.push((*pid, *tid));
                    }
                }
            }
        }
        self.look_at_long_locks(lock_waiters, now_ns);
        let owed = self.exchanges.look(&sightings, &mut self.watched);
        self.sample_loops(&owed);
        self.look_up(wanted, again);
        self.look_up_children(&parents, again);
        Ok(())
    }

    /// Looks up the descriptors that the totals name and nobody has looked at yet.
    pub(super) fn look_up_descriptors(&mut self, snapshot: &Snapshot) {
        let mut wanted = Vec::new();
        for record in &snapshot.threads {
            let key = (record.state.tid, record.generation());
            for (totals, _) in snapshot.totals.get(&key).into_iter().flatten() {
                if totals.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((record.state.pid, record.state.tid, totals.wait.fd));
                }
            }
        }
        let mut parents = Vec::new();
        for (pid, watched) in &self.watched {
            for (tid, note) in &watched.threads {
                let Some(parked) = &note.parked else { continue };
                if parked.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((*pid, *tid, parked.wait.fd));
                } else if waits_for_child(parked.wait.syscall) {
                    parents.push((*pid, *tid));
                }
            }
        }
        let unknown = self.look_up(wanted, false);
        if unknown > 0 {
            self.lose(UserLoss::DescriptorsClosedUnseen, unknown);
        }
        self.look_up_children(&parents, false);
    }

    /// Looks up descriptors, those known well already only if `again`; returns how many are
    /// gone unseen.
    fn look_up(&mut self, mut wanted: Vec<(u32, u32, i32)>, again: bool) -> u64 {
        wanted.sort_unstable();
        wanted.dedup();
        let mut tables: HashMap<u32, Tables> = HashMap::new();
        let mut unknown = 0;
        for (pid, tid, fd) in wanted {
            let Some(watched) = self.watched.get_mut(&pid) else {
                continue;
            };
            let known = watched.descriptors.get(&(tid, fd));
            let is_known = known.is_some();
            if known.is_some_and(|known| known.total() >= FIRST_LOOKS) && !again {
                continue;
            }
            match discovery::descriptor(pid, fd, tables.entry(pid).or_default()) {
                Ok(descriptor) => watched
                    .descriptors
                    .entry((tid, fd))
                    .or_default()
                    .add(descriptor),
                Err(_) if is_known => {}
                Err(_) => unknown += 1,
            }
        }
        unknown
    }

    fn look_up_children(&mut self, parents: &[(u32, u32)], again: bool) {
        for (pid, tid) in parents {
            let Some(watched) = self.watched.get_mut(pid) else {
                continue;
            };
            let seen: &mut Sightings<_> = watched.children.entry(*tid).or_default();
            // Enough to tell one child from a row of them.
            if (again || seen.total() < 4)
                && let Some(child) = discovery::awaited_child(*pid, *tid)
            {
                seen.add(child);
            }
        }
    }
}

/// Whether a system call waits for a child that it names.
fn waits_for_child(number: i16) -> bool {
    matches!(syscall_name(i32::from(number)), Some("wait4" | "waitid"))
}
