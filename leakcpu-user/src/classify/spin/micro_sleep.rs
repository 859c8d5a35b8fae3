//! Sleeps far shorter than what is waited for.

use std::collections::BTreeMap;

use super::{Spin, most_met_in_tasks, seconds, task_frame};
use crate::{
    classify::Thresholds,
    model::{Frame, Process, Reason, StackId, StackTimeKind, Thread},
};

/// Sleeps from one place.
struct Site {
    count: u64,
    blocked_ns: u64,
    /// One of their stacks.
    stack: StackId,
}

/// Sleeps so frequent, and with so little done between them, that they are a busy-wait.
pub(super) fn prove(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    let spin = most_frequent(process, thread, limits)?;
    let rate = spin.rate()?;
    let cpu_share = thread.on_cpu_share();
    let cpu_per_wake_ns = cpu_share / rate * 1e9;
    let is_proved = rate >= limits.micro_sleep_min_rate
        && cpu_per_wake_ns <= limits.micro_sleep_max_cpu_per_wake_ns as f64;
    is_proved.then_some(spin)
}

/// The most frequent micro-sleep of `thread`, whether or not it amounts to a
/// busy-wait. Sleeps speak for themselves; a timed poll or lock wait counts only if
/// tracing saw that it timed out.
pub(in crate::classify) fn most_frequent(
    process: &Process,
    thread: &Thread,
    limits: &Thresholds,
) -> Option<Spin> {
    let mut sites: BTreeMap<_, Site> = BTreeMap::new();
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
            .or_insert(Site {
                count: 0,
                blocked_ns: 0,
                stack: entry.stack,
            });
        site.count += entry.count;
        site.blocked_ns += entry.blocked_ns;
    }
    let ((place, syscall), site) = sites.into_iter().max_by_key(|(_, site)| site.count)?;
    let rate = site.count as f64 / seconds(thread.times.wall_ns);
    let mean_ns = site.blocked_ns.checked_div(site.count)?;
    if rate < limits.micro_sleep_advice_rate || mean_ns >= limits.micro_sleep_max_mean_ns {
        return None;
    }
    // An event loop sleeps itself, below whoever started it, for tasks that want it to.
    let in_task = match task_frame(process, process.stack(site.stack)) {
        Some(_) => None,
        None => most_met_in_tasks(process, thread),
    };
    Some(Spin::MicroSleep {
        syscall,
        rate,
        mean_ns,
        count: site.count,
        frame: in_task.or_else(|| {
            place.map(|(function, line)| Frame {
                function,
                line,
                called_from_c: false,
            })
        }),
    })
}

/// Whether a wait ends by the clock, not by an event.
pub(in crate::classify) fn is_timed_wait(
    thread: &Thread,
    reason: Reason,
    syscall: Option<&str>,
    limits: &Thresholds,
) -> bool {
    match reason {
        Reason::Sleep => true,
        Reason::PollWait | Reason::Lock | Reason::Futex => thread.tallies.iter().any(|tally| {
            // A timer that is due by the next turn makes a loop ask without waiting.
            let found_nothing = tally.timed_out + tally.zero_timeout_empty;
            Some(tally.syscall.as_str()) == syscall
                && tally.timed_out > 0
                && found_nothing as f64 / tally.calls.max(1) as f64
                    >= limits.poll_spin_min_useless_share
        }),
        _ => false,
    }
}
