//! The kernel's maps, read once the window has ended.

use std::collections::{HashMap, hash_map::Entry};

use aya::maps::{MapData, StackTraceMap};
use leakcpu_common::{
    counters::Counter,
    event_loop::LoopKey,
    native::{LeafKey, NO_STACK},
    rival::{Rival, RivalKey},
    syscall::{SyscallTally, TallyKey},
    thread::{ThreadState, run_state, thread_flags},
    totals::{Totals, TotalsKey},
    wake::{Wake, WakeKey},
};

use super::{Baseline, Samples, loops::LoopRecord, totals::read_totals};
use crate::{
    model::{Loss, Lost, UserLoss},
    probes::{KernelMaps, ProbeError},
};

/// One thread as the kernel knew it when the window ended: times of the interval
/// still open then are added.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRecord {
    /// State with its open interval closed at the window's end.
    pub state: ThreadState,
    /// What the thread was doing at the end.
    pub run_state_at_end: u32,
    /// Length of the interval that was open at the end.
    pub open_ns: u64,
}

impl ThreadRecord {
    /// Closes the open interval of `state` at `end_ns`.
    pub fn close(mut state: ThreadState, end_ns: u64) -> Self {
        let run_state_at_end = state.run_state;
        let mut open_ns = 0;
        if run_state_at_end != run_state::DEAD {
            open_ns = end_ns.saturating_sub(state.state_since_ns);
            match run_state_at_end {
                run_state::ON_CPU => state.on_cpu_ns += open_ns,
                run_state::RUNNABLE if state.flags & thread_flags::THROTTLED != 0 => {
                    state.throttled_ns += open_ns;
                }
                run_state::RUNNABLE => state.runnable_ns += open_ns,
                run_state::BLOCKED => state.blocked_ns += open_ns,
                _ => {}
            }
            if state.flags & thread_flags::IN_GIL_WAIT != 0 && state.off_since_ns != 0 {
                state.gil_wait_ns += end_ns.saturating_sub(state.off_since_ns);
            }
            state.ended_ns = end_ns.max(state.state_since_ns);
        }
        Self {
            state,
            run_state_at_end,
            open_ns,
        }
    }

    /// Observed span.
    pub fn wall_ns(&self) -> u64 {
        self.state
            .ended_ns
            .saturating_sub(self.state.watched_since_ns)
    }

    /// Tells two owners of one tid apart; equal to the kernel side's.
    pub fn generation(&self) -> u32 {
        generation(&self.state)
    }
}

/// Tells two owners of one tid apart; equal to the kernel side's.
pub fn generation(state: &ThreadState) -> u32 {
    // The low half, as the kernel side stores it.
    u32::try_from((state.start_boottime_ns >> 20) & u64::from(u32::MAX)).unwrap_or(0)
}

/// Everything the maps held.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Threads.
    pub threads: Vec<ThreadRecord>,
    /// Aggregated time by (tid, generation).
    pub totals: HashMap<(u32, u32), Vec<(TotalsKey, Totals)>>,
    /// Tallied system calls by tid.
    pub tallies: HashMap<u32, Vec<(u32, SyscallTally)>>,
    /// Samples by instruction, of each entry of the totals.
    pub leaves: HashMap<TotalsKey, Vec<(LeafKey, u64)>>,
    /// Who ran while threads of a process were ready to, by its pid.
    pub rivals: HashMap<u32, Vec<(RivalKey, Rival)>>,
    /// Event loops by (tid, generation).
    pub loops: HashMap<(u32, u32), LoopRecord>,
    /// Who ended its waits for locks and the GIL, by (tid, generation) of the waiter.
    pub wakes: HashMap<(u32, u32), Vec<(WakeKey, Wake)>>,
    /// Native user stacks by id, as far as leaves name them.
    pub user_stacks: HashMap<i32, Vec<u64>>,
    /// Kernel stacks by id, as far as leaves name them.
    pub kernel_stacks: HashMap<i32, Vec<u64>>,
    /// Counters.
    pub counters: Vec<(Counter, u64)>,
}

impl Snapshot {
    /// Reads the maps, less what they held when the window began. Call it after
    /// [`KernelMaps::stop`], with the same time. `samples` are those of the whole window.
    pub fn read(
        maps: &KernelMaps<'_>,
        baseline: &Baseline,
        samples: &Samples,
        end_ns: u64,
    ) -> Result<Self, ProbeError> {
        let mut snapshot = Self::default();
        for entry in &maps.threads {
            let (_, state) = entry?;
            let record = baseline.trim(ThreadRecord::close(state, end_ns));
            snapshot.threads.extend(record);
        }
        for entry in &maps.loops {
            let (
                LoopKey {
                    tid,
                    generation: of,
                },
                state,
            ) = entry?;
            let thread = maps.threads.get(&tid, 0).ok();
            let thread = thread.filter(|thread| generation(thread) == of);
            let record = LoopRecord::new(state, thread.as_ref(), end_ns);
            snapshot.loops.insert((tid, of), record);
        }
        for (key, totals) in read_totals(maps)? {
            let Some(totals) = baseline.totals(&key, totals) else {
                continue;
            };
            snapshot
                .totals
                .entry((key.tid, key.generation))
                .or_default()
                .push((key, totals));
        }
        for (key, count) in samples.iter() {
            read_stack(&maps.user_stacks, key.user_stack, &mut snapshot.user_stacks)?;
            read_stack(
                &maps.kernel_stacks,
                key.kernel_stack,
                &mut snapshot.kernel_stacks,
            )?;
            snapshot
                .leaves
                .entry(key.totals)
                .or_default()
                .push((key, count));
        }
        snapshot.add_samples_to_totals(samples.by_totals());
        for entry in &maps.rivals {
            let (key, rival) = entry?;
            let rival = baseline.rival(&key, rival);
            snapshot
                .rivals
                .entry(key.pid)
                .or_default()
                .push((key, rival));
        }
        for entry in &maps.wakes {
            let (key, wake) = entry?;
            let wake = baseline.wake(&key, wake);
            let waiter = (key.totals.tid, key.totals.generation);
            snapshot.wakes.entry(waiter).or_default().push((key, wake));
        }
        for counter in Counter::ALL {
            let n = baseline.counter(counter, maps.counter(counter)?);
            snapshot.counters.push((counter, n));
        }
        Ok(snapshot)
    }

