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
    poll_spin(process, thread, limits).or_else(|| {
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
fn poll_spin(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
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
        .filter_map(|tally| {
            let useless = useless_calls(tally) as f64;
            let rate = useless / seconds(tally.traced_ns);
            let useless_share = useless / tally.calls as f64;
            let cpu_per_call_ns = cpu_share / rate * 1e9;
            let is_tight = cpu_per_call_ns <= limits.poll_spin_tight_cpu_per_call_ns as f64;
            let is_proved = useless_share >= limits.poll_spin_min_useless_share
                && rate >= limits.poll_spin_min_rate
                && cpu_per_call_ns <= limits.poll_spin_max_cpu_per_call_ns as f64
                && samples_agree(process, thread, &tally.syscall, is_tight, limits);
            is_proved.then(|| Spin::Poll {
                syscall: tally.syscall.clone(),
                rate,
                useless_share,
                calls: tally.calls,
            })
        })
        .max_by(|a, b| a.rate().total_cmp(&b.rate()))
}

/// Whether the samples show a loop that mostly asks. A scheduler of tasks (asyncio,
/// gevent) also polls without waiting on every turn while its tasks do real work:
/// then the samples are in the tasks, and the calls prove nothing. Outside of one, a loop
/// that is so tight that there is no room for anything else needs no samples.
fn samples_agree(
    process: &Process,
    thread: &Thread,
    syscall: &str,
    is_tight: bool,
    limits: &Thresholds,
) -> bool {
    let (mut all, mut in_call, mut in_tasks, mut in_loop) = (0_u64, 0_u64, 0_u64, 0_u64);
    for entry in &thread.stack_times {
        if !entry.kind.is_on_cpu() {
            continue;
        }
        all += entry.count;
        // A kernel sample whose call is not known may be it.
        if let StackTimeKind::OnCpuKernel { syscall: seen } = &entry.kind
            && seen.as_deref().is_none_or(|seen| seen == syscall)
        {
            in_call += entry.count;
        }
        let mut files = process
            .stack(entry.stack)
            .frames
            .iter()
            .filter_map(|frame| process.function(frame.function?))
            .map(|function| function.file.as_str());
        let leaf = files.next().unwrap_or_default();
        if is_event_loop(leaf) {
            in_loop += entry.count;
        } else if files.any(is_event_loop) {
            in_tasks += entry.count;
        }
    }
    if all < limits.poll_spin_min_samples {
        return true; // too few to object
    }
    let share = |part: u64| part as f64 / all as f64;
    if in_loop + in_tasks > all / 2 {
        share(in_tasks) <= limits.poll_spin_max_task_share
    } else {
        is_tight || share(in_call) >= limits.poll_spin_min_in_call_share
    }
}

fn is_event_loop(file: &str) -> bool {
    file.contains("/asyncio/") || file.ends_with("/selectors.py")
}

fn useless_calls(tally: &SyscallTally) -> u64 {
    if tally.syscall == "sched_yield" {
        return tally.calls; // it asks nothing: a yield in a loop is waiting
    }
    if tally.syscall == "futex" {
        return tally.zero_timeout_empty; // EAGAIN of a futex is a lost race, not a poll
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
            frame: place.map(|(function, line)| Frame {
                function,
                line,
                called_from_c: false,
            }),
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
