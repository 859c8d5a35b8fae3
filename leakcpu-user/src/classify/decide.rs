//! The decision order.
//!
//! 1. A proved busy-wait, before every state of the machine.
//! 2. Idle, before unknown: complete accounting of a resting thread is evidence.
//! 3. Unknown, if too little was active or too much is unexplained.
//! 4. Starved; what it would be otherwise is decided by the rest of the order.
//! 5. A fight for the GIL, if no other wait takes more time.
//! 6. The class with the most active time; mixed if the second is close.

use super::spent::{Bucket, Spent};
use super::{Class, Detail, Thresholds};
use crate::model::Code;

/// What is judged.
pub(super) struct Case<'a> {
    pub spent: &'a Spent,
    /// What shares of wall time refer to.
    pub wall_ns: u64,
    /// A process is held to the sums of its threads, and a GIL fight takes two.
    pub gil: GilRule,
}

/// Which rule tells a GIL fight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum GilRule {
    Thread,
    Process { waiting_threads: usize },
}

/// A decision and how far it is from the next one (0..1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision {
    pub class: Class,
    pub detail: Option<Detail>,
    pub otherwise: Option<Class>,
    /// What refines `otherwise`.
    pub otherwise_detail: Option<Detail>,
    pub margin: f64,
}

impl Decision {
    const fn new(class: Class, margin: f64) -> Self {
        Self {
            class,
            detail: None,
            otherwise: None,
            otherwise_detail: None,
            margin,
        }
    }

    /// Whether it speaks of a fight for the GIL.
    pub const fn is_gil_fight(&self) -> bool {
        matches!(self.detail, Some(Detail::Gil))
            || matches!(self.otherwise_detail, Some(Detail::Gil))
    }

    const fn with_detail(mut self, detail: Option<Detail>) -> Self {
        self.detail = detail;
        self
    }
}

pub(super) fn decide(case: &Case<'_>, limits: &Thresholds) -> Decision {
    let inner = case.spent.without_starvation();
    let ranking = inner.ranking();
    if let Some(&(Class::BusyWaiting, _)) = ranking.first() {
        let decision = by_ranking(&inner, limits);
        if decision.class == Class::BusyWaiting {
            return decision;
        }
    }
    let active_ns = case.spent.active_ns();
    let active_share = active_ns as f64 / case.wall_ns.max(1) as f64;
    if case.wall_ns > 0 && active_share < limits.idle_below_share {
        return Decision::new(Class::Idle, 1.0 - active_share / limits.idle_below_share);
    }
    if active_ns < limits.min_active_ns {
        return Decision::new(Class::Unknown, 0.0);
    }
    let unexplained = case.spent.get(Bucket::Unexplained) as f64 / active_ns as f64;
    if unexplained >= limits.max_unexplained_share {
        return Decision::new(Class::Unknown, 0.0);
    }
    let demand = demand(case, &inner, limits);
    starved(case, limits).map_or(demand, |starved| Decision {
        otherwise: Some(demand.class),
        otherwise_detail: demand.detail,
        ..starved
    })
}

/// The class without the machine's part.
fn demand(case: &Case<'_>, inner: &Spent, limits: &Thresholds) -> Decision {
    if inner.active_ns() == 0 {
        return Decision::new(Class::Unknown, 0.0);
    }
    gil_fight(case, inner, limits).unwrap_or_else(|| by_ranking(inner, limits))
}

fn starved(case: &Case<'_>, limits: &Thresholds) -> Option<Decision> {
    let starved_ns = case.spent.starved_ns() as f64;
    let share = starved_ns / (starved_ns + case.spent.on_cpu_ns as f64).max(1.0);
    let per_s = starved_ns / (case.wall_ns.max(1) as f64 / 1e9);
    let of_active = starved_ns / (case.spent.active_ns() as f64).max(1.0);
    let is_starved = share >= limits.starved_min_share
        && per_s >= limits.starved_min_ns_per_s as f64
        && of_active >= limits.starved_min_active_share;
    is_starved.then(|| {
        let margin = (share - limits.starved_min_share) / limits.starved_min_share;
        Decision::new(Class::CpuStarved, margin).with_detail(
            case.spent
                .largest_of(Class::CpuStarved)
                .and_then(Bucket::detail),
        )
    })
}

