//! Loading the object, attaching and detaching the sources.

use std::{
    collections::{BTreeSet, HashMap},
    panic::resume_unwind,
    path::Path,
    thread,
};

use aya::{
    Btf, BtfError as AyaBtfError, Ebpf, EbpfError, EbpfLoader, VerifierLogLevel,
    maps::{MapData, MapError, RingBuf},
    programs::{
        BtfTracePoint, PerfEvent, Program, ProgramError, perf_event::SoftwareEvent,
        tp_btf::BtfTracePointLinkId,
    },
};
use leakcpu_common::{
    config::{DEFAULT_FRAMES, globals},
    names::{maps as map_names, programs},
    native::NATIVE_STACKS,
};

use super::{
    features::{KernelFacts, KernelFactsError},
    kernel_btf::{BtfError, KernelBtf},
    maps::KernelMaps,
    per_cpu::PerCpuEvents,
    per_thread::PerThreadEvents,
    sources::{Attach, SOURCES, Source},
    syscalls::SyscallTable,
    usdt::{
        CallCounting, ProbeGroup, ProbeGroups, Scope, Usdt, UsdtError, UsdtLink, UsdtTarget,
        UsdtWay, map_fds,
    },
};

/// The eBPF object, built from source by this crate's build script. Empty if no
/// BPF toolchain was there.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("PYOBSERVE_EBPF_OBJECT"));

/// Whether this build holds the eBPF programs.
pub fn object_is_built_in() -> bool {
    !OBJECT.is_empty()
}

