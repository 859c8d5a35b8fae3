//! The machine, as reports name it.

use crate::model::Host;

/// Reads the host's facts; what cannot be read is empty.
pub fn host() -> Host {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let cpus = aya::util::online_cpus().map_or(0, |cpus| cpus.len());
    Host {
        hostname: read("/proc/sys/kernel/hostname"),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        kernel: read("/proc/sys/kernel/osrelease"),
        cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
    }
}
