//! What our own eBPF programs cost.
//!
//! The kernel's run-time statistics (`BPF_ENABLE_STATS`, 5.8) put two clock reads
//! around every program of the host, ours and others'. They are on for one tick
//! in forty only, and what was counted in it is scaled up: an estimate, marked so. Others
//! may have them on too, so that the sum of all that was ever counted says nothing.

use std::os::fd::OwnedFd;

use aya::sys::{Stats, enable_stats};

use crate::{collect::monotonic_ns, probes::Probes};

/// One tick in this many is counted.
const COUNTED_TICK: u32 = 40;

/// Switches the statistics on and off.
#[derive(Default)]
pub(super) struct CostMeter {
    counting: Option<Counting>,
    /// The time for which the kernel counted, and the programs' run time in it.
    counted_ns: u64,
    run_ns: u64,
    /// CPU time of our process when the window began: what loading cost is not
    /// the window's ...
    pub start_cpu_ns: u64,
    /// ... nor is what naming and reporting cost after its end.
    pub end_cpu_ns: u64,
}

/// The kernel counts for us, as long as this lives.
struct Counting {
    _statistics: OwnedFd,
    since_ns: u64,
    /// Run time that had been counted before.
    run_ns: u64,
}

impl CostMeter {
    /// To be called at every tick.
    pub(super) fn tick(&mut self, tick: u32, probes: &Probes) {
        self.end(probes);
        if tick % COUNTED_TICK == 1
            && let Ok(statistics) = enable_stats(Stats::RunTime)
        {
            self.counting = Some(Counting {
                _statistics: statistics,
                since_ns: monotonic_ns(),
                run_ns: run_ns(probes),
            });
        }
    }

    /// Whether the kernel counts now.
    pub(super) const fn is_counting(&self) -> bool {
        self.counting.is_some()
    }

    /// Switches the statistics off.
    pub(super) fn end(&mut self, probes: &Probes) {
        if let Some(counting) = self.counting.take() {
            self.counted_ns += monotonic_ns().saturating_sub(counting.since_ns);
            self.run_ns += run_ns(probes).saturating_sub(counting.run_ns);
        }
    }

    /// Scales what the kernel counted up to the whole window; `None` if it never
    /// counted.
    pub(super) fn run_ns_in(&self, window_ns: u64) -> Option<u64> {
        if self.counted_ns == 0 {
            return None;
        }
        let scaled = u128::from(self.run_ns) * u128::from(window_ns) / u128::from(self.counted_ns);
        u64::try_from(scaled).ok()
    }
}

/// Run time of all our programs, as far as it was counted.
fn run_ns(probes: &Probes) -> u64 {
    let stats = probes.run_stats();
    stats.values().map(|stats| stats.run_time_ns).sum()
}

/// Gives back to the system what loading took, the kernel's types most of it: freed pieces of
/// the heap would stay ours (docs/bench.md, D).
pub(super) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, and touches only free memory of the allocator's own.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// CPU time of our process so far, and its peak memory in bytes.
pub(super) fn own_usage() -> (u64, u64) {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    usage.map_or((0, 0), |usage| {
        let ns = |t: nix::sys::time::TimeVal| {
            u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000_000
                + u64::try_from(t.tv_usec()).unwrap_or(0) * 1_000
        };
        (
            ns(usage.user_time()) + ns(usage.system_time()),
            u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
        )
    })
}
