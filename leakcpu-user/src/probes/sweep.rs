//! Clearing the maps between two windows.

use std::collections::HashSet;

use leakcpu_common::{event_loop::LoopState, thread::ThreadState};

use super::{KernelMaps, ProbeError};

impl KernelMaps<'_> {
    /// A window has been read and the next one is to begin: takes out what threads left
    /// that have ended, and what is not told from window to window by a difference. Programs
    /// go on meanwhile: a gap of an event loop or a page fault that ends at this moment may
    /// be in neither window.
    pub fn sweep(&mut self, generation: impl Fn(&ThreadState) -> u32) -> Result<(), ProbeError> {
        let mut live = HashSet::new();
        for entry in &self.threads {
            let (tid, thread) = entry?;
            live.insert((tid, generation(&thread)));
        }
        let is_dead = |tid: u32, generation: u32| !live.contains(&(tid, generation));
        let totals: Vec<_> = self.totals.keys().collect::<Result<_, _>>()?;
        for key in totals {
            if is_dead(key.tid, key.generation) {
                let _ = self.totals.remove(&key);
            }
        }
        let wakes: Vec<_> = self.wakes.keys().collect::<Result<_, _>>()?;
        for key in wakes {
            if is_dead(key.totals.tid, key.totals.generation) {
                let _ = self.wakes.remove(&key);
            }
        }
        let faults: Vec<_> = self.faults.keys().collect::<Result<_, _>>()?;
        for key in faults {
            let _ = self.faults.remove(&key);
        }
        let collections: Vec<_> = self.collections.keys().collect::<Result<_, _>>()?;
        for key in collections {
            let _ = self.collections.remove(&key);
        }
        let audits: Vec<_> = self.audits.keys().collect::<Result<_, _>>()?;
        for key in audits {
            let _ = self.audits.remove(&key);
        }
        let calls: Vec<_> = self.calls.keys().collect::<Result<_, _>>()?;
        for key in calls {
            let _ = self.calls.remove(&key);
        }
        let fired: Vec<_> = self.usdt_fired.keys().collect::<Result<_, _>>()?;
        for key in fired {
            let _ = self.usdt_fired.remove(&key);
        }
        let loops: Vec<_> = self.loops.iter().collect::<Result<_, _>>()?;
        for (key, state) in loops {
            if is_dead(key.tid, key.generation) {
                let _ = self.loops.remove(&key);
                continue;
            }
            // Of a gap that goes on.
            let going_on = LoopState {
                began: state.began,
                ..LoopState::default()
            };
            self.loops.insert(key, going_on, 0)?;
        }
        Ok(())
    }
}
