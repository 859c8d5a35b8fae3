//! From a thread's stack times to its time by bucket, and its functions'.

use std::collections::BTreeMap;

use super::activity::Activity;
use super::spent::{Bucket, Spent};
use super::{LoopOf, Spin, Thresholds, spin, waiting};
use crate::model::{FunctionId, Leaf, Process, Reason, StackTime, StackTimeKind, Thread};

/// Time of `thread` by bucket; its functions' own time is added to `functions`.
pub(super) fn of_thread(
    process: &Process,
    thread: &Thread,
    proof: Option<&Spin>,
    limits: &Thresholds,
    functions: &mut BTreeMap<FunctionId, Spent>,
) -> Spent {
    let mut spent = Spent::default();
    let mut seen_blocked_ns = 0;
    let mut seen_on_cpu_ns = 0;
    let waits_for_pages = waits_for_pages(thread, limits);
    for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
        let mut part = Spent::default();
        match &entry.kind {
            StackTimeKind::OnCpuUser | StackTimeKind::OnCpuKernel { .. } => {
                let in_kernel = matches!(entry.kind, StackTimeKind::OnCpuKernel { .. });
                let for_pages_ns = if waits_for_pages && in_kernel && proof.is_none() {
                    in_page_faults(entry, charge.on_cpu_ns)
                } else {
                    0
                };
                part.add(Bucket::Memory, for_pages_ns);
                part.add(
                    cpu_bucket(proof, in_kernel),
                    charge.on_cpu_ns - for_pages_ns,
                );
                part.on_cpu_ns = charge.on_cpu_ns;
                part.samples = entry.count;
                for leaf in &entry.leaves {
                    if let Some(native) = process.native(leaf.frame.function) {
                        *part.code.entry(native.code).or_default() += leaf.count;
                    }
                }
                if is_guess(proof) {
                    part.guessed_ns = charge.on_cpu_ns;
                }
                if thread.leaves_results {
                    part.shown_ns = charge.on_cpu_ns;
                }
                seen_on_cpu_ns += charge.on_cpu_ns;
            }
            StackTimeKind::Blocked {
                reason, syscall, ..
            } => {
                let in_spin = matches!(proof, Some(Spin::MicroSleep { .. }))
                    && spin::is_timed_wait(thread, *reason, syscall.as_deref(), limits);
                let (bucket, is_guess) = if in_spin {
                    (Bucket::MicroSleep, false)
                } else {
                    waiting::bucket(process, thread, entry, limits)
                };
                part.add(bucket, charge.blocked_ns);
                part.gil_wait_ns = charge.gil_wait_ns;
                if is_guess {
                    part.guessed_ns = charge.blocked_ns;
                }
                if bucket == Bucket::Gil {
                    part.gil_events = entry.count;
                }
                if bucket != Bucket::Rest {
                    part.events = entry.count;
                    part.max_wait_ns = entry.max_blocked_ns;
                }
                seen_blocked_ns += charge.blocked_ns;
            }
            StackTimeKind::Preempted => {}
        }
        spent.merge(&part);
        part.add(Bucket::RunQueue, charge.runnable_ns);
        let leaf = process.stack(entry.stack).frames.first();
        if let Some(id) = leaf.and_then(|frame| frame.function) {
            functions.entry(id).or_default().merge(&part);
        }
    }
    spent.activity = Activity::of(process, thread, limits);
    let times = &thread.times;
    spent.add(
        cpu_bucket(proof, false),
        times.on_cpu_ns.saturating_sub(seen_on_cpu_ns),
    );
    spent.on_cpu_ns = times.on_cpu_ns;
    spent.add(Bucket::RunQueue, times.runnable_ns);
    spent.add(Bucket::Throttled, times.throttled_ns.unwrap_or(0));
    // A thread that never gave up the CPU of itself was already resting.
    let unseen = if thread.voluntary_switches <= 1 {
        Bucket::Rest
    } else {
        Bucket::Unexplained
    };
    spent.add(unseen, times.blocked_ns.saturating_sub(seen_blocked_ns));
    spent
}

/// Whether a thread waits for its pages so much that the work for them is part of that: what
/// first touches fresh memory causes page faults too, and computes.
fn waits_for_pages(thread: &Thread, limits: &Thresholds) -> bool {
    let reason =
        |entry: &&StackTime| matches!(entry.kind.reason(), Some(Reason::PageFault | Reason::Swap));
    let waits = thread.stack_times.iter().filter(reason);
    let blocked_ns: u64 = waits.map(|entry| entry.blocked_ns).sum();
    let wanted_ns = thread.times.on_cpu_ns + blocked_ns;
    blocked_ns > 0 && blocked_ns as f64 >= limits.page_wait_min_share * wanted_ns as f64
}

/// Of on-CPU time in the kernel, the part that its samples found in page faults.
fn in_page_faults(entry: &StackTime, on_cpu_ns: u64) -> u64 {
    let sum = |wanted: fn(&&Leaf) -> bool| -> u64 {
        entry
            .leaves
            .iter()
            .filter(wanted)
            .map(|leaf| leaf.count)
            .sum()
    };
    let all = sum(|_| true).max(1);
    let part = sum(|leaf| leaf.page_fault);
    let ns = u128::from(on_cpu_ns) * u128::from(part) / u128::from(all);
    u64::try_from(ns).map_or(on_cpu_ns, |ns| ns.min(on_cpu_ns))
}

/// Whether a loop is proved by its bytecode only, its variables not having been seen.
fn is_guess(proof: Option<&Spin>) -> bool {
    matches!(proof, Some(Spin::Loop { waiting, .. }) if waiting.values.is_none() && !waiting.gives_way)
}

fn cpu_bucket(proof: Option<&Spin>, in_kernel: bool) -> Bucket {
    match proof {
        Some(Spin::Poll { under_loop, .. }) if *under_loop => Bucket::AsyncSpin,
        Some(Spin::Poll { .. }) => Bucket::PollSpin,
        Some(Spin::Loop { of, .. }) => match of {
            LoopOf::Flag => Bucket::FlagSpin,
            LoopOf::Clock => Bucket::ClockSpin,
            LoopOf::SystemCalls => Bucket::PollSpin,
            LoopOf::Turns => Bucket::AsyncSpin,
        },
        Some(Spin::MicroSleep { .. }) => Bucket::MicroSleep,
        Some(Spin::Native { .. }) => Bucket::NativeSpin,
        None if in_kernel => Bucket::CpuKernel,
        None => Bucket::Cpu,
    }
}
