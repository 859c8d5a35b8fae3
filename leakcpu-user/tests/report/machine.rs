//! The machine's part: said apart from the program's own behaviour, and named.

use crate::classify::{one, verdicts};
use crate::fixtures::build::{ThreadBuilder, blocked, ms, s};
use crate::fixtures::profile;
use pyobserve::classify::{Class, Detail, Verdict, classify};
use pyobserve::diagnose::{Settings, diagnose};
use pyobserve::model::{Accounts, CpuQuota, Process, RanInstead, Reason, StackId};
use pyobserve::report::{CLASSIFY_SCHEMA, classify_document};

fn quota() -> CpuQuota {
    CpuQuota {
        cgroup: "/kubepods/pod1".to_owned(),
        quota_ns: ms(20),
        period_ns: ms(100),
        periods: 100,
        throttled_periods: 98,
        throttled_ns: s(7) + ms(900),
    }
}

fn rival(pid: u32, name: &str, ran_ns: u64) -> RanInstead {
    RanInstead {
        pid,
        name: name.to_owned(),
        ran_ns,
        count: 7,
    }
}

fn throttled(t: &mut ThreadBuilder, stack: StackId) {
    t.on_cpu(s(2));
    t.user(stack, 198);
    t.runnable(ms(100));
    t.throttled(s(7) + ms(900));
}

fn said(verdict: &Verdict) -> String {
    let texts: Vec<&str> = verdict.because.iter().map(|b| b.text.as_str()).collect();
    texts.join("; ")
}

#[test]
fn a_quota_is_named_with_the_group_that_has_it() {
    let mut process = one(throttled);
    process.quotas.push(quota());
    let verdict = verdicts(process).verdict;
    assert_eq!(verdict.class, Class::CpuStarved);
    assert_eq!(verdict.detail, Some(Detail::Throttled));
    assert_eq!(verdict.otherwise, Some(Class::CpuBound));
    let said = said(&verdict);
    assert!(
        said.contains("/kubepods/pod1 may use 0.2 CPUs, used up in 98 of 100 periods"),
        "{said}"
    );
}

#[test]
fn a_busy_wait_under_a_quota_is_a_busy_wait_and_throttled_besides() {
    let process = one(|t, stack| {
        throttled(t, stack);
        t.tally("poll", ms(200), 4_000, 4_000);
        t.kernel(stack, "poll", 100);
    });
    let verdict = verdicts(process).verdict;
    assert_eq!(verdict.class, Class::BusyWaiting);
    assert!(said(&verdict).contains("held back by a CPU quota"));
}

#[test]
fn a_wait_under_a_quota_that_is_seldom_used_up_is_a_wait() {
    let process = one(|t, stack| {
        t.on_cpu(s(2));
        t.user(stack, 198);
        t.throttled(ms(300));
        t.blocked(
            stack,
            blocked(Reason::DiskRead, "read"),
            70,
            s(7) + ms(700),
            ms(200),
        );
    });
    assert_eq!(verdicts(process).verdict.class, Class::IoBound);
}

#[test]
fn who_ran_instead_is_said() {
    let mut process = one(|t, stack| {
        t.on_cpu(s(3));
        t.user(stack, 297);
        t.runnable(s(7));
        t.throttled(0);
    });
    process.ran_instead = vec![
        rival(99, "cc1plus", s(4)),
        rival(7, "python", s(2)),
        rival(12, "kworker/0:1", ms(20)),
    ];
    let verdict = verdicts(process).verdict;
    assert_eq!(verdict.detail, Some(Detail::RunQueue));
    let said = said(&verdict);
    assert!(
        said.contains("meanwhile ran cc1plus 99 (66 %), its own threads (33 %)"),
        "{said}"
    );
}

fn with_residual(residual_ns: u64) -> Process {
    one(|t, stack| {
        t.on_cpu(s(10));
        t.user(stack, 990);
        t.accounts(Accounts {
            threads: 1,
            looks: 90,
            span_ns: s(9),
            residual_ns,
            ..Accounts::default()
        });
    })
}

#[test]
fn times_that_the_scheduler_does_not_bear_out_are_less_sure() {
    let sure = verdicts(with_residual(ms(90))).verdict;
    let unsure = verdicts(with_residual(s(1))).verdict;
    assert_eq!(sure.class, unsure.class);
    assert!(unsure.confidence < sure.confidence - 0.05);
    assert!(!said(&sure).contains("scheduler"));
    assert!(said(&unsure).contains("the scheduler's own accounts differ by 11 %"));
}

#[test]
fn the_schema_holds_what_is_said_of_the_machine() {
    let mut process = with_residual(s(1));
    process.quotas.push(quota());
    process.ran_instead.push(rival(99, "cc1plus", s(4)));
    let profile = profile(vec![process]);
    let classification = classify(&profile);
    let findings = diagnose(&profile, &classification, &Settings::default());
    let document =
        serde_json::to_value(classify_document(&profile, &classification, &findings)).unwrap();
    let schema = serde_json::from_str(CLASSIFY_SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let process = &document["processes"][0];
    assert_eq!(process["accounts"]["residual_share"], 0.111_111);
    assert_eq!(process["threads"][0]["accounts"]["looks"], 90);
    assert_eq!(process["quotas"][0]["throttled_periods"], 98);
    assert_eq!(process["ran_instead"][0]["ran_ns"], s(4));
}
