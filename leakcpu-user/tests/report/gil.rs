//! Waits for the GIL weigh as much as they take of where the time goes.

use crate::classify::verdicts;
use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use pyobserve::classify::{Class, Detail, Verdict};
use pyobserve::model::{Reason, StackId};

/// A process of four threads, each watched for ten seconds.
fn four(set_up: impl Fn(&mut ThreadBuilder, StackId)) -> Verdict {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let leaf = p.frame("work", "/srv/app/a.py", 1, 5);
    let stack = p.stack(&[leaf]);
    for i in 0..4 {
        let mut t = ThreadBuilder::new(7 + i, "worker", s(10));
        set_up(&mut t, stack);
        p = p.thread(t);
    }
    let verdicts = verdicts(p.build());
    assert!(
        verdicts
            .threads
            .iter()
            .all(|of| of.class == verdicts.verdict.class),
        "{:?}",
        verdicts.threads
    );
    verdicts.verdict
}

/// Waits for the GIL of each thread, short ones.
fn gil(t: &mut ThreadBuilder, stack: StackId, ns: u64) {
    t.gil(ns);
    t.blocked(stack, blocked(Reason::Gil, "futex"), 100, ns, ms(5));
}

#[test]
fn threads_that_wait_for_the_network_are_io_bound_though_they_meet_at_the_gil() {
    let verdict = four(|t, stack| {
        t.on_cpu(ms(60));
        t.user(stack, 6);
        gil(t, stack, ms(40));
        t.blocked(
            stack,
            blocked(Reason::NetRecv, "poll").peer("10.0.0.5:443"),
            80,
            s(9) + ms(900),
            ms(130),
        );
    });
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::IoBound, Some(Detail::Network)),
        "{:?}",
        verdict.because
    );
}

#[test]
fn threads_that_wait_for_a_lock_are_bound_by_it_and_not_by_the_gil() {
    let verdict = four(|t, stack| {
        t.on_cpu(ms(300));
        t.user(stack, 30);
        gil(t, stack, s(3));
        t.blocked(
            stack,
            blocked(Reason::Lock, "futex"),
            400,
            s(6) + ms(700),
            ms(30),
        );
    });
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::LockBound, Some(Detail::Mutex)),
        "{:?}",
        verdict.because
    );
}

#[test]
fn a_fight_for_the_gil_with_some_disk_beside_it_is_one() {
    let verdict = four(|t, stack| {
        t.on_cpu(s(2) + ms(400));
        t.user(stack, 240);
        gil(t, stack, s(6) + ms(600));
        t.blocked(stack, blocked(Reason::DiskRead, "read"), 20, s(1), ms(60));
    });
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::LockBound, Some(Detail::Gil)),
        "{:?}",
        verdict.because
    );
}

#[test]
fn a_starved_program_that_waits_for_a_lock_does_not_fight_for_the_gil_otherwise() {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let wants = p.frame("borrow", "/srv/app/a.py", 1, 5);
    let computes = p.frame("compute", "/srv/app/a.py", 20, 25);
    let (wants, computes) = (p.stack(&[wants]), p.stack(&[computes]));
    let mut t = ThreadBuilder::new(7, "worker", s(10));
    t.on_cpu(ms(800));
    t.runnable(s(3));
    t.user(computes, 80);
    t.gil(ms(20));
    t.blocked(computes, blocked(Reason::Gil, "futex"), 4, ms(20), ms(5));
    t.blocked(
        wants,
        blocked(Reason::Lock, "futex"),
        400,
        s(6) + ms(180),
        ms(30),
    );
    let verdict = verdicts(p.thread(t).build()).verdict;
    assert_eq!(
        (verdict.class, verdict.otherwise),
        (Class::CpuStarved, Some(Class::LockBound))
    );
    let blame = verdict.blame.expect("somebody is to blame");
    assert_eq!(blame.function, "borrow");
}
