//! Owners of locks, deadlocks, and what is advised about locks.

use pyobserve::classify::{Class, classify, lock_in_words};
use pyobserve::diagnose::{Settings, diagnose};
use pyobserve::model::{
    FileLockHolder, LockKind, LockOwner, LockWait, Pid, Process, Reason, StackId, Tid, Wake,
    WakeEvidence,
};
use pyobserve::report::{TextOptions, write_text};

use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use crate::fixtures::profile;

/// Threads 1, 2, ... each wait for a lock in a function `f<n>`; `owners` says whose.
fn waiting(kind: LockKind, owners: &[Option<u32>]) -> Process {
    let mut builder = ProcessBuilder::new(7, "3.12.1", &["python", "a.py"]);
    for n in (1..).take(owners.len()) {
        let frame = builder.frame(&format!("f{n}"), "/srv/a.py", 10 * n, 10 * n + 1);
        let stack = builder.stack(&[frame]);
        assert_eq!(stack, StackId(n));
    }
    for n in (1..).take(owners.len()) {
        let mut thread = ThreadBuilder::new(n, &format!("t{n}"), s(10));
        thread.blocked(StackId(n), blocked(Reason::Lock, "futex"), 1, s(10), s(10));
        builder = builder.thread(thread);
    }
    let mut process = builder.build();
    for (thread, owner) in process.threads.iter_mut().zip(owners) {
        let wait = LockWait {
            stack: StackId(thread.tid.0),
            kind,
            owner: owner.map(|owner| LockOwner {
                tid: (owner != 0).then_some(Tid(owner)),
                taken: 1,
                stack: StackId(owner),
            }),
            holder: None,
            waited_ns: s(10),
            is_open: true,
            has_timeout: false,
        };
        thread.lock_waits = vec![wait];
    }
    process
}

/// A process of each kind: a deadlock, an owner that has ended, files.
pub fn examples() -> Vec<Process> {
    let mut files = waiting(LockKind::File, &[None, None]);
    for (thread, name) in files.threads.iter_mut().zip([Some("other"), None]) {
        thread.lock_waits[0].holder = Some(FileLockHolder {
            pid: Pid(9),
            name: name.map(str::to_owned),
        });
    }
    vec![
        waiting(LockKind::Rlock, &[Some(2), Some(1)]),
        waiting(LockKind::Rlock, &[Some(0), None]),
        files,
    ]
}

fn circles(process: &Process) -> Vec<Vec<u32>> {
    let deadlocks = process.deadlocks().into_iter();
    deadlocks
        .map(|circle| circle.iter().map(|one| one.tid.0).collect())
        .collect()
}

