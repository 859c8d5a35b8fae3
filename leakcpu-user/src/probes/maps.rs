//! Typed handles of the kernel maps.

use std::time::Duration;

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, StackTraceMap},
};
use leakcpu_common::{
    config::Control,
    counters::Counter,
    event_loop::{LoopKey, LoopState},
    fault::{FaultKey, Faults},
    names::maps as names,
    process::PyProcess,
    rival::{Rival, RivalKey},
    syscall::{SyscallSpec, SyscallTally, TallyKey},
    thread::ThreadState,
    totals::{Totals, TotalsKey},
    usdt::{AuditKey, CallKey, CollectionKey, Collections, FiredKey, OpenCollection, calls_cost},
    wake::{Wake, WakeKey},
};

use super::loader::ProbeError;

/// What a program may need at most, an interrupted virtual CPU included.
const LONGEST_PROGRAM: Duration = Duration::from_millis(10);

/// All maps that user space reads or writes, borrowed from the loaded object.
pub struct KernelMaps<'a> {
    /// Watched threads.
    pub threads: HashMap<&'a mut MapData, u32, ThreadState>,
    /// What the walker knows of each process.
    pub processes: HashMap<&'a mut MapData, u32, PyProcess>,
    /// Aggregated time.
    pub totals: HashMap<&'a mut MapData, TotalsKey, Totals>,
    /// Per-CPU counters.
    pub counters: PerCpuArray<&'a mut MapData, u64>,
    /// What the programs are told while they run.
    pub control: Array<&'a mut MapData, Control>,
    /// System-call meanings.
    pub syscalls: Array<&'a mut MapData, SyscallSpec>,
    /// Threads whose system calls are tallied.
    pub suspects: HashMap<&'a mut MapData, u32, u32>,
    /// The tallies.
    pub tallies: HashMap<&'a mut MapData, TallyKey, SyscallTally>,
    /// Who ran while watched threads were ready to.
    pub rivals: HashMap<&'a mut MapData, RivalKey, Rival>,
    /// Who ended waits for locks and the GIL.
    pub wakes: HashMap<&'a mut MapData, WakeKey, Wake>,
    /// Native user stacks, where they are asked for.
    pub user_stacks: StackTraceMap<&'a mut MapData>,
    /// Kernel stacks, where they are asked for.
    pub kernel_stacks: StackTraceMap<&'a mut MapData>,
    /// Walks at switches by their microseconds, where they are timed.
    pub switch_walks: PerCpuArray<&'a mut MapData, u64>,
    /// Gaps of event loops.
    pub loops: HashMap<&'a mut MapData, LoopKey, LoopState>,
    /// Page faults that had to wait.
    pub faults: HashMap<&'a mut MapData, FaultKey, Faults>,
    /// How often interpreters' probes fired.
    pub usdt_fired: HashMap<&'a mut MapData, FiredKey, u64>,
    /// Collections that go on.
    pub open_collections: HashMap<&'a mut MapData, u32, OpenCollection>,
    /// What collectors took.
    pub collections: HashMap<&'a mut MapData, CollectionKey, Collections>,
    /// Audited events.
    pub audits: HashMap<&'a mut MapData, AuditKey, u64>,
    /// Calls and lines.
    pub calls: HashMap<&'a mut MapData, CallKey, u64>,
    /// What counting them takes.
    pub calls_cost: PerCpuArray<&'a mut MapData, u64>,
}

fn typed<'a, T>(map: Option<&'a mut Map>, name: &'static str) -> Result<T, ProbeError>
where
    T: TryFrom<&'a mut Map, Error = aya::maps::MapError>,
{
    Ok(T::try_from(map.ok_or(ProbeError::Missing(name))?)?)
}

