//! System calls that ask without waiting and find nothing.

use std::collections::BTreeSet;

use super::{Spin, is_asyncio, is_event_loop, seconds, wants_cpu};
use crate::{
    classify::Thresholds,
    model::{Process, StackTime, StackTimeKind, SyscallTally, Thread},
};

/// Useless system calls.
pub(super) fn prove(process: &Process, thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    if !wants_cpu(thread, limits) {
        return None;
    }
    let cpu_share = thread.on_cpu_share();
    let (_, spin) = thread
        .tallies
        .iter()
        .filter(|tally| tally.calls > 0 && tally.traced_ns > 0)
        .filter_map(|tally| {
            let useless = useless_calls(tally) as f64;
            let rate = useless / seconds(tally.traced_ns);
            let useless_share = useless / tally.calls as f64;
            let cpu_per_call_ns = cpu_share / rate * 1e9;
            let is_tight = cpu_per_call_ns <= limits.poll_spin_tight_cpu_per_call_ns as f64;
            let is_frequent = useless_share >= limits.poll_spin_min_useless_share
                && rate >= limits.poll_spin_min_rate
                && cpu_per_call_ns <= limits.poll_spin_max_cpu_per_call_ns as f64;
            let caller = caller(process, thread, &tally.syscall, is_tight, limits);
            let under_loop = caller.filter(|_| is_frequent)? == Caller::EventLoop;
            let spin = Spin::Poll {
                syscall: tally.syscall.clone(),
                rate,
                useless_share,
                calls: tally.calls,
                under_loop,
                at_end: tally.at_end > tally.calls / 2,
            };
            Some((rate, spin))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(spin)
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// A loop of the program, or it is not known.
    Program,
    /// An event loop, between its tasks.
    EventLoop,
}

/// Who asks; `None` if the samples do not show a loop that mostly asks. A scheduler of tasks (asyncio,
/// gevent) also polls without waiting on every turn while its tasks do real work:
/// then the samples are in the tasks, and the calls prove nothing. Outside of one, a loop
/// that is so tight that there is no room for anything else needs no samples.
fn caller(
    process: &Process,
    thread: &Thread,
    syscall: &str,
    is_tight: bool,
    limits: &Thresholds,
) -> Option<Caller> {
    let (mut all, mut in_call, mut in_tasks, mut in_loop) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut under_asyncio = 0_u64;
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
        let frames = &process.stack(entry.stack).frames;
        let functions = frames
            .iter()
            .filter_map(|frame| process.function(frame.function?));
        let mut files = functions.map(|function| function.file.as_str());
        if files.clone().any(is_asyncio) {
            under_asyncio += entry.count;
        }
        let leaf = files.next().unwrap_or_default();
        if is_event_loop(leaf) {
            in_loop += entry.count;
        } else if files.any(is_event_loop) {
            in_tasks += entry.count;
        }
    }
    if all < limits.poll_spin_min_samples {
        return Some(Caller::Program); // too few to object
    }
    let share = |part: u64| part as f64 / all as f64;
    if in_loop + in_tasks > all / 2 {
        // A loop of the program's own uses the module `selectors`, too.
        let caller = if under_asyncio > all / 2 {
            Caller::EventLoop
        } else {
            Caller::Program
        };
        (share(in_tasks) <= limits.poll_spin_max_task_share).then_some(caller)
    } else {
        let asking = asking(process, thread, syscall);
        let is_in_call = share(in_call) >= limits.poll_spin_min_in_call_share
            || share(asking.in_kernel) >= limits.poll_spin_min_in_call_share_at_call
                && share(asking.at_lines) >= limits.poll_spin_min_at_call_share;
        (is_tight || is_in_call).then_some(Caller::Program)
    }
}

/// On-CPU samples of what a call takes where it is made.
#[derive(Default)]
struct Asking {
    /// Inside the call, and in those that set for it whether a descriptor blocks (`ioctl` and
    /// `fcntl` of the same function, which is what a timeout of Python's sockets comes to).
    in_kernel: u64,
    /// At the lines that make these calls, the calls included.
    at_lines: u64,
}

fn asking(process: &Process, thread: &Thread, syscall: &str) -> Asking {
    let on_cpu = || {
        let entries = thread.stack_times.iter();
        entries.filter(|entry| entry.kind.is_on_cpu())
    };
    let place = |entry: &StackTime| {
        let leaf = process.stack(entry.stack).frames.first()?;
        Some((leaf.function?, leaf.line?))
    };
    let is_in = |entry: &StackTime, call: &str| matches!(&entry.kind, StackTimeKind::OnCpuKernel { syscall: Some(seen) } if seen == call);
    let callers: BTreeSet<_> = on_cpu()
        .filter(|entry| is_in(entry, syscall))
        .filter_map(|entry| Some(place(entry)?.0))
        .collect();
    let mut found = Asking::default();
    let mut lines = BTreeSet::new();
    for entry in on_cpu() {
        let Some((function, line)) = place(entry) else {
            continue;
        };
        let prepares = is_in(entry, "ioctl") || is_in(entry, "fcntl");
        if is_in(entry, syscall) || prepares && callers.contains(&function) {
            found.in_kernel += entry.count;
            lines.insert((function, line));
        }
    }
    let at_lines = on_cpu().filter(|entry| place(entry).is_some_and(|at| lines.contains(&at)));
    found.at_lines = at_lines.map(|entry| entry.count).sum();
    found
}

fn useless_calls(tally: &SyscallTally) -> u64 {
    if tally.syscall == "sched_yield" {
        return tally.calls; // it asks nothing: a yield in a loop is waiting
    }
    if tally.syscall == "futex" {
        return tally.zero_timeout_empty; // EAGAIN of a futex is a lost race, not a poll
    }
    let found_nothing = tally.zero_timeout_empty + tally.would_block + tally.at_end;
    found_nothing.min(tally.calls)
}
