//! Loaded and attached programs, and what they watch: the kernel half of a session,
//! without the user half, whose own work would blur the figures.

use std::{collections::HashMap, ops::Sub};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{MapData, RingBuf};
use leakcpu_common::{
    config::SWITCH_WALK_SLOTS,
    counters::Counter,
    thread::{ThreadState, run_state},
};
use pyobserve::{
    collect::monotonic_ns,
    discovery::{self, Discovery},
    interpreter::{self, Interpreters},
    probes::{LoadConfig, Probes},
};

/// Frames walked at most: more than any workload here has.
const FRAME_LIMIT: u32 = 512;

/// Programs that run now.
pub struct Watch {
    /// The programs, for arming.
    pub probes: Probes,
    discovery: Discovery,
    interpreters: Interpreters,
    samples: RingBuf<MapData>,
    pids: Vec<u32>,
    tids: Vec<u32>,
}

impl Watch {
    /// Loads and attaches the programs; nothing is watched yet.
    pub fn start(rate_hz: u32, time_switch_walks: bool) -> Result<Self> {
        let mut probes = Probes::load(LoadConfig {
            frame_limit: FRAME_LIMIT,
            rate_hz,
            time_switch_walks,
            ..LoadConfig::default()
        })?;
        let samples = probes.take_samples()?;
        probes.attach()?;
        Ok(Self {
            samples,
            probes,
            discovery: Discovery::new(),
            interpreters: Interpreters::new(),
            pids: Vec::new(),
            tids: Vec::new(),
        })
    }

    /// Watches the threads of a Python process; with `stacks`, walks them too.
    pub fn add(&mut self, pid: u32, stacks: bool) -> Result<()> {
        let (_, process) = self
            .interpreters
            .attach_pid(&mut self.discovery, pid)
            .with_context(|| format!("cannot read process {pid}"))?;
        let states = interpreter::threads(&process)?;
        if stacks {
            self.probes
                .maps()?
                .processes
                .insert(pid, process.kernel, 0)?;
            self.pids.push(pid);
        }
        for tid in discovery::thread_ids(pid)? {
            let tstate = states
                .iter()
                .find(|state| state.tid == Some(tid))
                .map_or(0, |state| state.tstate);
            let now_ns = monotonic_ns();
            let state = ThreadState {
                start_boottime_ns: process.start_boottime_ns,
                watched_since_ns: now_ns,
                state_since_ns: now_ns,
                pid,
                tid,
                run_state: run_state::UNKNOWN,
                tstate,
                ..ThreadState::default()
            };
            self.probes.maps()?.threads.insert(tid, state, 0)?;
            self.tids.push(tid);
        }
        Ok(())
    }

    /// Watches nothing any more.
    pub fn clear(&mut self) -> Result<()> {
        let mut maps = self.probes.maps()?;
        for tid in self.tids.drain(..) {
            maps.threads.remove(&tid)?;
        }
        for pid in self.pids.drain(..) {
            maps.processes.remove(&pid)?;
        }
        Ok(())
    }

    /// How many walks at switches took each number of microseconds; the last one stands
    /// for all that took longer. Then the same of the controls.
    pub fn switch_walks(&mut self) -> Result<[Vec<u64>; 2]> {
        let maps = self.probes.maps()?;
        let from = |first: u32| {
            (first..first + SWITCH_WALK_SLOTS)
                .map(|slot| Ok(maps.switch_walks.get(&slot, 0)?.iter().sum()))
                .collect::<Result<_>>()
        };
        Ok([from(0)?, from(SWITCH_WALK_SLOTS)?])
    }

    /// What the programs have run and seen so far.
    pub fn tally(&mut self) -> Result<Tally> {
        // A full ring would make the next samples take another way.
        while self.samples.next().is_some() {}
        let runs: HashMap<_, _> = self
            .probes
            .run_stats()
            .into_iter()
            .map(|(program, stats)| {
                let runs = Runs {
                    count: stats.run_count as f64,
                    ns: stats.run_time_ns as f64,
                };
                (program, runs)
            })
            .collect();
        let maps = self.probes.maps()?;
        let mut switches = 0;
        for tid in &self.tids {
            let state = maps.threads.get(tid, 0)?;
            switches += state.voluntary_switches + state.involuntary_switches;
        }
        Ok(Tally {
            runs,
            switches: switches as f64,
            samples: maps.counter(Counter::OnCpuSamples)? as f64,
            stacks: maps.counter(Counter::StacksWalked)? as f64,
            frames: maps.counter(Counter::FramesWalked)? as f64,
        })
    }
}

/// Runs of one program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Runs {
    /// How many.
    pub count: f64,
    /// How long in all.
    pub ns: f64,
}

impl Runs {
    /// Nanoseconds a run.
    pub fn mean_ns(self) -> Result<f64> {
        ensure!(self.count > 0.0, "a program did not run");
        Ok(self.ns / self.count)
    }

    /// Nanoseconds of each of `counted` runs, if each of the others took `other_ns`.
    pub fn mean_of_ns(self, counted: f64, other_ns: f64) -> Result<f64> {
        ensure!(
            counted > 0.0,
            "a program did not see the thread that it watches"
        );
        let others = (self.count - counted).max(0.0);
        Ok((self.ns - others * other_ns).max(0.0) / counted)
    }
}

/// Sums, of all CPUs.
pub struct Tally {
    runs: HashMap<&'static str, Runs>,
    /// Switches of the watched threads away from a CPU.
    pub switches: f64,
    /// Samples of watched threads.
    pub samples: f64,
    /// Stacks walked.
    pub stacks: f64,
    /// Frames in them.
    pub frames: f64,
}

impl Tally {
    /// Runs of a program.
    pub fn of(&self, program: &str) -> Runs {
        self.runs.get(program).copied().unwrap_or_default()
    }
}

impl Sub for &Tally {
    type Output = Tally;

    fn sub(self, earlier: Self) -> Tally {
        let runs = self
            .runs
            .iter()
            .map(|(program, runs)| {
                let before = earlier.of(program);
                let runs = Runs {
                    count: runs.count - before.count,
                    ns: runs.ns - before.ns,
                };
                (*program, runs)
            })
            .collect();
        Tally {
            runs,
            switches: self.switches - earlier.switches,
            samples: self.samples - earlier.samples,
            stacks: self.stacks - earlier.stacks,
            frames: self.frames - earlier.frames,
        }
    }
}
