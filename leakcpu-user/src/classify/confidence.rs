//! How sure a verdict is.
//!
//! `confidence = (0.6 + 0.39 * margin) * evidence * accounted * known * shown`
//!
//! - `margin`: how far the deciding figure is from the threshold that would change
//!   the verdict, 0..1 (see `decide`).
//! - `evidence`: exact times: `active / (active + 25 ms)`, so 50 ms give 0.67 and
//!   10 s 0.998; for rest, the watched time with 100 ms. Samples: the lower end of
//!   the 95 % Wilson interval of "all of them are so", `n / (n + 1.96^2)`, times
//!   the share of samples that were not lost.
//! - `accounted`: the share of wall time that scheduler events explain, less what our
//!   times and the scheduler's own put into different states, if that is above 2 %.
//! - `known`: 1 less 0.15 of the share of time whose kind is a reasoned guess (a
//!   receive that never ended, a lock that may be a queue, a loop whose variables were not
//!   seen to stay what they are). It was 0.3 until the labelled
//!   corpus: of its tuning half such verdicts were right in five programs of six, and the
//!   sixth has been mended.
//! - `shown`: of a `cpu-bound` verdict on Python code 1 less 0.1 of the share of its CPU time
//!   that was not spent in loops whose bytecode leaves something behind. The verdict is the
//!   default of what takes CPU time and is not proved to spin, and no count of the kernel's tells
//!   a loop that only looks from one that computes. That native code or the kernel computes is seen.

use super::decide::Decision;
use super::spent::Spent;
use super::{Class, Detail};

/// What a guess costs where all of the time is one.
const GUESSED: f64 = 0.15;
/// What it costs where computing is not shown at all, but what is left.
const BY_DEFAULT: f64 = 0.1;

/// What else weighs on a verdict.
#[derive(Clone, Copy)]
pub(super) struct Quality {
    /// Wall time that no event explains, as a share.
    pub unaccounted_share: f64,
    /// Time that the scheduler's own accounts put into another state, as a share; 0 if it
    /// is as little as it should be.
    pub residual_share: f64,
    /// Samples lost of all, as a share.
    pub lost_share: f64,
    /// Time watched.
    pub wall_ns: u64,
}

/// Confidence of a verdict that rests on exact times.
pub(super) fn of_times(decision: &Decision, spent: &Spent, quality: Quality) -> f64 {
    let evidence = if decision.class == Class::Idle {
        saturation(quality.wall_ns as f64, 100e6)
    } else {
        saturation(spent.active_ns() as f64, 25e6)
    };
    finish(decision, spent, quality, evidence)
}

/// Confidence of a verdict on a function, whose on-CPU time is sampled.
pub(super) fn of_samples(decision: &Decision, spent: &Spent, quality: Quality) -> f64 {
    let sampled = spent.on_cpu_ns as f64 / spent.total_ns().max(1) as f64;
    let by_samples = wilson_lower_of_all(spent.samples) * (1.0 - quality.lost_share);
    let by_time = saturation(spent.total_ns() as f64, 25e6);
    let evidence = sampled * by_samples + (1.0 - sampled) * by_time;
    finish(decision, spent, quality, evidence)
}

fn finish(decision: &Decision, spent: &Spent, quality: Quality, evidence: f64) -> f64 {
    let margin = decision.margin.clamp(0.0, 1.0);
    let base = match decision.class {
        Class::Unknown => 0.0,
        _ => 0.6 + 0.39 * margin,
    };
    let guessed = spent.guessed_ns as f64 / spent.total_ns().max(1) as f64;
    let known = 1.0 - GUESSED * guessed.min(1.0);
    let shown = if is_by_default(decision) {
        let shown = spent.shown_ns as f64 / spent.on_cpu_ns.max(1) as f64;
        1.0 - BY_DEFAULT * (1.0 - shown.min(1.0))
    } else {
        1.0
    };
    let accounted = 1.0 - (quality.unaccounted_share + quality.residual_share).clamp(0.0, 1.0);
    let confidence = base * evidence * accounted * known * shown;
    (confidence * 100.0).round() / 100.0
}

/// Whether a verdict says that Python code computes.
fn is_by_default(decision: &Decision) -> bool {
    let (class, detail) = match decision.otherwise {
        Some(otherwise) => (otherwise, decision.otherwise_detail),
        None => (decision.class, decision.detail),
    };
    class == Class::CpuBound && !matches!(detail, Some(Detail::Native | Detail::Kernel))
}

fn saturation(amount: f64, half: f64) -> f64 {
    amount / (amount + half)
}

/// Lower end of the 95 % Wilson interval for `n` of `n`.
fn wilson_lower_of_all(n: u64) -> f64 {
    const Z: f64 = 1.96;
    n as f64 / (n as f64 + Z * Z)
}

#[cfg(test)]
mod tests {
    use super::wilson_lower_of_all;

    #[test]
    fn wilson() {
        assert!(wilson_lower_of_all(0) < 1e-9);
        assert!((wilson_lower_of_all(30) - 0.886).abs() < 0.001);
        assert!(wilson_lower_of_all(990) > 0.995);
    }
}
