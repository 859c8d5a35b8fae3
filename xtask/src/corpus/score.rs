//! Counting: how often verdicts are right, and how sure they may be.

use std::collections::BTreeMap;

use super::row::{Class, Comparison, FirstRight, Outcome, Row};

/// From this share of a CPU on, top's user says that a process computes.
const TOP_BUSY_PCT: f64 = 70.0;

/// Below this share, that it is idle.
const TOP_IDLE_PCT: f64 = 5.0;

/// From this share of CPU over wall time on, a program is said to compute.
const CPU_OVER_WALL: f64 = 0.5;

/// From this share of looks with an active thread on, py-spy's user says the same.
const PY_SPY_ACTIVE: f64 = 0.5;

/// Lower ends of the bins of the reliability table.
const BINS: [f64; 6] = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9];

/// How right those answers were that named this class, and how many of those that should
/// have named it did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassScore {
    /// Named and right.
    pub hits: usize,
    /// Named.
    pub said: usize,
    /// Right.
    pub right: usize,
}

impl ClassScore {
    /// Of what was named, the share that was right.
    pub fn precision(self) -> Option<f64> {
        ratio(self.hits, self.said)
    }

    /// Of what was right, the share that was named.
    pub fn recall(self) -> Option<f64> {
        ratio(self.hits, self.right)
    }

    /// The harmonic mean of both; 0 if nothing was hit.
    pub fn f1(self) -> Option<f64> {
        ratio(2 * self.hits, self.said + self.right)
    }
}

/// One way of answering, over all valid programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// (right, said) -> how often; what was not answered is `None`.
    pub confusion: BTreeMap<(Class, Option<Class>), usize>,
    /// By class.
    pub classes: BTreeMap<Class, ClassScore>,
    /// How many were right, of how many.
    pub hits: usize,
    /// Programs.
    pub of: usize,
}

impl Answers {
    fn add(&mut self, right: Class, said: Option<Class>, holds: bool) {
        *self.confusion.entry((right, said)).or_default() += 1;
        self.of += 1;
        self.hits += usize::from(holds);
        let score = self.classes.entry(right).or_default();
        score.right += 1;
        score.hits += usize::from(holds);
        if let Some(said) = said {
            self.classes.entry(said).or_default().said += 1;
        }
    }

    /// The mean of F1 over the classes that programs have.
    pub fn macro_f1(&self) -> Option<f64> {
        let scores: Vec<f64> = self
            .classes
            .values()
            .filter(|score| score.right > 0)
            .filter_map(|score| score.f1())
            .collect();
        mean(&scores)
    }
}

/// Verdicts of about the same confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The lowest confidence in it.
    pub from: f64,
    /// Verdicts.
    pub of: usize,
    /// Right ones.
    pub hits: usize,
    /// Their mean confidence.
    pub mean_confidence: f64,
}

/// How sure verdicts were, and how sure they might be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// The mean squared difference of confidence and outcome; less is better.
    pub brier: Option<f64>,
    /// The same if each verdict had the share of right ones for its confidence.
    pub brier_of_constant: Option<f64>,
    /// Mean confidence of the right ones.
    pub of_hits: Option<f64>,
    /// Mean confidence of the wrong ones.
    pub of_misses: Option<f64>,
    /// By confidence; empty ones are left out.
    pub bins: Vec<Bin>,
}

/// Some of some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// That hold.
    pub hits: usize,
    /// That were asked.
    pub of: usize,
}

impl Count {
    fn of(answers: impl Iterator<Item = Option<bool>>) -> Self {
        let asked: Vec<bool> = answers.flatten().collect();
        Self {
            hits: asked.iter().filter(|holds| **holds).count(),
            of: asked.len(),
        }
    }
}

/// All there is to say of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Programs that were what their labels say.
    pub judged: usize,
    /// Programs that were not, or could not run.
    pub not_valid: usize,
    /// pyobserve's classes.
    pub pyobserve: Answers,
    /// What else a user would have had, by name.
    pub others: Vec<(&'static str, Answers)>,
    /// Verdicts `unknown`, and none at all.
    pub abstained: usize,
    /// Of right classes, the details.
    pub details: Count,
    /// Functions to blame.
    pub functions: Count,
    /// Lines to blame.
    pub lines: Count,
    /// Time-vector errors, the smallest first.
    pub time_errors: Vec<f64>,
    /// Of programs whose first right verdict was looked for, after how many seconds it was
    /// there, the soonest first; without end where there was none.
    pub first_right_s: Vec<f64>,
    /// Programs at rest that were called something else.
    pub idle_false_alarms: Count,
    /// How sure it was.
    pub calibration: Calibration,
}