/// A fight for the GIL: the waits for it weigh something among all that is done and waited
/// for, and no other waits weigh more. Against the CPU time alone they always weigh something:
/// threads that wait for the network need the GIL whenever an answer comes.
fn gil_fight(case: &Case<'_>, inner: &Spent, limits: &Thresholds) -> Option<Decision> {
    let wait = case.spent.gil_wait_ns as f64;
    let others = inner.without_gil_ns() as f64;
    let rate = case.spent.gil_events as f64 * 1e9 / case.wall_ns.max(1) as f64;
    let (measure, threshold) = match case.gil {
        GilRule::Thread => (wait / (wait + others).max(1.0), limits.gil_thread_min_share),
        GilRule::Process { waiting_threads } if waiting_threads >= 2 => {
            (wait / others.max(1.0), limits.gil_process_min_ratio)
        }
        GilRule::Process { .. } => return None,
    };
    let is_most = wait >= inner.longest_other_wait_ns() as f64;
    (is_most && measure >= threshold && rate >= limits.gil_min_rate).then(|| {
        Decision::new(Class::LockBound, (measure - threshold) / threshold)
            .with_detail(Some(Detail::Gil))
    })
}

fn by_ranking(inner: &Spent, limits: &Thresholds) -> Decision {
    let ranking = inner.ranking();
    let Some(&(first, share)) = ranking.first() else {
        return Decision::new(Class::Unknown, 0.0);
    };
    let lead = share - ranking.get(1).map_or(0.0, |&(_, second)| second);
    if lead < limits.mixed_margin {
        return Decision::new(Class::Mixed, 1.0 - lead / limits.mixed_margin);
    }
    let margin = (lead - limits.mixed_margin) / 0.35;
    Decision::new(first, margin).with_detail(detail_of(inner, first, limits))
}

fn detail_of(inner: &Spent, class: Class, limits: &Thresholds) -> Option<Detail> {
    let activity = inner.activity_of(class, limits);
    if activity.is_some() {
        return activity;
    }
    if class == Class::CpuBound {
        let kernel = inner.get(Bucket::CpuKernel) as f64;
        let all = inner.class_ns(Class::CpuBound).max(1) as f64;
        if kernel / all >= limits.kernel_min_share {
            return Some(Detail::Kernel);
        }
        return code_of(inner, limits);
    }
    inner.largest_of(class).and_then(Bucket::detail)
}

/// Whether Python or native code computes, from what samples in user mode found being
/// executed; `None` where both do, or too little is known.
fn code_of(inner: &Spent, limits: &Thresholds) -> Option<Detail> {
    let samples = |code: &[Code]| -> u64 {
        code.iter()
            .map(|code| inner.code.get(code).copied().unwrap_or(0))
            .sum()
    };
    let known: u64 = inner.code.values().sum();
    let user = known - samples(&[Code::Kernel]);
    if user < limits.code_min_samples {
        return None;
    }
    let share = |code: &[Code]| samples(code) as f64 / user as f64;
    let eval = share(&[Code::EvalLoop]);
    let native = [
        Code::Interpreter,
        Code::Library,
        Code::CLibrary,
        Code::Generated,
    ];
    if share(&[Code::Library, Code::Generated]) >= limits.code_min_share
        || (share(&[Code::EvalLoop, Code::Unknown]) <= limits.native_max_eval_share
            && share(&native) >= limits.code_min_share)
    {
        return Some(Detail::Native);
    }
    let interpreter = share(&[
        Code::EvalLoop,
        Code::Interpreter,
        Code::CLibrary,
        Code::Unknown,
    ]);
    (eval >= limits.python_min_eval_share && interpreter >= limits.code_min_share)
        .then_some(Detail::Python)
}