/// Why loading or attaching failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Built without a BPF toolchain.
    #[error(
        "this pyobserve was built without its eBPF programs; run `cargo xtask setup` and build again"
    )]
    NoObject,
    /// No usable BTF.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// A kernel that lacks something basic.
    #[error(transparent)]
    Kernel(#[from] KernelFactsError),
    /// aya could not read the kernel's BTF.
    #[error("cannot use the kernel's BTF: {0}")]
    AyaBtf(#[from] AyaBtfError),
    /// The object was refused as a whole: maps, relocations.
    #[error("cannot load the eBPF object: {0}")]
    Load(#[from] EbpfError),
    /// One program was refused or could not be attached.
    #[error("cannot {step} the eBPF program `{program}`: {source}")]
    Program {
        /// `load` or `attach`.
        step: &'static str,
        /// Which.
        program: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A program or map that the object should have is not there.
    #[error("the eBPF object has no `{0}`")]
    Missing(&'static str),
    /// A map could not be read or written.
    #[error("eBPF map: {0}")]
    Map(#[from] MapError),
    /// Nobody listens at a file's probes.
    #[error(transparent)]
    Usdt(#[from] UsdtError),
    /// The list of CPUs could not be read.
    #[error("cannot read {0}: {1}")]
    Cpus(String, std::io::Error),
}

impl ProbeError {
    /// Whether the kernel said no for want of privilege.
    pub fn is_permission(&self) -> bool {
        // The verifier refuses with the same error, and says why.
        if let Self::Program { source, .. } = self
            && verifier_excerpt(source).is_some_and(|log| !log.is_empty())
        {
            return false;
        }
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::PermissionDenied
            {
                return true;
            }
            source = error.source();
        }
        false
    }
}

/// Last lines of a verifier log: where it says why.
pub fn verifier_excerpt(error: &ProgramError) -> Option<String> {
    let ProgramError::LoadError { verifier_log, .. } = error else {
        return None;
    };
    let log = verifier_log.to_string();
    let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(12);
    Some(lines[from..].join("\n"))
}

/// Sizes of the maps, entries (bytes for the ring buffer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSizes {
    /// Watched threads.
    pub threads: u32,
    /// Watched processes.
    pub processes: u32,
    /// Distinct (thread, stack, wait) combinations.
    pub totals: u32,
    /// Distinct stacks.
    pub stacks: u32,
    /// Ring buffer, bytes; a power of two and a multiple of the page size.
    pub ring_bytes: u32,
}

impl MapSizes {
    /// Unless the command line says otherwise.
    pub const DEFAULT: Self = Self {
        threads: 32_768,
        processes: 4_096,
        totals: 65_536,
        stacks: 65_536,
        ring_bytes: 4 << 20,
    };
}

/// Samples per second and CPU unless something else is asked for.
const DEFAULT_RATE_HZ: u32 = 99;

/// What the programs are told at load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadConfig {
    /// Frames recorded at most.
    pub frame_limit: u32,
    /// Children of watched processes are watched.
    pub follow_children: bool,
    /// Every exec of the host is looked at.
    pub watch_every_exec: bool,
    /// Map sizes.
    pub sizes: MapSizes,
    /// Samples per second and CPU.
    pub rate_hz: u32,
    /// Samples take the native user stack.
    pub native_stacks: bool,
    /// Samples in kernel mode take the kernel's stack.
    pub kernel_stacks: bool,
    /// The time of every walk at a switch is noted: for a bench.
    pub time_switch_walks: bool,
    /// Which probes of interpreters are listened at.
    pub usdt: ProbeGroups,
    /// When calls are counted, if they are wanted.
    pub call_counting: CallCounting,
    /// How probes are listened at.
    pub usdt_way: UsdtWay,
}

impl Default for LoadConfig {
    /// What is watched is named one by one, and nothing is taken beyond Python's frames.
    fn default() -> Self {
        Self {
            frame_limit: DEFAULT_FRAMES,
            follow_children: false,
            watch_every_exec: false,
            sizes: MapSizes::DEFAULT,
            rate_hz: DEFAULT_RATE_HZ,
            native_stacks: false,
            kernel_stacks: false,
            time_switch_walks: false,
            usdt: ProbeGroups::NONE,
            call_counting: CallCounting::default(),
            usdt_way: UsdtWay::Links,
        }
    }
}

/// Loaded programs and their links. Dropping it detaches everything.
pub struct Probes {
    ebpf: Ebpf,
    armed: Option<BtfTracePointLinkId>,
    per_cpu: Vec<PerCpuEvents>,
    per_thread: PerThreadEvents,
    usdt: Usdt,
    #[cfg(feature = "ebpf-log")]
    flush_log: Box<dyn FnMut()>,
    /// Sources that could not be loaded, and why.
    pub skipped: Vec<(&'static Source, ProbeError)>,
    config: LoadConfig,
    /// What the running kernel is like.
    pub facts: KernelFacts,
}

impl Probes {
    /// Loads every program; nothing runs yet.
    pub fn load(config: LoadConfig) -> Result<Self, ProbeError> {
        if OBJECT.is_empty() {
            return Err(ProbeError::NoObject);
        }
        let facts = KernelFacts::from_btf(&KernelBtf::from_sys_fs()?)?;
        let mut ebpf = open(&facts, &config)?;
        let aya_btf = Btf::from_sys_fs()?;
        #[cfg(feature = "ebpf-log")]
        let flush_log = log_reader(&mut ebpf);
        let mut skipped = Vec::new();
        let mut usdt = Usdt::new(&facts, config.usdt_way);
        for (source, loaded) in load_all(&mut ebpf, &aya_btf, &mut usdt, config.usdt) {
            let Err(error) = loaded else { continue };
            if source.required {
                return Err(error);
            }
            tracing::warn!(program = source.program, %error, "optional program not loaded");
            skipped.push((source, error));
        }
        let mut probes = Self {
            ebpf,
            armed: None,
            per_cpu: Vec::new(),
            per_thread: PerThreadEvents::default(),
            usdt,
            #[cfg(feature = "ebpf-log")]
            flush_log,
            skipped,
            config,
            facts,
        };
        let mut specs = KernelMaps::new(&mut probes.ebpf)?.syscalls;
        for (number, spec) in SyscallTable::default().entries() {
            specs.set(number, *spec, 0)?;
        }
        Ok(probes)
    }

    /// Loads one program for real and drops it: the check that `doctor` makes.
    pub fn try_load(source: &'static Source) -> Result<(), ProbeError> {
        let (mut ebpf, _) = open_small()?;
        let program = ebpf.program_mut(source.program);
        let program = program.ok_or(ProbeError::Missing(source.program))?;
        load_program(program, source, &Btf::from_sys_fs()?)?;
        // Attached for an instant: no thread is watched, so nothing is recorded.
        attach_program(&mut ebpf, source, DEFAULT_RATE_HZ).map(drop)
    }

    /// The same, for the program of a group of probes, which is not attached to any.
    pub fn try_load_usdt(group: ProbeGroup) -> Result<(), ProbeError> {
        let (mut ebpf, facts) = open_small()?;
        let fds = map_fds(&ebpf);
        let program = ebpf.program_mut(group.program());
        Usdt::new(&facts, UsdtWay::Links)
            .load(group.program(), &fds, OBJECT, program)
            .map(drop)
    }

    /// Attaches every source that is not on demand.
    pub fn attach(&mut self) -> Result<(), ProbeError> {
        for source in SOURCES.iter().filter(|s| !s.on_demand) {
            if self
                .skipped
                .iter()
                .any(|(s, _)| s.program == source.program)
            {
                continue;
            }
            match attach_program(&mut self.ebpf, source, self.config.rate_hz) {
                Err(error) if !source.required => {
                    tracing::warn!(program = source.program, %error, "optional program not attached");
                    self.skipped.push((source, error));
                }
                done => self.per_cpu.extend(done?),
            }
        }
        Ok(())
    }

    /// Samples CPUs too that have come since the last call.
    pub fn follow_cpus(&mut self) -> Result<(), ProbeError> {
        for events in &mut self.per_cpu {
            events.follow(perf_event(&mut self.ebpf, events.name())?)?;
        }
        Ok(())
    }

    /// Samples thread `tid` too at each part of its CPU time of which the ordinary samples of a
    /// CPU would meet one in `times`.
    pub fn sample_thread(&mut self, tid: u32, times: u32) -> Result<(), ProbeError> {
        let hz = u64::from(self.config.rate_hz.max(1)) * u64::from(times.max(1));
        let program = perf_event(&mut self.ebpf, programs::ON_CPU_SAMPLE)?;
        self.per_thread
            .attach(program, tid, 1_000_000_000 / hz)
            .map_err(|e| wrap("attach", programs::ON_CPU_SAMPLE, e))
    }

    /// Samples thread `tid` like every other one again.
    pub fn stop_sampling_thread(&mut self, tid: u32) -> Result<(), ProbeError> {
        let program = perf_event(&mut self.ebpf, programs::ON_CPU_SAMPLE)?;
        self.per_thread
            .detach(program, tid)
            .map_err(|e| wrap("detach", programs::ON_CPU_SAMPLE, e))
    }

    /// Passes on what the programs logged; nothing unless built with `ebpf-log`.
    pub fn flush_log(&mut self) {
        #[cfg(feature = "ebpf-log")]
        (self.flush_log)();
    }

    /// The maps, for reading and writing.
    pub fn maps(&mut self) -> Result<KernelMaps<'_>, ProbeError> {
        KernelMaps::new(&mut self.ebpf)
    }

    /// Takes the ring buffer of events out, for reading it while the maps are used.
    pub fn take_events(&mut self) -> Result<RingBuf<MapData>, ProbeError> {
        self.take_ring(map_names::EVENTS)
    }

    /// The same of the ring buffer of samples.
    pub fn take_samples(&mut self) -> Result<RingBuf<MapData>, ProbeError> {
        self.take_ring(map_names::SAMPLES)
    }

    fn take_ring(&mut self, name: &'static str) -> Result<RingBuf<MapData>, ProbeError> {
        let map = self.ebpf.take_map(name);
        Ok(RingBuf::try_from(map.ok_or(ProbeError::Missing(name))?)?)
    }

    /// Attaches the system-call tracepoint; `false` if this kernel refused the
    /// program.
    pub fn arm_syscalls(&mut self) -> Result<bool, ProbeError> {
        if self.armed.is_some() {
            return Ok(true);
        }
        if self
            .skipped
            .iter()
            .any(|(s, _)| s.program == programs::SYS_EXIT)
        {
            return Ok(false);
        }
        let program = tracepoint(&mut self.ebpf, programs::SYS_EXIT)?;
        let link = program
            .attach()
            .map_err(|e| wrap("attach", programs::SYS_EXIT, e))?;
        self.armed = Some(link);
        Ok(true)
    }

    /// Detaches the system-call tracepoint.
    pub fn disarm_syscalls(&mut self) -> Result<(), ProbeError> {
        if let Some(link) = self.armed.take() {
            tracepoint(&mut self.ebpf, programs::SYS_EXIT)?
                .detach(link)
                .map_err(|e| wrap("detach", programs::SYS_EXIT, e))?;
        }
        Ok(())
    }

    /// Listens at probes of a file, all of one group.
    pub fn attach_usdt(
        &mut self,
        group: ProbeGroup,
        file: &Path,
        targets: &[UsdtTarget],
        scope: Scope,
    ) -> Result<UsdtLink, ProbeError> {
        self.usdt
            .attach(&mut self.ebpf, group, file, targets, scope)
    }

    /// Ends it.
    pub fn detach_usdt(&mut self, link: UsdtLink) {
        self.usdt.detach(link);
    }

    /// Whether one link listens at all places of a file (6.6), and not an event at each.
    pub fn has_probe_links(&self) -> bool {
        self.usdt.has_links()
    }

    /// What passing a place where the program that counts calls listens takes, without the
    /// program. Nanoseconds; from now on we are listened at ourselves.
    pub fn trap_ns(&mut self) -> Result<u64, ProbeError> {
        let (runs_before, took_before) = self.maps()?.calls_cost()?;
        let passing_ns = self.usdt.passing_ns(&mut self.ebpf, ProbeGroup::Calls)?;
        let (runs, took_ns) = self.maps()?.calls_cost()?;
        let program_ns = (took_ns - took_before) / (runs - runs_before).max(1);
        Ok(passing_ns.saturating_sub(program_ns))
    }

    /// Ceases to listen at ourselves.
    pub fn end_traps(&mut self) {
        self.usdt.leave_own_place();
    }

    /// Run time of each program so far, from the kernel's statistics
    /// (`BPF_ENABLE_STATS`, 5.8); zero while they are off.
    pub fn run_stats(&self) -> HashMap<&'static str, ProgramStats> {
        let mut stats = HashMap::new();
        for source in &SOURCES {
            let Some(program) = self.ebpf.program(source.program) else {
                continue;
            };
            let Ok(info) = program.info() else { continue };
            stats.insert(
                source.program,
                ProgramStats {
                    run_time_ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                    run_count: info.run_count(),
                },
            );
        }
        stats
    }
}

/// Run time and count of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramStats {
    /// Total.
    pub run_time_ns: u64,
    /// Runs.
    pub run_count: u64,
}

/// Reads the programs' log records and hands them to `log`, which `tracing`
/// takes over (target `leakcpu`).
#[cfg(feature = "ebpf-log")]
fn log_reader(ebpf: &mut Ebpf) -> Box<dyn FnMut()> {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(mut logger) => Box::new(move || logger.flush()),
        Err(error) => {
            tracing::warn!(%error, "the programs' log cannot be read");
            Box::new(|| ())
        }
    }
}

