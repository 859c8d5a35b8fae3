//! Tests of counting.

use std::collections::BTreeMap;

use super::{Answers, Bin, ClassScore, Score, calibration, quantile};
use crate::corpus::row::{
    Class, Comparison, FirstRight, Half, Judgement, Others, Outcome, Row, Said,
};

pub fn judgement(class: Class) -> Judgement {
    Judgement {
        class,
        detail: None,
        otherwise: None,
        function: None,
    }
}

pub fn row(name: &str, right: Class, said: Class, confidence: f64) -> Row {
    Row {
        name: name.to_owned(),
        class: right,
        half: Half::Tune,
        first_right: None,
        outcome: Outcome::Judged(Box::new(Comparison {
            right: judgement(right),
            said: Said {
                findings: Vec::new(),
                verdict: judgement(said),
                confidence,
                line: None,
                because: "so it is".to_owned(),
                shares: BTreeMap::new(),
            },
            class_holds: right == said,
            detail_holds: None,
            function_holds: Some(right == said),
            line_holds: None,
            time_error: 0.1,
            others: Others {
                top_pct: Some(99.0),
                cpu_over_wall: 0.1,
                py_spy_active: None,
            },
        })),
    }
}

fn close(one: Option<f64>, other: f64) {
    let one = one.expect("there is a figure");
    assert!((one - other).abs() < 1e-9, "{one} is not {other}");
}

#[test]
fn precision_recall_and_f1_by_hand() {
    let mut answers = Answers::default();
    // Of three that spin two are named, and one that computes is accused.
    for (right, said, times) in [
        (Class::BusyWaiting, Class::BusyWaiting, 2),
        (Class::BusyWaiting, Class::CpuBound, 1),
        (Class::CpuBound, Class::CpuBound, 4),
        (Class::CpuBound, Class::BusyWaiting, 1),
    ] {
        for _ in 0..times {
            answers.add(right, Some(said), right == said);
        }
    }
    let spins = answers.classes[&Class::BusyWaiting];
    close(spins.precision(), 2.0 / 3.0);
    close(spins.recall(), 2.0 / 3.0);
    close(spins.f1(), 2.0 / 3.0);
    close(answers.classes[&Class::CpuBound].f1(), 0.8);
    close(answers.macro_f1(), f64::midpoint(2.0 / 3.0, 0.8));
    assert_eq!(
        answers.confusion[&(Class::CpuBound, Some(Class::BusyWaiting))],
        1
    );
    assert_eq!((answers.hits, answers.of), (6, 8));
}

#[test]
fn a_class_that_no_program_has_is_no_part_of_the_mean() {
    let mut answers = Answers::default();
    answers.add(Class::Idle, Some(Class::Idle), true);
    answers.add(Class::Idle, Some(Class::Unknown), false);
    close(answers.macro_f1(), 2.0 / 3.0);
    assert_eq!(ClassScore::default().precision(), None);
}

#[test]
fn what_was_not_valid_is_neither_right_nor_wrong() {
    let mut broken = row("c", Class::Idle, Class::Idle, 1.0);
    broken.outcome = Outcome::NotValid("the machine was too busy".to_owned());
    let mut silent = row("d", Class::Idle, Class::Idle, 1.0);
    silent.outcome = Outcome::NoReport("it ended".to_owned());
    let rows = [
        row("a", Class::Idle, Class::Idle, 0.9),
        row("b", Class::Idle, Class::IoBound, 0.6),
        row("e", Class::CpuBound, Class::CpuBound, 0.8),
        broken,
        silent,
    ];
    let score = Score::of(&rows);
    assert_eq!((score.judged, score.not_valid, score.abstained), (4, 1, 1));
    assert_eq!((score.pyobserve.hits, score.pyobserve.of), (2, 4));
    assert_eq!((score.functions.hits, score.functions.of), (2, 3));
    assert_eq!(
        (score.idle_false_alarms.hits, score.idle_false_alarms.of),
        (1, 2)
    );
    // top calls each busy, which one is; CPU over wall calls none so; py-spy had no answer.
    let others: Vec<usize> = score
        .others
        .iter()
        .map(|(_, answers)| answers.hits)
        .collect();
    assert_eq!(others, [1, 0, 0]);
}

#[test]
fn confidence_is_held_against_the_outcome() {
    let sure = [(0.9, true), (0.9, true), (0.9, false), (0.5, false)];
    let it = calibration(&sure);
    close(it.brier, (0.01 + 0.01 + 0.81 + 0.25) / 4.0);
    close(it.brier_of_constant, 0.25);
    close(it.of_hits, 0.9);
    close(it.of_misses, 0.7);
    let bins: Vec<(f64, usize, usize)> = it
        .bins
        .iter()
        .map(|Bin { from, of, hits, .. }| (*from, *of, *hits))
        .collect();
    assert_eq!(bins, [(0.5, 1, 0), (0.9, 3, 2)]);
    assert_eq!(calibration(&[]).brier, None);
}

#[test]
fn who_is_never_right_comes_last() {
    let after = |took_s| FirstRight::After {
        window_s: 1.0,
        took_s,
    };
    let found = [
        Some(FirstRight::Never),
        None,
        Some(after(5.2)),
        Some(after(1.3)),
    ];
    let rows: Vec<Row> = found
        .into_iter()
        .map(|first_right| Row {
            first_right,
            ..row("one", Class::Idle, Class::Idle, 0.9)
        })
        .collect();
    let score = Score::of(&rows);
    assert_eq!(score.first_right_s, [1.3, 5.2, f64::INFINITY]);
}

#[test]
fn quantiles_are_figures_that_occur() {
    let sorted = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(quantile(&sorted, 0.5), Some(2.0));
    assert_eq!(quantile(&sorted, 0.95), Some(4.0));
    assert_eq!(quantile(&[], 0.5), None);
}
