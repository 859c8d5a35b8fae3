//! Proof of busy-waiting from system calls and wake-up rates.
//!
//! A busy-wait is proved or not said: kernel counters alone cannot tell a spin
//! from arithmetic.

use std::collections::BTreeMap;

use super::Thresholds;
use crate::model::{Frame, Process, Reason, StackTimeKind, SyscallTally, Thread};

/// What a thread's busy-wait consists of.
#[derive(Clone, Debug, PartialEq)]
pub enum Spin {
    /// Calls that ask without waiting and find nothing.
    Poll {
        /// The call.
        syscall: String,
        /// Useless ones a second.
        rate: f64,
        /// Useless ones of all of that name.
        useless_share: f64,
        /// Calls seen.
        calls: u64,
    },
    /// Very short sleeps (or waits that time out) from one place.
    MicroSleep {
        /// The call it sleeps in, if known.
        syscall: Option<String>,
        /// Sleeps a second.
        rate: f64,
        /// Their mean length.
        mean_ns: u64,
        /// How many.
        count: u64,
        /// Place in the code.
        frame: Option<Frame>,
    },
}

/// The proof that `thread` busy-waits, if there is one.
pub(super) fn prove(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    poll_spin(thread, limits).or_else(|| {
        micro_sleep(process, thread, limits).filter(|spin| match spin {
            Spin::MicroSleep { rate, .. } => {
                let wall_s = seconds(thread.times.wall_ns);
                let cpu_share = seconds(thread.times.on_cpu_ns) / wall_s;
                let cpu_per_wake_ns = cpu_share / rate * 1e9;
                *rate >= limits.micro_sleep_min_rate
                    && cpu_per_wake_ns <= limits.micro_sleep_max_cpu_per_wake_ns as f64
            }
            Spin::Poll { .. } => false,
        })
    })
}

/// Useless system calls.
fn poll_spin(thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    let times = &thread.times;
    if times.wall_ns == 0 {
        return None;
    }
    // A thread on a contended CPU polls only while it runs: its demand counts.
    let demand_ns = times.on_cpu_ns + times.runnable_ns + times.throttled_ns.unwrap_or(0);
    let demand_share = demand_ns as f64 / times.wall_ns as f64;
    if demand_share < limits.poll_spin_min_cpu_share || times.on_cpu_ns == 0 {
        return None;
    }
    let cpu_share = times.on_cpu_ns as f64 / times.wall_ns as f64;
    thread
        .tallies
        .iter()
        .filter(|tally| tally.calls > 0 && tally.traced_ns > 0)
        .map(|tally| {
            let useless = useless_calls(tally) as f64;
            Spin::Poll {
                syscall: tally.syscall.clone(),
                rate: useless / seconds(tally.traced_ns),
                useless_share: useless / tally.calls as f64,
                calls: tally.calls,
            }
        })
        .filter(|spin| match spin {
            Spin::Poll {
                rate,
                useless_share,
                ..
            } => {
                *useless_share >= limits.poll_spin_min_useless_share
                    && *rate >= limits.poll_spin_min_rate
                    && cpu_share / rate * 1e9 <= limits.poll_spin_max_cpu_per_call_ns as f64
            }
            Spin::MicroSleep { .. } => false,
        })
        .max_by(|a, b| a.rate().total_cmp(&b.rate()))
}

fn useless_calls(tally: &SyscallTally) -> u64 {
    if tally.syscall == "sched_yield" {
        return tally.calls; // it asks nothing: a yield in a loop is waiting
    }
    (tally.zero_timeout_empty + tally.would_block).min(tally.calls)
}

/// The most frequent micro-sleep of `thread`, whether or not it amounts to a
/// busy-wait. Sleeps speak for themselves; a timed poll or lock wait counts only if
/// tracing saw that it timed out.
pub(super) fn micro_sleep(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    if thread.times.wall_ns == 0 {
        return None;
    }
    let mut sites: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for entry in &thread.stack_times {
        let StackTimeKind::Blocked {
            reason, syscall, ..
        } = &entry.kind
        else {
            continue;
        };
        if !is_timed_wait(thread, *reason, syscall.as_deref(), limits) {
            continue;
        }
        let frame = process.own_frame(process.stack(entry.stack));
        let site = sites
            .entry((frame.map(|f| (f.function, f.line)), syscall.clone()))
            .or_default();
        site.0 += entry.count;
        site.1 += entry.blocked_ns;
    }
    let ((place, syscall), (count, blocked_ns)) =
        sites.into_iter().max_by_key(|&(_, (count, _))| count)?;
    let rate = count as f64 / seconds(thread.times.wall_ns);
    let mean_ns = blocked_ns.checked_div(count)?;
    (rate >= limits.micro_sleep_advice_rate && mean_ns < limits.micro_sleep_max_mean_ns).then(
        || Spin::MicroSleep {
            syscall,
            rate,
            mean_ns,
            count,
            frame: place.map(|(function, line)| Frame { function, line }),
        },
    )
}

/// Whether a wait ends by the clock, not by an event.
pub(super) fn is_timed_wait(
    thread: &Thread,
    reason: Reason,
    syscall: Option<&str>,
    limits: &Thresholds,
) -> bool {
    match reason {
        Reason::Sleep => true,
        Reason::PollWait | Reason::Lock | Reason::Futex => thread.tallies.iter().any(|tally| {
            Some(tally.syscall.as_str()) == syscall
                && tally.calls > 0
                && tally.timed_out as f64 / tally.calls as f64 >= limits.poll_spin_min_useless_share
        }),
        _ => false,
    }
}

impl Spin {
    /// Useless calls or sleeps a second.
    pub fn rate(&self) -> f64 {
        match self {
            Self::Poll { rate, .. } | Self::MicroSleep { rate, .. } => *rate,
        }
    }

    /// The system call, if known.
    pub fn syscall(&self) -> Option<&str> {
        match self {
            Self::Poll { syscall, .. } => Some(syscall),
            Self::MicroSleep { syscall, .. } => syscall.as_deref(),
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