impl Score {
    /// Counts rows.
    pub fn of(rows: &[Row]) -> Self {
        let mut score = Self::default();
        let mut top = Answers::default();
        let mut cpu_over_wall = Answers::default();
        let mut py_spy = Answers::default();
        let mut compared: Vec<&Comparison> = Vec::new();
        for row in rows {
            match &row.outcome {
                Outcome::NotValid(_) => score.not_valid += 1,
                Outcome::NoReport(_) => {
                    score.pyobserve.add(row.class, None, false);
                    score.abstained += 1;
                }
                Outcome::Judged(it) => {
                    let (right, said) = (it.right.class, it.said.verdict.class);
                    score.pyobserve.add(right, Some(said), it.class_holds);
                    score.abstained += usize::from(said == Class::Unknown);
                    let other = |answers: &mut Answers, said: Option<Class>| {
                        answers.add(right, said, said == Some(right));
                    };
                    other(&mut top, it.others.top_pct.map(by_top));
                    other(
                        &mut cpu_over_wall,
                        Some(by_cpu_over_wall(it.others.cpu_over_wall)),
                    );
                    other(&mut py_spy, it.others.py_spy_active.map(by_py_spy));
                    compared.push(it);
                }
            }
        }
        score.judged = score.pyobserve.of;
        score.others = vec![
            ("top's CPU %", top),
            ("CPU over wall time", cpu_over_wall),
            ("py-spy's active/idle", py_spy),
        ];
        score.details = Count::of(compared.iter().map(|it| it.detail_holds));
        score.functions = Count::of(compared.iter().map(|it| it.function_holds));
        score.lines = Count::of(compared.iter().map(|it| it.line_holds));
        score.idle_false_alarms = Count::of(compared.iter().map(|it| {
            (it.right.class == Class::Idle).then_some(it.said.verdict.class != Class::Idle)
        }));
        score.time_errors = compared.iter().map(|it| it.time_error).collect();
        score.time_errors.sort_by(f64::total_cmp);
        score.first_right_s = rows
            .iter()
            .filter_map(|row| row.first_right)
            .map(|first| match first {
                FirstRight::After { took_s, .. } => took_s,
                FirstRight::Never => f64::INFINITY,
            })
            .collect();
        score.first_right_s.sort_by(f64::total_cmp);
        let sure: Vec<(f64, bool)> = compared
            .iter()
            .filter(|it| it.said.verdict.class != Class::Unknown)
            .map(|it| (it.said.confidence, it.class_holds))
            .collect();
        score.calibration = calibration(&sure);
        score
    }
}

fn by_top(pct: f64) -> Class {
    if pct > TOP_BUSY_PCT {
        Class::CpuBound
    } else if pct < TOP_IDLE_PCT {
        Class::Idle
    } else {
        Class::IoBound
    }
}

fn by_cpu_over_wall(share: f64) -> Class {
    if share >= CPU_OVER_WALL {
        Class::CpuBound
    } else {
        Class::IoBound
    }
}

fn by_py_spy(active: f64) -> Class {
    if active >= PY_SPY_ACTIVE {
        Class::CpuBound
    } else {
        Class::Idle
    }
}

fn calibration(sure: &[(f64, bool)]) -> Calibration {
    let squares: Vec<f64> = sure
        .iter()
        .map(|(confidence, holds)| (confidence - f64::from(u8::from(*holds))).powi(2))
        .collect();
    let of = |wanted: bool| {
        let some: Vec<f64> = sure
            .iter()
            .filter(|(_, holds)| *holds == wanted)
            .map(|(confidence, _)| *confidence)
            .collect();
        mean(&some)
    };
    let hits = sure.iter().filter(|(_, holds)| *holds).count();
    let bins = BINS.iter().enumerate().filter_map(|(number, from)| {
        let to = BINS.get(number + 1).copied().unwrap_or(f64::INFINITY);
        let inside: Vec<&(f64, bool)> = sure
            .iter()
            .filter(|(confidence, _)| (*from..to).contains(confidence))
            .collect();
        let confidences: Vec<f64> = inside.iter().map(|(confidence, _)| *confidence).collect();
        Some(Bin {
            from: *from,
            of: inside.len(),
            hits: inside.iter().filter(|(_, holds)| *holds).count(),
            mean_confidence: mean(&confidences)?,
        })
    });
    Calibration {
        brier: mean(&squares),
        brier_of_constant: ratio(hits, sure.len()).map(|share| share * (1.0 - share)),
        of_hits: of(true),
        of_misses: of(false),
        bins: bins.collect(),
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean, of at least one figure.
pub fn mean(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}

/// The smallest figure that so large a share of the sorted figures does not exceed.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = (1..=sorted.len())
        .find(|count| *count as f64 >= share * sorted.len() as f64)
        .map_or(last, |count| count - 1);
    sorted.get(at).copied()
}

#[cfg(test)]
#[path = "score_tests.rs"]
pub(super) mod tests;
