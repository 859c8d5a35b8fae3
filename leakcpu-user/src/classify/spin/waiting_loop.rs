//! Python code that looks again and again without a system call, or with ones that succeed.
//!
//! Its bytecode proves it (`crate::bytecode`): no round of the loop does anything that
//! outlives it, and the same holds for every function that was seen below the loop. Its local
//! variables have to agree: they stay what they are.

use super::{LoopOf, Spin, wants_cpu};
use crate::{
    classify::Thresholds,
    model::{LookAt, StackTimeKind, Thread, WaitingLoop},
};

/// A loop that only waits and has most of the thread's samples.
pub(super) fn prove(thread: &Thread, limits: &Thresholds) -> Option<Spin> {
    let waiting = thread.waiting_loop.as_ref()?;
    let share = waiting.samples as f64 / waiting.of_samples.max(1) as f64;
    let stays_put = waiting.values.is_none_or(|values| {
        f64::from(values.distinct.saturating_sub(1))
            <= limits.loop_spin_max_changes * f64::from(values.looks)
    });
    let is_proved = wants_cpu(thread, limits)
        && stays_put
        && waiting.samples >= limits.loop_spin_min_samples
        && share >= limits.loop_spin_min_share;
    is_proved.then(|| Spin::Loop {
        of: kind(thread, waiting, limits),
        share,
        waiting: waiting.clone(),
    })
}

fn kind(thread: &Thread, waiting: &WaitingLoop, limits: &Thresholds) -> LoopOf {
    let (mut all, mut in_calls) = (0, 0);
    for entry in &thread.stack_times {
        match &entry.kind {
            StackTimeKind::OnCpuUser => all += entry.count,
            StackTimeKind::OnCpuKernel { syscall } => {
                all += entry.count;
                if syscall.is_some() {
                    in_calls += entry.count;
                }
            }
            _ => {}
        }
    }
    let looks_at_clock_only = !waiting.looks_at.is_empty()
        && waiting.looks_at.iter().all(|look| look.at == LookAt::Clock);
    if waiting.gives_way {
        LoopOf::Turns
    } else if in_calls as f64 >= limits.loop_spin_min_syscall_share * all as f64 {
        LoopOf::SystemCalls
    } else if looks_at_clock_only {
        LoopOf::Clock
    } else {
        LoopOf::Flag
    }
}
