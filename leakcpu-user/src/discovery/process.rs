//! Facts of one process.

use super::{CgroupFacts, DiscoveryError, cgroup, procfile};

/// `PF_KTHREAD` of `include/linux/sched.h`, in field 9 of `/proc/PID/stat`.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What `/proc` says about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Parent.
    pub parent_pid: u32,
    /// State letter of `/proc/PID/stat`.
    pub state: char,
    /// It is a kernel thread.
    pub is_kernel_thread: bool,
    /// The kernel's name for it.
    pub comm: String,
    /// Path of the executable, as its own mount namespace names it.
    pub exe: Option<String>,
    /// Arguments; what is not UTF-8 is replaced.
    pub cmdline: Vec<String>,
    /// Start time since boot, rounded down to [`clock_tick_ns`] by the kernel.
    pub start_boottime_ns: u64,
    /// Process ids in all namespaces it is in, outermost first. Starts with that of
    /// the namespace `/proc` was mounted in.
    pub ns_pids: Vec<u32>,
    /// Real user id.
    pub uid: u32,
    /// Control groups.
    pub cgroup: CgroupFacts,
    /// Container id, from the cgroup path.
    pub container_id: Option<String>,
    /// systemd unit, from the cgroup path.
    pub systemd_unit: Option<String>,
    /// Working directory, as its own mount namespace names it.
    pub cwd: Option<String>,
}

impl ProcessFacts {
    /// Process id in its own pid namespace.
    pub fn ns_pid(&self) -> u32 {
        self.ns_pids.last().copied().unwrap_or(self.pid)
    }

    /// Dead but not yet collected by its parent.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Length of a clock tick: the resolution of [`ProcessFacts::start_boottime_ns`].
pub fn clock_tick_ns() -> u64 {
    // SAFETY: sysconf takes no pointers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    1_000_000_000
        / u64::try_from(ticks)
            .ok()
            .filter(|ticks| *ticks > 0)
            .unwrap_or(100)
}

/// The fields of `/proc/PID/stat` that are used.
pub(super) struct Stat {
    pub state: char,
    pub parent_pid: u32,
    pub flags: u64,
    pub start_boottime_ns: u64,
}

impl Stat {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields = procfile::stat_fields(text)?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent_pid: fields.get(1)?.parse().ok()?,
            flags: fields.get(6)?.parse().ok()?,
            start_boottime_ns: fields
                .get(19)?
                .parse::<u64>()
                .ok()?
                .checked_mul(clock_tick_ns())?,
        })
    }

    pub(super) fn read(pid: u32) -> Result<Self, DiscoveryError> {
        Self::parse(&procfile::read_text(pid, "stat")?)
            .ok_or_else(|| procfile::malformed(pid, "stat"))
    }

    pub(super) fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// Start time of `pid` since boot, rounded down to [`clock_tick_ns`]: with the pid
/// it is the process' identity.
pub fn start_boottime_ns(pid: u32) -> Result<u64, DiscoveryError> {
    Stat::read(pid).map(|stat| stat.start_boottime_ns)
}

/// The process that thread (or process) `tid` belongs to.
pub fn process_of(tid: u32) -> Result<u32, DiscoveryError> {
    let status = procfile::read_text(tid, "status")?;
    procfile::status_value(&status, "Tgid")
        .and_then(|pid| pid.trim().parse().ok())
        .ok_or_else(|| procfile::malformed(tid, "status"))
}

/// The kernel's name for the main thread of `pid`.
pub fn comm(pid: u32) -> Result<String, DiscoveryError> {
    Ok(procfile::read_text(pid, "comm")?
        .trim_end_matches('\n')
        .to_owned())
}

/// Reads the facts of `pid`. What only a privileged reader sees (executable,
/// working directory) is `None` for others.
pub fn process_facts(pid: u32) -> Result<ProcessFacts, DiscoveryError> {
    let stat = Stat::read(pid)?;
    let status = procfile::read_text(pid, "status")?;
    let numbers = |key| -> Vec<u32> {
        let value = procfile::status_value(&status, key).unwrap_or_default();
        value
            .split_ascii_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect()
    };
    let cgroup = procfile::read_text(pid, "cgroup")
        .map(|text| CgroupFacts::parse(&text))
        .unwrap_or_default();
    // Any hierarchy may be the one that names the container or the unit.
    let paths = || {
        cgroup
            .unified
            .iter()
            .chain(cgroup.v1.iter().map(|(_, path)| path))
    };
    let container_id = paths()
        .find_map(|path| cgroup::container_id(path))
        .map(str::to_owned);
    let systemd_unit = paths()
        .find_map(|path| cgroup::systemd_unit(path))
        .map(str::to_owned);
    Ok(ProcessFacts {
        pid,
        parent_pid: stat.parent_pid,
        state: stat.state,
        is_kernel_thread: stat.is_kernel_thread(),
        comm: comm(pid)?,
        exe: procfile::link(pid, "exe").map(|exe| {
            exe.strip_suffix(" (deleted)")
                .map(str::to_owned)
                .unwrap_or(exe)
        }),
        cmdline: arguments(&procfile::read(pid, "cmdline")?),
        start_boottime_ns: stat.start_boottime_ns,
        ns_pids: numbers("NSpid"),
        uid: numbers("Uid")
            .first()
            .copied()
            .ok_or_else(|| procfile::malformed(pid, "status"))?,
        cgroup,
        container_id,
        systemd_unit,
        cwd: procfile::link(pid, "cwd"),
    })
}

/// Arguments are NUL-terminated; a program may have overwritten them with anything.
fn arguments(cmdline: &[u8]) -> Vec<String> {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if cmdline.is_empty() {
        return Vec::new();
    }
    cmdline
        .split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_this_process() {
        let pid = std::process::id();
        let facts = process_facts(pid).unwrap();
        assert_eq!(facts.pid, pid);
        assert_eq!(
            facts.exe.as_deref(),
            std::env::current_exe().unwrap().to_str()
        );
        assert_eq!(
            facts.cwd.as_deref(),
            std::env::current_dir().unwrap().to_str()
        );
        assert_eq!(facts.cmdline, std::env::args().collect::<Vec<_>>());
        assert_eq!(facts.uid, nix::unistd::getuid().as_raw());
        assert_eq!(
            Some(facts.parent_pid),
            nix::unistd::getppid().as_raw().try_into().ok()
        );
        assert!(!facts.is_kernel_thread && !facts.is_zombie());
        assert!(facts.start_boottime_ns > 0);
        assert_eq!(facts.start_boottime_ns % clock_tick_ns(), 0);
    }

    #[test]
    fn a_thread_belongs_to_its_process() {
        let tid = std::thread::spawn(|| {
            let tid = u32::try_from(nix::unistd::gettid().as_raw()).unwrap();
            (tid, process_of(tid).unwrap())
        });
        let (tid, pid) = tid.join().unwrap();
        assert_ne!(tid, pid);
        assert_eq!(pid, std::process::id());
    }

    #[test]
    fn a_pid_that_is_not_there() {
        // Above the largest pid that a 64-bit kernel hands out (PID_MAX_LIMIT).
        assert!(matches!(
            process_facts(5_000_000),
            Err(DiscoveryError::Gone { pid: 5_000_000 })
        ));
    }

    #[test]
    fn overwritten_arguments() {
        assert_eq!(arguments(b"a\0\0b\0"), ["a", "", "b"]);
        assert_eq!(
            arguments(b"nginx: worker process"),
            ["nginx: worker process"]
        );
        assert!(arguments(b"").is_empty());
        assert_eq!(arguments(b"\xff\0"), ["\u{fffd}"]);
    }
}
