//! States of time to classes with confidence: pure, thresholds in one documented struct.

mod accounts;
mod activity;
mod because;
mod blame;
mod class;
mod collector;
mod confidence;
mod culprit;
mod decide;
mod machine;
mod owner;
mod resumed;
pub mod say;
mod service;
mod spent;
mod spin;
mod steady;
mod thresholds;
mod vector;
mod verdict;
mod wait_text;
mod waiting;

use std::collections::BTreeMap;

pub use accounts::RESIDUAL;
pub use class::{Class, Detail};
pub use collector::{collector_samples, sampled_collector_ns};
pub use culprit::caused_by;
pub use owner::{lock_in_words, owner_in_words, place_of};
pub use service::service_name;
pub use spin::{LoopOf, Spin};
pub use steady::Steady;
pub use thresholds::Thresholds;
pub use verdict::{Because, Blame, Classification, FunctionVerdict, ProcessVerdicts, Verdict};
pub use wait_text::waited_for;
pub(crate) use waiting::is_asking_for_work;

use because::Subject;
use confidence::Quality;
use decide::{Case, Decision, GilRule, decide};
use spent::Spent;

use crate::model::{FunctionId, Process, Profile, Thread, UserLoss};

/// Judges every process, thread and function of `profile`.
pub fn classify(profile: &Profile) -> Classification {
    classify_with(profile, &Thresholds::default())
}

/// The same with other thresholds.
pub fn classify_with(profile: &Profile, limits: &Thresholds) -> Classification {
    let lost = profile
        .loss
        .get(&UserLoss::SamplesLost.into())
        .copied()
        .unwrap_or(0) as f64;
    let taken: u64 = profile
        .processes
        .iter()
        .flat_map(|process| &process.threads)
        .map(Thread::samples)
        .sum();
    let lost_share = lost / (lost + taken as f64).max(1.0);
    Classification {
        processes: profile
            .processes
            .iter()
            .map(|process| of_process(process, lost_share, limits))
            .collect(),
    }
}

/// The most frequent micro-sleep of a thread that is worth an advice, busy-wait or not.
pub fn frequent_sleep(process: &Process, thread: &Thread) -> Option<Spin> {
    spin::most_frequent_sleep(process, thread, &Thresholds::default())
}

fn of_process(process: &Process, lost_share: f64, limits: &Thresholds) -> ProcessVerdicts {
    let mut functions: BTreeMap<FunctionId, Spent> = BTreeMap::new();
    let mut vectors = Vec::new();
    let mut spins = Vec::new();
    for thread in &process.threads {
        let proof = spin::prove(process, thread, limits);
        vectors.push(vector::of_thread(
            process,
            thread,
            proof.as_ref(),
            limits,
            &mut functions,
        ));
        spins.push(proof);
    }
    let threads: Vec<Verdict> = process
        .threads
        .iter()
        .zip(&vectors)
        .zip(&spins)
        .map(|((thread, spent), spin)| {
            of_thread(process, thread, spent, spin.as_ref(), lost_share, limits)
        })
        .collect();

    // Idle threads do not vote, unless nobody else does.
    let is_active = |i: &usize| threads[*i].class != Class::Idle;
    let mut voting: Vec<usize> = (0..threads.len()).filter(is_active).collect();
    let voters = voting.len();
    if voting.is_empty() {
        voting = (0..threads.len()).collect();
    }
    let mut spent = Spent::default();
    for &i in &voting {
        spent.merge(&vectors[i]);
    }
    let chosen: Vec<_> = voting
        .iter()
        .map(|&i| (&process.threads[i], spins[i].as_ref()))
        .collect();
    let wall = |threads: &mut dyn Iterator<Item = &Thread>| {
        threads
            .map(|thread| thread.times.wall_ns)
            .max()
            .unwrap_or(0)
    };
    let span_ns = wall(&mut process.threads.iter());
    let waiting_threads = voting
        .iter()
        .filter(|&&i| vectors[i].gil_wait_ns > 0)
        .count();
    let case = Case {
        spent: &spent,
        wall_ns: span_ns,
        gil: GilRule::Process { waiting_threads },
    };
    let verdict = verdict(process, &chosen, &case, lost_share, limits);
    let functions = functions
        .into_iter()
        .map(|(id, spent)| (id, of_function(&spent, span_ns, lost_share, limits)))
        .collect();
    ProcessVerdicts {
        pid: process.pid,
        verdict,
        threads,
        spins,
        functions,
        span_ns,
        active_ns: spent.active_ns(),
        voters,
    }
}

fn of_thread(
    process: &Process,
    thread: &Thread,
    spent: &Spent,
    spin: Option<&Spin>,
    lost_share: f64,
    limits: &Thresholds,
) -> Verdict {
    let case = Case {
        spent,
        wall_ns: thread.times.wall_ns,
        gil: GilRule::Thread,
    };
    verdict(process, &[(thread, spin)], &case, lost_share, limits)
}

fn verdict(
    process: &Process,
    threads: &[(&Thread, Option<&Spin>)],
    case: &Case<'_>,
    lost_share: f64,
    limits: &Thresholds,
) -> Verdict {
    let decision = decide(case, limits);
    let wall: u64 = threads.iter().map(|(t, _)| t.times.wall_ns).sum();
    let unaccounted: u64 = threads.iter().map(|(t, _)| t.times.unaccounted_ns).sum();
    let residual = accounts::beyond(threads, limits);
    let quality = Quality {
        unaccounted_share: unaccounted as f64 / wall.max(1) as f64,
        residual_share: residual.map_or(0.0, |accounts| accounts.residual_share()),
        lost_share,
        wall_ns: case.wall_ns,
    };
    let subject = Subject {
        process,
        threads,
        spent: case.spent,
        wall_ns: case.wall_ns,
        limits,
    };
    let blamed_class = decision.otherwise.unwrap_or(decision.class);
    Verdict {
        class: decision.class,
        detail: decision.detail,
        confidence: confidence::of_times(&decision, case.spent, quality),
        otherwise: decision.otherwise,
        shares: case.spent.ranking().into_iter().collect(),
        blame: blame::blame(
            process,
            threads,
            blamed_class,
            decision.is_gil_fight(),
            limits,
        ),
        because: because::because(&subject, &decision),
    }
}

fn of_function(
    spent: &Spent,
    span_ns: u64,
    lost_share: f64,
    limits: &Thresholds,
) -> FunctionVerdict {
    let total_ns = spent.total_ns();
    let enough = spent.samples >= limits.function_min_samples
        || (total_ns >= limits.function_min_ns && spent.events >= limits.function_min_events)
        || spent.max_wait_ns >= limits.function_min_wait_ns;
    let rests = spent.active_ns() as f64 <= total_ns as f64 * limits.idle_below_share;
    let decision = if rests && total_ns >= limits.function_min_ns {
        Decision {
            class: Class::Idle,
            detail: None,
            otherwise: None,
            otherwise_detail: None,
            margin: 0.5,
        }
    } else if enough {
        decide(
            &Case {
                spent,
                wall_ns: total_ns,
                gil: GilRule::Thread,
            },
            limits,
        )
    } else {
        Decision {
            class: Class::Unknown,
            detail: None,
            otherwise: None,
            otherwise_detail: None,
            margin: 0.0,
        }
    };
    let quality = Quality {
        unaccounted_share: 0.0,
        residual_share: 0.0,
        lost_share,
        wall_ns: span_ns,
    };
    FunctionVerdict {
        class: decision.class,
        confidence: confidence::of_samples(&decision, spent, quality),
    }
}