fn open(facts: &KernelFacts, config: &LoadConfig) -> Result<Ebpf, ProbeError> {
    let pt_regs = u32::from(facts.has_task_pt_regs);
    let prev_state = u32::from(facts.has_prev_state_arg);
    let follow = u32::from(config.follow_children);
    let every_exec = u32::from(config.watch_every_exec);
    let native = u32::from(config.native_stacks);
    let kernel = u32::from(config.kernel_stacks);
    let timed = u32::from(config.time_switch_walks);
    let has_clock = u32::from(facts.measures_throttling());
    let has_cookie = u32::from(facts.has_attach_cookie);
    let queue = facts.queue.unwrap_or_default();
    let has_arrival = u32::from(facts.queue.is_some() && facts.task_last_arrival.is_some());
    let last_arrival = facts.task_last_arrival.unwrap_or_default();
    let throttle = facts.throttle.unwrap_or_default();
    let has_throttled = u32::from(throttle.task_throttled.is_some());
    let task_throttled = throttle.task_throttled.unwrap_or_default();
    let has_less = u32::from(throttle.rq_clock_less.is_some());
    let clock_less = throttle.rq_clock_less.unwrap_or_default();
    // It parses the kernel's BTF for itself; ours is read afterwards, so that only
    // one copy of it is in memory at a time.
    let mut loader = EbpfLoader::new();
    for (name, value) in [
        (globals::OFF_TASK_PID, &facts.task_pid),
        (globals::OFF_TASK_TGID, &facts.task_tgid),
        (globals::OFF_TASK_STATE, &facts.task_state),
        (globals::BIT_TASK_IN_IOWAIT, &facts.task_in_iowait_bit),
        (globals::OFF_TASK_START_BOOTTIME, &facts.task_start_boottime),
        (globals::OFF_TASK_FSBASE, &facts.task_fsbase),
        (globals::OFF_TASK_STACK, &facts.task_stack),
        (globals::OFF_STACK_PT_REGS, &facts.stack_pt_regs),
        (globals::HAS_TASK_PT_REGS, &pt_regs),
        (globals::HAS_PREV_STATE_ARG, &prev_state),
        (globals::OFF_TASK_COMM, &facts.task_comm),
        (globals::HAS_LAST_ARRIVAL, &has_arrival),
        (globals::OFF_TASK_LAST_ARRIVAL, &last_arrival),
        (globals::OFF_RQ_CLOCK, &queue.rq_clock),
        (globals::HAS_THROTTLE_CLOCK, &has_clock),
        (globals::HAS_TASK_THROTTLED, &has_throttled),
        (globals::HAS_RQ_CLOCK_LESS, &has_less),
        (globals::OFF_TASK_CFS_RQ, &queue.task_cfs_rq),
        (globals::OFF_TASK_THROTTLED, &task_throttled),
        (globals::OFF_CFS_RQ_THROTTLE_COUNT, &throttle.throttle_count),
        (globals::OFF_CFS_RQ_THROTTLED_SINCE, &throttle.since),
        (globals::OFF_CFS_RQ_THROTTLED_TIME, &throttle.time),
        (globals::OFF_CFS_RQ_RQ, &queue.cfs_rq_rq),
        (globals::OFF_RQ_THROTTLE_CLOCK, &throttle.rq_clock),
        (globals::OFF_RQ_CLOCK_LESS, &clock_less),
        (globals::FRAME_LIMIT, &config.frame_limit),
        (globals::FOLLOW_CHILDREN, &follow),
        (globals::WATCH_EVERY_EXEC, &every_exec),
        (globals::NATIVE_STACKS_WANTED, &native),
        (globals::KERNEL_STACKS_WANTED, &kernel),
        (globals::SWITCH_WALKS_TIMED, &timed),
        (globals::HAS_ATTACH_COOKIE, &has_cookie),
    ] {
        loader.override_global(name, value, true);
    }
    // The reason of a refusal and the figures. The default log also has every instruction
    // that was followed, a quarter of a million: kernels before 6.4 keep its beginning.
    loader.verifier_log_level(VerifierLogLevel::STATS);
    let sizes = &config.sizes;
    loader
        .map_max_entries(map_names::THREADS, sizes.threads)
        .map_max_entries(map_names::PROCESSES, sizes.processes)
        .map_max_entries(map_names::TOTALS, sizes.totals)
        .map_max_entries(map_names::STACKS_SENT, sizes.stacks)
        .map_max_entries(map_names::CODES_SENT, sizes.stacks)
        .map_max_entries(map_names::EVENTS, sizes.ring_bytes);
    if config.native_stacks {
        loader.map_max_entries(map_names::USER_STACKS, NATIVE_STACKS);
    }
    if config.kernel_stacks {
        loader.map_max_entries(map_names::KERNEL_STACKS, NATIVE_STACKS);
    }
    Ok(loader.load(OBJECT)?)
}