impl<'a> KernelMaps<'a> {
    pub(super) fn new(ebpf: &'a mut Ebpf) -> Result<Self, ProbeError> {
        let [
            threads,
            processes,
            totals,
            counters,
            control,
            syscalls,
            suspects,
            tallies,
            rivals,
            wakes,
            user_stacks,
            kernel_stacks,
            switch_walks,
            loops,
            faults,
            usdt_fired,
            open_collections,
            collections,
            audits,
            calls,
            calls_cost,
        ] = ebpf.maps_disjoint_mut([
            names::THREADS,
            names::PROCESSES,
            names::TOTALS,
            names::COUNTERS,
            names::CONTROL,
            names::SYSCALLS,
            names::SUSPECTS,
            names::TALLIES,
            names::RIVALS,
            names::WAKES,
            names::USER_STACKS,
            names::KERNEL_STACKS,
            names::SWITCH_WALKS,
            names::LOOPS,
            names::FAULTS,
            names::USDT_FIRED,
            names::OPEN_COLLECTIONS,
            names::COLLECTIONS,
            names::AUDITS,
            names::CALLS,
            names::CALLS_COST,
        ]);
        Ok(Self {
            threads: typed(threads, names::THREADS)?,
            processes: typed(processes, names::PROCESSES)?,
            totals: typed(totals, names::TOTALS)?,
            counters: typed(counters, names::COUNTERS)?,
            control: typed(control, names::CONTROL)?,
            syscalls: typed(syscalls, names::SYSCALLS)?,
            suspects: typed(suspects, names::SUSPECTS)?,
            tallies: typed(tallies, names::TALLIES)?,
            rivals: typed(rivals, names::RIVALS)?,
            wakes: typed(wakes, names::WAKES)?,
            user_stacks: typed(user_stacks, names::USER_STACKS)?,
            kernel_stacks: typed(kernel_stacks, names::KERNEL_STACKS)?,
            switch_walks: typed(switch_walks, names::SWITCH_WALKS)?,
            loops: typed(loops, names::LOOPS)?,
            faults: typed(faults, names::FAULTS)?,
            usdt_fired: typed(usdt_fired, names::USDT_FIRED)?,
            open_collections: typed(open_collections, names::OPEN_COLLECTIONS)?,
            collections: typed(collections, names::COLLECTIONS)?,
            audits: typed(audits, names::AUDITS)?,
            calls: typed(calls, names::CALLS)?,
            calls_cost: typed(calls_cost, names::CALLS_COST)?,
        })
    }

    /// Begins the window: what cannot be taken off at its end is noted from now on.
    pub fn begin(&mut self, now_ns: u64) -> Result<(), ProbeError> {
        self.tell(|control| control.begun_ns = now_ns)
    }

    fn tell(&mut self, what: impl FnOnce(&mut Control)) -> Result<(), ProbeError> {
        let mut control = self.control.get(&0, 0)?;
        what(&mut control);
        Ok(self.control.set(0, control, 0)?)
    }

    /// Ends the window: the programs stop changing state. Those that had begun before
    /// have ended when this returns, so no entry is read half changed.
    pub fn stop(&mut self, now_ns: u64) -> Result<(), ProbeError> {
        self.tell(|control| control.stopped_ns = now_ns)?;
        wait_for_running_programs();
        Ok(())
    }

    /// Tells the programs how much to look at at context switches: the time between two
    /// walks of a thread's stack that is aimed at (0: walk at all), and whether switches
    /// without a walk keep their times only.
    pub fn degrade(&mut self, walk_gap_ns: u64, counters_only: bool) -> Result<(), ProbeError> {
        self.tell(|control| {
            control.walk_gap_ns = walk_gap_ns;
            control.counters_only = u64::from(counters_only);
        })
    }

    /// Whether calls are counted where their probes fire.
    pub fn count_calls(&mut self, yes: bool) -> Result<(), ProbeError> {
        self.tell(|control| control.counts_calls = u64::from(yes))
    }

    /// What counting calls took so far, without the breakpoints: times and nanoseconds.
    pub fn calls_cost(&self) -> Result<(u64, u64), ProbeError> {
        let sum =
            |word| -> Result<u64, ProbeError> { Ok(self.calls_cost.get(&word, 0)?.iter().sum()) };
        Ok((sum(calls_cost::RUNS)?, sum(calls_cost::TOOK_NS)?))
    }

    /// A counter, summed over CPUs.
    pub fn counter(&self, counter: Counter) -> Result<u64, ProbeError> {
        let values = self.counters.get(&(counter as u32), 0)?;
        Ok(values.iter().sum())
    }
}

/// Returns once every eBPF program that runs now has ended: they run inside RCU's read
/// side, and `MEMBARRIER_CMD_GLOBAL` waits for a grace period
/// (`kernel/sched/membarrier.c`; since 4.3).
fn wait_for_running_programs() {
    // SAFETY: the call takes three integers and touches no memory of ours.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_membarrier,
            libc::MEMBARRIER_CMD_GLOBAL,
            0_u32,
            0_i32,
        )
    };
    if ret != 0 {
        // Kernels without it or with `nohz_full`: a program runs for microseconds.
        std::thread::sleep(LONGEST_PROGRAM);
    }
}