fn text(process: Process) -> String {
    let profile = profile(vec![process]);
    let classification = classify(&profile);
    let findings = diagnose(&profile, &classification, &Settings::default());
    let options = TextOptions {
        width: 160,
        ..TextOptions::default()
    };
    let mut out = Vec::new();
    write_text(&profile, &classification, &findings, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn circles_are_deadlocks_and_ways_into_them_are_not() {
    let of = |owners: &[u32]| {
        let owners: Vec<Option<u32>> = owners.iter().copied().map(Some).collect();
        circles(&waiting(LockKind::Rlock, &owners))
    };
    assert_eq!(of(&[2, 1]), [[1, 2]]);
    assert_eq!(of(&[2, 3, 1, 1]), [[1, 2, 3]]);
    assert_eq!(of(&[2, 3, 2, 5, 4]), [[2, 3], [4, 5]]);
    // The owner does not wait, or has ended.
    assert_eq!(of(&[2, 9]), Vec::<Vec<u32>>::new());
    assert_eq!(of(&[2, 0]), Vec::<Vec<u32>>::new());
    let mut timed = waiting(LockKind::Rlock, &[Some(2), Some(1)]);
    timed.threads[1].lock_waits[0].has_timeout = true;
    assert!(circles(&timed).is_empty());
    let mut ended = waiting(LockKind::Rlock, &[Some(2), Some(1)]);
    ended.threads[0].lock_waits[0].is_open = false;
    assert!(circles(&ended).is_empty());
}

#[test]
fn a_deadlock_is_said_with_its_threads_and_places() {
    let process = waiting(LockKind::Rlock, &[Some(2), Some(1)]);
    let profile = profile(vec![process.clone()]);
    let classification = classify(&profile);
    assert_eq!(classification.processes[0].verdict.class, Class::LockBound);
    let findings = diagnose(&profile, &classification, &Settings::default());
    let finding = &findings.processes[0].findings[0];
    assert_eq!(finding.rule, "lock.deadlock");
    assert_eq!(
        finding.cause,
        "thread 1 (t1) waits in f1 (a.py:11) for an RLock that thread 2 (t2) owns; \
         thread 2 (t2) waits in f2 (a.py:21) for an RLock that thread 1 (t1) owns: none of them ever goes on."
    );
    let said = text(process);
    for part in [
        "deadlock: thread 1 (t1) and thread 2 (t2) wait for each other's RLock",
        "thread 1 (t1) waits for an RLock that thread 2 (t2) owns, 10.0 s: f1 a.py:11",
        "thread 2 (t2) waits for an RLock that thread 1 (t1) owns, 10.0 s: f2 a.py:21",
        "-> restart it, and have every thread take these locks in the same order",
    ] {
        assert!(said.contains(part), "{part} is missing from\n{said}");
    }
}

#[test]
fn the_owner_of_a_lock_is_said_with_its_place() {
    let mut process = waiting(LockKind::Rlock, &[Some(2), Some(0)]);
    // The second is asleep with it.
    process.threads[1].lock_waits.clear();
    let said = text(process);
    let part = "thread 1 (t1) waits for an RLock that thread 2 (t2) owns, 10.0 s: f1 a.py:11; its owner is in f2 a.py:21";
    assert!(said.contains(part), "{said}");
    assert!(
        said.contains("what keeps thread 2 (t2) in f2 from releasing it"),
        "{said}"
    );
    let said = text(waiting(LockKind::Rlock, &[Some(0)]));
    assert!(said.contains("an RLock whose owner has ended"), "{said}");
    assert!(!said.contains("deadlock"), "{said}");
}

#[test]
fn a_lock_that_keeps_no_owner_is_called_so() {
    for (kind, said) in [
        (
            LockKind::Lock,
            "waiting for a threading.Lock, which keeps no owner",
        ),
        (
            LockKind::Multiprocessing,
            "waiting for a multiprocessing lock, which tells no other process its owner",
        ),
        (LockKind::Rlock, "waiting for an RLock"),
    ] {
        let process = waiting(kind, &[None]);
        let wait = &process.waits()[0];
        assert_eq!(lock_in_words(&process, wait).as_deref(), Some(said));
        // An unending wait for a lock that nobody is known to own fights for nothing.
        let profile = profile(vec![process]);
        let class = classify(&profile).processes[0].verdict.class;
        assert_eq!(class, Class::Idle, "{kind:?}");
    }
    let owned = waiting(LockKind::Rlock, &[Some(4)]);
    let wait = &owned.waits()[0];
    assert_eq!(
        lock_in_words(&owned, wait).as_deref(),
        Some("waiting for an RLock that thread 4 owns")
    );
}

/// Two threads of which each waits for `ns` of ten seconds and computes for `on_cpu_ns`.
fn contended(reason: Reason, ns: u64, on_cpu_ns: u64) -> Process {
    let mut builder = ProcessBuilder::new(7, "3.12.1", &["python", "a.py"]);
    let frame = builder.frame("work", "/srv/a.py", 1, 2);
    let stack = builder.stack(&[frame]);
    for n in 1..3 {
        let mut thread = ThreadBuilder::new(n, "worker", s(10));
        thread.on_cpu(on_cpu_ns);
        thread.user(stack, 99 * on_cpu_ns / s(1));
        thread.blocked(stack, blocked(reason, "futex"), 1_000, ns, ms(10));
        if reason == Reason::Gil {
            thread.gil(ns);
        }
        builder = builder.thread(thread);
    }
    builder.build()
}

fn step(process: Process) -> String {
    let profile = profile(vec![process]);
    let classification = classify(&profile);
    let verdict = &classification.processes[0].verdict;
    assert_eq!(verdict.class, Class::LockBound, "{verdict:?}");
    let findings = diagnose(&profile, &classification, &Settings::default());
    findings.processes[0].next_step.clone()
}

#[test]
fn only_locks_of_python_are_said_to_have_a_with_block() {
    let lock = step(contended(Reason::Lock, s(6), s(1)));
    assert!(lock.starts_with("hold the lock for less"), "{lock}");
    let native = step(contended(Reason::Futex, s(6), s(1)));
    assert!(native.contains("native threads"), "{native}");
    let gil = step(contended(Reason::Gil, s(6), s(3)));
    assert!(gil.contains("ProcessPoolExecutor"), "{gil}");
    // Hardly worth a word.
    let little = step(contended(Reason::Gil, ms(200), ms(150)));
    assert!(little.starts_with("little to gain"), "{little}");
    assert!(little.contains("ProcessPoolExecutor"), "{little}");
    for other in [native, gil, little] {
        assert!(!other.contains("`with`"), "{other}");
    }
}

#[test]
fn a_lock_s_waker_is_named_beside_it_and_a_hand_over_is_none() {
    let mut fought_for = contended(Reason::Lock, s(6), s(1));
    let [first, ..] = fought_for.threads.as_mut_slice() else {
        panic!("it has threads");
    };
    first.lock_waits = waiting(LockKind::Lock, &[None]).threads[0]
        .lock_waits
        .clone();
    first.wakes = vec![Wake {
        stack: StackId(1),
        reason: Reason::Lock,
        waker: Tid(2),
        waker_stack: StackId(1),
        evidence: WakeEvidence::Release,
        samples: 0,
        waited_ns: s(5),
        off_cpu_ns: 0,
    }];
    let said = text(fought_for);
    let part = "waiting for a threading.Lock, which keeps no owner; woken by work";
    assert!(said.contains(part), "{said}");

    let mut handed_over = waiting(LockKind::Lock, &[None]);
    handed_over.functions[0].name = "Condition.wait".to_owned();
    handed_over.functions[0].file = "/usr/lib/python3.12/threading.py".to_owned();
    let wait = &handed_over.waits()[0];
    assert_eq!(wait.locks.len(), 1);
    assert_eq!(lock_in_words(&handed_over, wait), None);
}
