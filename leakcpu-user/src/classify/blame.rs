//! The place that answers for a verdict.

use std::collections::BTreeMap;

use super::spent::Bucket;
use super::{Blame, Class, Spin, Thresholds, waiting};
use crate::model::{Frame, FunctionId, Process, StackTime, StackTimeKind, Thread};

/// The innermost frame of the user's own code (else the leaf) that got the most of
/// the time the verdict is about: on-CPU time for what computes, spins or holds the
/// GIL, waits for what waits.
pub(super) fn blame(
    process: &Process,
    threads: &[(&Thread, Option<&Spin>)],
    class: Class,
    gil: bool,
    limits: &Thresholds,
) -> Option<Blame> {
    let mut places: BTreeMap<FunctionId, BTreeMap<Option<u32>, u64>> = BTreeMap::new();
    let mut add = |frame: Frame, weight: u64| {
        if let Some(id) = frame.function.filter(|_| weight > 0) {
            *places.entry(id).or_default().entry(frame.line).or_default() += weight;
        }
    };
    for &(thread, proof) in threads {
        if class == Class::BusyWaiting && proof.is_none() {
            continue;
        }
        let calls_seen = proof.is_some_and(|spin| sampled_calls(thread, spin) >= 5);
        for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
            let weight = match (class, proof) {
                (Class::BusyWaiting, Some(spin @ Spin::Poll { .. })) => {
                    if calls_seen && !is_call(entry, spin) {
                        0
                    } else {
                        charge.on_cpu_ns
                    }
                }
                (Class::BusyWaiting, Some(Spin::MicroSleep { frame, .. })) => {
                    if let Some(frame) = *frame {
                        add(frame, charge.blocked_ns + charge.on_cpu_ns);
                    }
                    0
                }
                (Class::CpuBound | Class::CpuStarved, _) => charge.on_cpu_ns,
                (Class::LockBound, _) if gil => charge.on_cpu_ns,
                (Class::IoBound | Class::LockBound | Class::MemoryBound, _) => {
                    let bucket = waiting::bucket(process, thread, entry, limits).0;
                    if bucket.class() == Some(class) {
                        charge.blocked_ns
                    } else {
                        0
                    }
                }
                (Class::Mixed, _) => {
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
    let function = process.function(id)?;
    Some(Blame {
        function_id: id,
        function: function.name.clone(),
        file: function.file.clone(),
        line,
    })
}

fn sampled_calls(thread: &Thread, spin: &Spin) -> u64 {
    thread
        .stack_times
        .iter()
        .filter(|entry| is_call(entry, spin))
        .map(|entry| entry.count)
        .sum()
}

/// Whether a sample was taken inside the very call that spins.
fn is_call(entry: &StackTime, spin: &Spin) -> bool {
    matches!(&entry.kind, StackTimeKind::OnCpuKernel { syscall } if syscall.is_some() && syscall.as_deref() == spin.syscall())
}
