//! The place that answers for a verdict.

use std::collections::BTreeMap;

use super::culprit::gil_holders;
use super::owner::place_of;
use super::resumed::LoopWaits;
use super::spent::Bucket;
use super::spin::{MIN_TASK_SAMPLES, task_frame};
use super::{Blame, Class, Spin, Thresholds, waiting};
use crate::model::{Frame, FunctionId, Process, StackTime, StackTimeKind, Thread, Tid};

/// The innermost frame of the user's own code (else the leaf) that got the most of
/// the time the verdict is about: on-CPU time for what computes or spins, waits for what waits
/// (for answers that an event loop waits for, what it runs in between), and in a deadlock the first thread of it, and
/// where the GIL is fought for, the waits of those who want it (on-CPU time if who held it
/// is not known).
pub(super) fn blame(
    process: &Process,
    threads: &[(&Thread, Option<&Spin>)],
    class: Class,
    gil: bool,
    limits: &Thresholds,
) -> Option<Blame> {
    if class == Class::LockBound && !gil {
        let circles = process.deadlocks();
        let mut deadlocked = circles.iter().flatten();
        let is_one = |tid: Tid| threads.iter().any(|(thread, _)| thread.tid == tid);
        if let Some(one) = deadlocked.find(|one| is_one(one.tid)) {
            return place_of(process, one.wait.stack);
        }
    }
    let mut places: BTreeMap<FunctionId, BTreeMap<Option<u32>, u64>> = BTreeMap::new();
    let mut add = |frame: Frame, weight: u64| {
        if let Some(id) = frame.function.filter(|_| weight > 0) {
            *places.entry(id).or_default().entry(frame.line).or_default() += weight;
        }
    };
    let holders = if class == Class::LockBound && gil {
        let tids: Vec<Tid> = threads.iter().map(|(thread, _)| thread.tid).collect();
        let waited_ns = threads.iter().map(|(t, _)| t.times.gil_wait_ns).sum();
        gil_holders(process, &tids, waited_ns)
    } else {
        Vec::new()
    };
    for &(frame, ns) in &holders {
        add(frame, ns);
    }
    let threads = if holders.is_empty() { threads } else { &[] };
    for &(thread, proof) in threads {
        if class == Class::BusyWaiting && proof.is_none() {
            continue;
        }
        let is_own = |entry: &StackTime| {
            let frame = process.own_frame(process.stack(entry.stack));
            frame.is_some_and(|frame| process.is_own_frame(frame))
        };
        // Of a spin under an event loop only the task in it is the user's: the call
        // itself is made by the loop.
        let owned: u64 = on_cpu(thread).filter(|e| is_own(e)).map(|e| e.count).sum();
        let owned_calls: u64 = proof.map_or(0, |spin| {
            on_cpu(thread)
                .filter(|e| is_call(e, spin) && is_own(e))
                .map(|e| e.count)
                .sum()
        });
        let in_tasks: u64 = on_cpu(thread)
            .filter(|entry| task_frame(process, process.stack(entry.stack)).is_some())
            .map(|entry| entry.count)
            .sum();
        let is_turning = match proof {
            Some(Spin::Poll { under_loop, .. }) => *under_loop,
            Some(Spin::MicroSleep { .. }) => true,
            _ => false,
        };
        if class == Class::BusyWaiting && is_turning && in_tasks >= MIN_TASK_SAMPLES {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                if let Some(frame) = task_frame(process, process.stack(entry.stack)) {
                    add(frame, charge.on_cpu_ns);
                }
            }
            continue;
        }
        let is_waiting = class == Class::IoBound;
        let loop_waits = is_waiting.then(|| LoopWaits::of(process, thread)).flatten();
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            if let Some(waits) = loop_waits.as_ref().filter(|waits| waits.contain(entry)) {
                for (frame, ns) in waits.places(charge.blocked_ns) {
                    add(frame, ns);
                }
                continue;
            }
            let weight = match (class, proof) {
                (Class::BusyWaiting, Some(spin @ Spin::Poll { .. })) => {
                    let matters = if owned_calls >= 5 {
                        is_call(entry, spin)
                    } else {
                        owned == 0 || is_own(entry)
                    };
                    if matters { charge.on_cpu_ns } else { 0 }
                }
                (Class::BusyWaiting, Some(Spin::MicroSleep { frame, .. })) => match frame {
                    Some(frame) if owned == 0 || process.is_own_frame(*frame) => {
                        add(*frame, charge.blocked_ns + charge.on_cpu_ns);
                        0
                    }
                    _ if is_own(entry) => charge.on_cpu_ns,
                    _ => 0,
                },
                (Class::BusyWaiting, Some(Spin::Loop { waiting, .. })) => {
                    add(waiting.frame(), charge.on_cpu_ns);
                    0
                }
                (Class::BusyWaiting, Some(Spin::Native { .. }))
                | (Class::CpuBound | Class::CpuStarved, _) => charge.on_cpu_ns,
                (Class::LockBound, _) if gil => charge.on_cpu_ns,
                (Class::IoBound | Class::LockBound | Class::MemoryBound, _) => {
                    let bucket = waiting::bucket(process, thread, entry, limits).0;
                    if bucket.class() == Some(class) {
                        charge.blocked_ns
                    } else {
                        0
                    }
                }
                (Class::Mixed | Class::Unknown, _) => {
                    let bucket = waiting::bucket(process, thread, entry, limits).0;
                    let waited = if bucket == Bucket::Rest {
                        0
                    } else {
                        charge.blocked_ns
                    };
                    charge.on_cpu_ns + waited
                }
                _ => 0,
            };
            if let Some(frame) = process.own_frame(process.stack(entry.stack)) {
                add(frame, weight);
            }
        }
    }
    let (id, lines) = places
        .into_iter()
        .max_by_key(|(_, lines)| lines.values().sum::<u64>())?;
    let line = lines
        .into_iter()
        .filter(|(line, _)| line.is_some())
        .max_by_key(|&(_, ns)| ns)
        .and_then(|(line, _)| line);
    Blame::at(process, id, line)
}

fn on_cpu(thread: &Thread) -> impl Iterator<Item = &StackTime> {
    thread
        .stack_times
        .iter()
        .filter(|entry| entry.kind.is_on_cpu())
}

/// Whether a sample was taken inside the very call that spins.
fn is_call(entry: &StackTime, spin: &Spin) -> bool {
    matches!(&entry.kind, StackTimeKind::OnCpuKernel { syscall } if syscall.is_some() && syscall.as_deref() == spin.syscall())
}
