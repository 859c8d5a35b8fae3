//! Looking up the descriptors that waits name, while they are open.

use std::collections::HashMap;

use leakcpu_common::totals::wait_flags;

use super::{Session, SessionError};
use crate::{
    collect::Snapshot,
    discovery::{self, SocketTable},
};

impl Session {
    /// Looks up the descriptors that threads wait on now, while they are open.
    pub(super) fn look_up_current_descriptors(&mut self) -> Result<(), SessionError> {
        let mut wanted = Vec::new();
        {
            let maps = self.probes.maps()?;
            for entry in &maps.threads {
                let Ok((_, state)) = entry else { continue };
                if state.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((state.pid, state.wait.fd));
                }
            }
        }
        self.look_up(wanted);
        Ok(())
    }

    /// Looks up the descriptors that the totals name and nobody has looked at yet.
    pub(super) fn look_up_descriptors(&mut self, snapshot: &Snapshot) {
        let mut wanted = Vec::new();
        for record in &snapshot.threads {
            let key = (record.state.tid, record.generation());
            for (totals, _) in snapshot.totals.get(&key).into_iter().flatten() {
                if totals.wait.flags & wait_flags::HAS_FD != 0 {
                    wanted.push((record.state.pid, totals.wait.fd));
                }
            }
        }
        for (pid, watched) in &self.watched {
            for note in watched.threads.values() {
                if let Some(parked) = &note.parked
                    && parked.wait.flags & wait_flags::HAS_FD != 0
                {
                    wanted.push((*pid, parked.wait.fd));
                }
            }
        }
        self.look_up(wanted);
    }

    fn look_up(&mut self, mut wanted: Vec<(u32, i32)>) {
        wanted.sort_unstable();
        wanted.dedup();
        let mut tables: HashMap<u32, Option<SocketTable>> = HashMap::new();
        for (pid, fd) in wanted {
            let Some(watched) = self.watched.get_mut(&pid) else {
                continue;
            };
            if watched.descriptors.contains_key(&fd) {
                continue;
            }
            let table = tables.entry(pid).or_default();
            if let Ok(descriptor) = discovery::descriptor(pid, fd, table) {
                watched.descriptors.insert(fd, descriptor);
            }
        }
    }
}