    /// Samples are counted by instruction; the totals get their sums.
    fn add_samples_to_totals(&mut self, mut counts: HashMap<TotalsKey, u64>) {
        // Those that found the ring full are there already.
        for (key, totals) in self.totals.values_mut().flatten() {
            totals.count += counts.remove(key).unwrap_or(0);
        }
        for (key, count) in counts {
            let totals = Totals {
                count,
                ..Totals::default()
            };
            let entries = self.totals.entry((key.tid, key.generation)).or_default();
            entries.push((key, totals));
        }
    }

    /// Adds one reading of the tallies to those of earlier armed moments.
    pub fn add_tally(&mut self, key: TallyKey, tally: SyscallTally) {
        self.tallies
            .entry(key.tid)
            .or_default()
            .push((key.syscall, tally));
    }

    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters
            .iter()
            .find(|(c, _)| *c == counter)
            .map_or(0, |(_, n)| *n)
    }
}

fn read_stack(
    stacks: &StackTraceMap<&mut MapData>,
    id: i32,
    known: &mut HashMap<i32, Vec<u64>>,
) -> Result<(), ProbeError> {
    let Ok(bucket) = u32::try_from(id) else {
        debug_assert_eq!(id, NO_STACK, "other ids are not negative");
        return Ok(());
    };
    if let Entry::Vacant(empty) = known.entry(id) {
        let stack = stacks.get(&bucket, 0)?;
        empty.insert(stack.frames().iter().map(|frame| frame.ip).collect());
    }
    Ok(())
}

/// The kernel side's losses, as the report names them: those not zero, and
/// always the three that the contract fixes.
pub fn losses(counters: &[(Counter, u64)]) -> Loss {
    let mut loss = Loss::new();
    let mut samples = 0;
    for (counter, n) in counters.iter().filter(|(c, _)| c.is_loss()) {
        if matches!(
            counter,
            Counter::TotalsFull | Counter::StackRingFull | Counter::StackTableFull
        ) {
            samples += n;
        }
        if *n > 0 {
            loss.insert((*counter).into(), *n);
        }
    }
    loss.insert(UserLoss::SamplesLost.into(), samples);
    for always in Lost::ALWAYS {
        loss.entry(always).or_insert(0);
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_interval_goes_to_the_state_it_is_in() {
        let state = ThreadState {
            watched_since_ns: 100,
            state_since_ns: 400,
            on_cpu_ns: 300,
            run_state: run_state::BLOCKED,
            ..ThreadState::default()
        };
        let record = ThreadRecord::close(state, 1_000);
        assert_eq!(record.state.blocked_ns, 600);
        assert_eq!(record.wall_ns(), 900);
        let sum = record.state.on_cpu_ns + record.state.runnable_ns + record.state.blocked_ns;
        assert_eq!(sum, record.wall_ns());
    }

    #[test]
    fn a_dead_thread_is_left_as_it_is() {
        let state = ThreadState {
            watched_since_ns: 100,
            state_since_ns: 400,
            ended_ns: 400,
            on_cpu_ns: 300,
            run_state: run_state::DEAD,
            ..ThreadState::default()
        };
        let record = ThreadRecord::close(state, 1_000);
        assert_eq!((record.wall_ns(), record.open_ns), (300, 0));
    }

    #[test]
    fn the_contract_s_losses_are_always_there() {
        let loss = losses(&[(Counter::StackRingFull, 3), (Counter::OnCpuSamples, 9)]);
        assert_eq!(loss[&Lost::from(UserLoss::SamplesLost)], 3);
        assert_eq!(loss[&Lost::from(Counter::StackRingFull)], 3);
        assert_eq!(loss[&Lost::from(Counter::StacksTruncated)], 0);
        assert_eq!(loss[&Lost::from(Counter::StackInTransition)], 0);
        assert!(!loss.contains_key(&Lost::from(Counter::OnCpuSamples)));
    }

    #[test]
    fn samples_are_added_to_the_totals() {
        let key = |stack| TotalsKey {
            stack,
            tid: 7,
            ..TotalsKey::default()
        };
        let mut snapshot = Snapshot::default();
        let one = Totals {
            count: 1,
            ..Totals::default()
        };
        snapshot.totals.insert((7, 0), vec![(key(1), one)]);
        snapshot.add_samples_to_totals([(key(1), 5), (key(2), 4)].into());
        let mut counts: Vec<(u64, u64)> = snapshot.totals[&(7, 0)]
            .iter()
            .map(|(key, totals)| (key.stack, totals.count))
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, [(1, 6), (2, 4)]);
    }
}
