//! Who is answerable for waits for the GIL and for locks.

use std::collections::BTreeMap;

use pyobserve::model::{Process, Reason, Rollup, StackId, Tid, Wake, WakeEvidence};

use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};

/// Thread 2 held the GIL while thread 1 waited for it in `waiter`. Stack n is in function
/// `fn`, at line n.
fn process(reason: Reason, wakes: &[(u32, WakeEvidence, u64, u64)]) -> Process {
    let mut builder = ProcessBuilder::new(7, "3.12.1", &["python", "a.py"]);
    let frame = builder.frame("waiter", "/srv/a.py", 1, 1);
    let waiting = builder.stack(&[frame]);
    for n in 2..6 {
        let frame = builder.frame(&format!("f{n}"), "/srv/a.py", 10 * n, n);
        assert_eq!(builder.stack(&[frame]), StackId(n));
    }
    let mut waiter = ThreadBuilder::new(1, "waiter", s(10));
    waiter.blocked(waiting, blocked(reason, "futex"), 10, s(1), ms(100));
    let mut process = builder
        .thread(waiter)
        .thread(ThreadBuilder::new(2, "holder", s(10)))
        .build();
    let wake = |&(at, evidence, samples, waited_ns): &(u32, WakeEvidence, u64, u64)| Wake {
        stack: waiting,
        reason,
        waker: Tid(2),
        waker_stack: StackId(at),
        evidence,
        samples,
        waited_ns,
        off_cpu_ns: waited_ns / 10,
    };
    process.threads[0].wakes = wakes.iter().map(wake).collect();
    process
}

fn by_function(process: &Process) -> BTreeMap<String, (u64, u64)> {
    let mut sums = BTreeMap::new();
    for caused in process.caused_waits() {
        let function = process.function(caused.frame.unwrap().function.unwrap());
        let sum: &mut (u64, u64) = sums.entry(function.unwrap().name.clone()).or_default();
        sum.0 += caused.waited_ns;
        sum.1 += caused.off_cpu_ns;
    }
    sums
}

fn expected(sums: &[(&str, u64, u64)]) -> BTreeMap<String, (u64, u64)> {
    let sum = |&(name, waited, off): &(&str, u64, u64)| (name.to_owned(), (waited, off));
    sums.iter().map(sum).collect()
}

#[test]
fn the_holder_s_samples_tell_what_it_did() {
    use WakeEvidence::{OffCpu, Release, Sample};
    let process = process(
        Reason::Gil,
        &[
            (2, Sample, 8, 80),
            (3, Sample, 2, 20),
            // Where it released the GIL, which says nothing of what it did before.
            (4, Release, 0, 900),
            (3, OffCpu, 0, 50),
        ],
    );
    assert_eq!(
        by_function(&process),
        expected(&[("f2", 800, 80), ("f3", 250, 25)])
    );
    let rollup = Rollup::of(&process);
    let caused: u64 = rollup.functions.iter().map(|f| f.gil_wait_caused_ns).sum();
    assert_eq!(caused, 1050);
    let wait = &process.waits()[0];
    assert_eq!(wait.wakers.len(), 2);
    let top = wait.wakers[0];
    assert_eq!((top.tid, top.waited_ns), (Tid(2), 800));
    assert_eq!(top.frame.unwrap().line, Some(2));
}

#[test]
fn without_samples_the_release_tells() {
    use WakeEvidence::{Release, Sample};
    let process = process(Reason::Gil, &[(2, Sample, 1, 10), (4, Release, 0, 90)]);
    assert_eq!(
        by_function(&process),
        expected(&[("f2", 10, 1), ("f4", 90, 9)])
    );
}

#[test]
fn a_lock_s_waker_is_where_it_was() {
    let wakes = [
        (2, WakeEvidence::Release, 0, 70),
        (4, WakeEvidence::Release, 0, 30),
    ];
    let process = process(Reason::Lock, &wakes);
    let rollup = Rollup::of(&process);
    let caused = |name: &str| {
        let row = rollup
            .functions
            .iter()
            .find(|row| process.function(row.function).unwrap().name == name);
        row.map(|row| (row.gil_wait_caused_ns, row.lock_wait_caused_ns))
    };
    assert_eq!(caused("f2"), Some((0, 70)));
    assert_eq!(caused("f4"), Some((0, 30)));
    assert_eq!(caused("waiter"), Some((0, 0)));
}