pub(super) fn wrap(step: &'static str, program: &'static str, source: ProgramError) -> ProbeError {
    ProbeError::Program {
        step,
        program,
        source: Box::new(source),
    }
}

fn tracepoint<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut BtfTracePoint, ProbeError> {
    let program: &mut Program = ebpf.program_mut(name).ok_or(ProbeError::Missing(name))?;
    program.try_into().map_err(|e| wrap("load", name, e))
}

/// The object with maps that take no room.
fn open_small() -> Result<(Ebpf, KernelFacts), ProbeError> {
    if OBJECT.is_empty() {
        return Err(ProbeError::NoObject);
    }
    let facts = KernelFacts::from_btf(&KernelBtf::from_sys_fs()?)?;
    let config = LoadConfig {
        sizes: MapSizes {
            threads: 16,
            processes: 16,
            totals: 16,
            stacks: 16,
            ring_bytes: 1 << 16,
        },
        ..LoadConfig::default()
    };
    Ok((open(&facts, &config)?, facts))
}

/// Loads the programs of all sources, and of the probes that are wanted, at a time: most of a
/// start is the verifier's, which takes a third of a second for each of the large ones.
fn load_all(
    ebpf: &mut Ebpf,
    btf: &Btf,
    usdt: &mut Usdt,
    wanted: ProbeGroups,
) -> Vec<(&'static Source, Result<(), ProbeError>)> {
    let fds = map_fds(ebpf);
    let mut programs: HashMap<&str, &mut Program> = ebpf.programs_mut().collect();
    let sources: Vec<_> = SOURCES
        .iter()
        .map(|source| (source, programs.remove(source.program)))
        .collect();
    // Groups may share one.
    let names: BTreeSet<&str> = wanted.groups().map(ProbeGroup::program).collect();
    let at_probes: Vec<_> = names
        .into_iter()
        .map(|name| (name, programs.remove(name)))
        .collect();
    let (fds, way) = (&fds, &*usdt);
    let (sources, at_probes) = thread::scope(|scope| {
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(source, program)| {
                let load = move || match program {
                    Some(program) => load_program(program, source, btf),
                    None => Err(ProbeError::Missing(source.program)),
                };
                (source, scope.spawn(load))
            })
            .collect();
        let at_probes: Vec<_> = at_probes
            .into_iter()
            .map(|(name, program)| {
                let load = move || way.load(name, fds, OBJECT, program);
                (name, scope.spawn(load))
            })
            .collect();
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(source, thread)| (source, joined(thread)))
            .collect();
        let at_probes: Vec<_> = at_probes
            .into_iter()
            .map(|(name, thread)| (name, joined(thread)))
            .collect();
        (sources, at_probes)
    });
    for (name, loaded) in at_probes {
        match loaded {
            Ok(loaded) => usdt.keep(name, loaded),
            // Nobody can listen then, which is counted where somebody would.
            Err(error) => tracing::warn!(name, %error, "program at probes not loaded"),
        }
    }
    sources
}

