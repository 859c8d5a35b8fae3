//! What the machine did meanwhile: its CPUs, the quotas of control groups, other programs.

use std::collections::{BTreeMap, HashMap};

use leakcpu_common::{
    rival::{Rival, RivalKey},
    thread::ThreadState,
};

use super::{Session, accounts::Auditor, watched::Watched};
use crate::{
    collect::Snapshot,
    discovery::{self, CpuHierarchy, CpuTime, QuotaStat, is_virtual_machine},
    model::{Accounts, CpuQuota, RanInstead},
};

/// Ticks between two looks for groups of processes that came meanwhile.
const QUOTA_TICKS: u32 = 40;
/// Rivals named of each process.
const MAX_RIVALS: usize = 8;

/// What is known of the machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub auditor: Auditor,
    cpus_before: Option<CpuTime>,
    /// What the CPUs did in the window, once it has ended.
    cpus: Option<CpuTime>,
    /// Whether steal is counted here.
    has_steal: bool,
    hierarchy: Option<CpuHierarchy>,
    /// Quotas at first sight, by group.
    quotas_before: HashMap<String, QuotaStat>,
}

impl Machine {
    fn begin(&mut self) {
        self.cpus_before = CpuTime::read().ok();
        self.hierarchy = CpuHierarchy::find();
    }

    fn look_at_quotas(&mut self, watched: &BTreeMap<u32, Watched>) {
        let Some(hierarchy) = &self.hierarchy else {
            return;
        };
        for process in watched.values().filter(|watched| !watched.exited) {
            for quota in hierarchy.quotas(&process.facts.cgroup) {
                self.quotas_before
                    .entry(quota.cgroup.clone())
                    .or_insert(quota);
            }
        }
    }

    fn end(&mut self) {
        let (Some(before), Ok(after)) = (&self.cpus_before, CpuTime::read()) else {
            return;
        };
        self.cpus = Some(after.since(before));
        // A virtual machine that never saw any may just not be told.
        self.has_steal = after.steal_ns > 0 || is_virtual_machine() == Some(false);
    }

    /// The hypervisor's part of a thread's time on a CPU: its share of what was taken from
    /// all. `None` where it cannot be known.
    pub(super) fn steal_ns(&self, on_cpu_ns: u64) -> Option<u64> {
        let cpus = self.cpus.as_ref().filter(|_| self.has_steal)?;
        Some(cpus.share(cpus.steal_ns, on_cpu_ns))
    }

    /// A thread's times beside the scheduler's.
    pub(super) fn accounts(&self, state: &ThreadState) -> Option<Accounts> {
        self.auditor.accounts(state, self.cpus.as_ref())
    }

    /// The quotas that hold for a process, and what they did in the window.
    pub(super) fn quotas(&self, watched: &Watched) -> Vec<CpuQuota> {
        let Some(hierarchy) = &self.hierarchy else {
            return Vec::new();
        };
        let since = |now: QuotaStat| {
            // A group first seen now was made in the window.
            let before = self.quotas_before.get(&now.cgroup);
            let before = before.cloned().unwrap_or_default();
            CpuQuota {
                quota_ns: now.quota_ns,
                period_ns: now.period_ns,
                periods: now.periods.saturating_sub(before.periods),
                throttled_periods: now
                    .throttled_periods
                    .saturating_sub(before.throttled_periods),
                throttled_ns: now.throttled_ns.saturating_sub(before.throttled_ns),
                cgroup: now.cgroup,
            }
        };
        let quotas = hierarchy.quotas(&watched.facts.cgroup);
        quotas.into_iter().map(since).collect()
    }
}

impl Session {
    /// The window begins.
    pub(super) fn begin_accounts(&mut self) -> Result<(), super::SessionError> {
        self.machine.begin();
        self.machine.look_at_quotas(&self.watched);
        self.machine.auditor.look_at_all(&self.probes.maps()?);
        Ok(())
    }

    /// To be called at every tick.
    pub(super) fn keep_accounts(&mut self) -> Result<(), super::SessionError> {
        self.machine.auditor.tick(&self.probes.maps()?, self.ticks);
        if self.ticks.is_multiple_of(QUOTA_TICKS) {
            self.machine.look_at_quotas(&self.watched);
        }
        Ok(())
    }

    /// The window ends.
    pub(super) fn end_accounts(&mut self) -> Result<(), super::SessionError> {
        self.machine.auditor.look_at_all(&self.probes.maps()?);
        self.machine.end();
        Ok(())
    }
}

/// Who ran while threads of `pid` were ready to, most first.
pub(super) fn ran_instead(snapshot: &Snapshot, pid: u32) -> Vec<RanInstead> {
    let mut sums: BTreeMap<u32, (u64, u64, [u8; 16])> = BTreeMap::new();
    let noted: &[(RivalKey, Rival)] = snapshot.rivals.get(&pid).map_or(&[], Vec::as_slice);
    for (key, rival) in noted {
        let sum = sums.entry(key.rival_pid).or_insert((0, 0, rival.comm));
        sum.0 += rival.ran_ns;
        sum.1 += rival.count;
    }
    let mut rivals: Vec<RanInstead> = sums
        .into_iter()
        .filter(|(_, (ran_ns, ..))| *ran_ns > 0)
        .map(|(pid, (ran_ns, count, comm))| RanInstead {
            pid,
            name: name_of(pid, comm),
            ran_ns,
            count,
        })
        .collect();
    rivals.sort_by_key(|rival| std::cmp::Reverse(rival.ran_ns));
    rivals.truncate(MAX_RIVALS);
    rivals
}

/// The process' own name; where it is gone, that of the thread that was met.
fn name_of(pid: u32, comm: [u8; 16]) -> String {
    if pid == 0 {
        return "idle".to_owned();
    }
    discovery::comm(pid).unwrap_or_else(|_| {
        let end = comm.iter().position(|byte| *byte == 0);
        String::from_utf8_lossy(&comm[..end.unwrap_or(comm.len())]).into_owned()
    })
}
