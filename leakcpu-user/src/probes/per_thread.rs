//! A clock of its own for single threads: it ticks while they run, so a thread that runs
//! little is met as often as is asked without much cost.

use std::collections::BTreeMap;

use aya::programs::{
    PerfEvent, ProgramError,
    perf_event::{PerfEventConfig, PerfEventLinkId, PerfEventScope, SamplePolicy, SoftwareEvent},
};

/// The threads that have one.
#[derive(Debug, Default)]
pub(super) struct PerThreadEvents {
    links: BTreeMap<u32, PerfEventLinkId>,
}

impl PerThreadEvents {
    /// Runs `program` at each `period_ns` of CPU time of thread `tid`.
    pub(super) fn attach(
        &mut self,
        program: &mut PerfEvent,
        tid: u32,
        period_ns: u64,
    ) -> Result<(), ProgramError> {
        let link = program.attach(
            PerfEventConfig::Software(SoftwareEvent::CpuClock),
            PerfEventScope::OneProcess {
                pid: tid,
                cpu: None,
            },
            SamplePolicy::Period(period_ns),
            false,
        )?;
        self.links.insert(tid, link);
        Ok(())
    }

    /// Takes the clock of thread `tid` away, which may have ended.
    pub(super) fn detach(&mut self, program: &mut PerfEvent, tid: u32) -> Result<(), ProgramError> {
        match self.links.remove(&tid) {
            Some(link) => program.detach(link),
            None => Ok(()),
        }
    }
}