/// Whatever went wrong in there goes wrong here.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|why| resume_unwind(why))
}

fn load_program(program: &mut Program, source: &Source, btf: &Btf) -> Result<(), ProbeError> {
    let name = source.program;
    let loaded = match source.attach {
        Attach::BtfTracepoint(event) => {
            let program: Result<&mut BtfTracePoint, _> = program.try_into();
            program.and_then(|program| program.load(event, btf))
        }
        Attach::CpuClock | Attach::MajorFaults => {
            let program: Result<&mut PerfEvent, _> = program.try_into();
            program.and_then(PerfEvent::load)
        }
    };
    loaded.map_err(|e| wrap("load", name, e))
}

fn perf_event<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut PerfEvent, ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::Missing(name))?;
    program.try_into().map_err(|e| wrap("load", name, e))
}

fn attach_program(
    ebpf: &mut Ebpf,
    source: &Source,
    rate_hz: u32,
) -> Result<Option<PerCpuEvents>, ProbeError> {
    match source.attach {
        Attach::BtfTracepoint(_) => {
            tracepoint(ebpf, source.program)?
                .attach()
                .map_err(|e| wrap("attach", source.program, e))?;
            Ok(None)
        }
        Attach::CpuClock => {
            let period_ns = 1_000_000_000 / u64::from(rate_hz.max(1));
            let program = perf_event(ebpf, source.program)?;
            PerCpuEvents::attach(program, source.program, SoftwareEvent::CpuClock, period_ns)
                .map(Some)
        }
        Attach::MajorFaults => {
            let program = perf_event(ebpf, source.program)?;
            PerCpuEvents::attach(program, source.program, SoftwareEvent::PageFaultsMaj, 1).map(Some)
        }
    }
}
