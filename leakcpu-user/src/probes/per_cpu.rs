//! A software event on each CPU that is online. CPUs may go and come back while watching:
//! the event of one that went is gone, and its program with it.

use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt as _};

use aya::{
    programs::{
        PerfEvent, ProgramError,
        perf_event::{
            PerfEventConfig, PerfEventLinkId, PerfEventScope, SamplePolicy, SoftwareEvent,
        },
    },
    util::online_cpus,
};

use super::loader::{ProbeError, wrap};

/// Its text changes when a CPU goes or comes.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// A list of as many CPUs as anybody has, in ranges.
const LIST_BYTES: usize = 1_024;

/// The events that are there of one program.
#[derive(Debug)]
pub(super) struct PerCpuEvents {
    online: File,
    /// What `online` said last.
    said: Vec<u8>,
    links: BTreeMap<u32, PerfEventLinkId>,
    event: SoftwareEvent,
    period: u64,
    name: &'static str,
}

impl PerCpuEvents {
    /// Attaches `program`, which is called `name`, to every `period`th such event of each
    /// CPU; of a clock that is in nanoseconds.
    pub(super) fn attach(
        program: &mut PerfEvent,
        name: &'static str,
        event: SoftwareEvent,
        period: u64,
    ) -> Result<Self, ProbeError> {
        let online = File::open(ONLINE).map_err(|e| ProbeError::Cpus(ONLINE.to_owned(), e))?;
        let mut events = Self {
            online,
            said: Vec::new(),
            links: BTreeMap::new(),
            event,
            period,
            name,
        };
        events.said = events.read()?;
        for cpu in cpus()? {
            events
                .attach_to(program, cpu)
                .map_err(|e| wrap("attach", name, e))?;
        }
        Ok(events)
    }

    /// The program's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Attaches to the CPUs that have come since the last call.
    pub(super) fn follow(&mut self, program: &mut PerfEvent) -> Result<(), ProbeError> {
        let says = self.read()?;
        if says == self.said {
            return Ok(());
        }
        self.said = says;
        let online = cpus()?;
        let gone: Vec<u32> = self
            .links
            .keys()
            .copied()
            .filter(|c| !online.contains(c))
            .collect();
        for cpu in gone {
            tracing::info!(cpu, "a CPU went");
            if let Some(link) = self.links.remove(&cpu) {
                program
                    .detach(link)
                    .map_err(|e| wrap("detach", self.name, e))?;
            }
        }
        for cpu in online {
            if self.links.contains_key(&cpu) {
                continue;
            }
            match self.attach_to(program, cpu) {
                Ok(()) => tracing::info!(cpu, "a CPU came"),
                Err(error) => {
                    // It may be gone again. Another look at the next call.
                    tracing::warn!(cpu, program = self.name, %error, "not attached to a CPU that came");
                    self.said.clear();
                }
            }
        }
        Ok(())
    }

    fn attach_to(&mut self, program: &mut PerfEvent, cpu: u32) -> Result<(), ProgramError> {
        let link = program.attach(
            PerfEventConfig::Software(self.event),
            PerfEventScope::AllProcessesOneCpu { cpu },
            SamplePolicy::Period(self.period),
            false,
        )?;
        self.links.insert(cpu, link);
        Ok(())
    }

    fn read(&self) -> Result<Vec<u8>, ProbeError> {
        let mut text = vec![0; LIST_BYTES];
        let length = self
            .online
            .read_at(&mut text, 0)
            .map_err(|e| ProbeError::Cpus(ONLINE.to_owned(), e))?;
        text.truncate(length);
        Ok(text)
    }
}

fn cpus() -> Result<Vec<u32>, ProbeError> {
    online_cpus().map_err(|(path, e)| ProbeError::Cpus(path.to_owned(), e))
}
