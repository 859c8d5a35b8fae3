//! Verdicts at the edges: what must not be confused.

use crate::fixtures;
use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use crate::fixtures::profile;
use pyobserve::classify::{Class, Detail, ProcessVerdicts, classify};
use pyobserve::diagnose::{Settings, diagnose};
use pyobserve::model::{Process, Reason, UserLoss};

pub fn verdicts(process: Process) -> ProcessVerdicts {
    classify(&profile(vec![process])).processes.remove(0)
}

pub fn class(process: Process) -> Class {
    verdicts(process).verdict.class
}

/// One thread for ten seconds with one frame in the user's code.
pub fn one(set_up: impl FnOnce(&mut ThreadBuilder, pyobserve::model::StackId)) -> Process {
    at("/srv/app/a.py", "work", set_up)
}

pub fn at(
    file: &str,
    function: &str,
    set_up: impl FnOnce(&mut ThreadBuilder, pyobserve::model::StackId),
) -> Process {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let leaf = p.frame(function, file, 1, 5);
    let stack = p.stack(&[leaf]);
    let mut t = ThreadBuilder::new(7, "python", s(10));
    set_up(&mut t, stack);
    p.thread(t).build()
}

#[test]
fn sleeping_once_a_second_is_idle() {
    let process = one(|t, stack| {
        t.on_cpu(ms(2));
        t.blocked(
            stack,
            blocked(Reason::Sleep, "clock_nanosleep"),
            10,
            s(9) + ms(990),
            s(1),
        );
    });
    let verdicts = verdicts(process.clone());
    assert_eq!(verdicts.verdict.class, Class::Idle);
    assert!(
        diagnose(
            &profile(vec![process.clone()]),
            &classify(&profile(vec![process])),
            &Settings::default(),
        )
        .processes[0]
            .findings
            .is_empty()
    );
}

#[test]
fn a_connection_at_rest_is_idle_but_less_sure() {
    let resting = one(|t, stack| {
        t.blocked(
            stack,
            blocked(Reason::NetRecv, "recvfrom").peer("10.1.2.3:51234"),
            1,
            s(10),
            s(10),
        );
    });
    let serving = one(|t, stack| {
        t.blocked(
            stack,
            blocked(Reason::NetAccept, "accept4"),
            1,
            s(10),
            s(10),
        );
    });
    let resting = verdicts(resting).verdict;
    assert_eq!(resting.class, Class::Idle);
    assert!(resting.confidence < verdicts(serving).verdict.confidence);
}

#[test]
fn one_long_query_is_io_bound() {
    let process = one(|t, stack| {
        t.blocked(
            stack,
            blocked(Reason::NetRecv, "recvfrom").peer("10.0.0.5:5432"),
            1,
            s(10),
            s(10),
        );
    });
    let verdict = verdicts(process).verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::IoBound, Some(Detail::Network))
    );
}

#[test]
fn a_server_awaiting_the_next_request_is_idle() {
    let process = at(
        "/usr/lib/python3.11/http/server.py",
        "handle_one_request",
        |t, stack| {
            t.on_cpu(ms(20));
            t.blocked(
                stack,
                blocked(Reason::NetRecv, "recvfrom").peer("10.0.0.9:44100"),
                10,
                s(9) + ms(900),
                s(2),
            );
        },
    );
    assert_eq!(class(process), Class::Idle);
}

#[test]
fn a_worker_waiting_for_its_queue_is_idle_and_a_fought_over_lock_is_not() {
    let queue = at("/usr/lib/python3.11/queue.py", "Queue.get", |t, stack| {
        t.on_cpu(ms(20));
        t.blocked(
            stack,
            blocked(Reason::Lock, "futex"),
            40,
            s(9) + ms(900),
            s(1),
        );
    });
    assert_eq!(class(queue), Class::Idle);
    let lock = one(|t, stack| {
        t.on_cpu(s(1));
        t.blocked(
            stack,
            blocked(Reason::Lock, "futex"),
            900,
            s(8) + ms(900),
            ms(60),
        );
    });
    let verdict = verdicts(lock).verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::LockBound, Some(Detail::Mutex))
    );
}

#[test]
fn starvation_says_what_it_would_be_otherwise() {
    let process = one(|t, stack| {
        t.on_cpu(s(1));
        t.runnable(s(2));
        t.user(stack, 99);
        t.blocked(
            stack,
            blocked(Reason::DiskRead, "read"),
            70,
            s(6) + ms(900),
            ms(200),
        );
    });
    let verdict = verdicts(process).verdict;
    assert_eq!(
        (verdict.class, verdict.otherwise),
        (Class::CpuStarved, Some(Class::IoBound))
    );
}

#[test]
fn idle_threads_do_not_vote() {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let work = p.frame("work", "/srv/app/a.py", 1, 5);
    let get = p.frame("Queue.get", "/usr/lib/python3.11/queue.py", 150, 171);
    let mut busy = ThreadBuilder::new(7, "python", s(10));
    busy.on_cpu(s(10));
    busy.user(p.stack(&[work]), 990);
    p = p.thread(busy);
    for i in 0..50 {
        let mut t = ThreadBuilder::new(8 + i, "pool", s(10));
        t.on_cpu(ms(1));
        t.blocked(
            p.stack(&[get]),
            blocked(Reason::Lock, "futex"),
            5,
            s(9) + ms(990),
            s(4),
        );
        p = p.thread(t);
    }
    let verdicts = verdicts(p.build());
    assert_eq!(verdicts.verdict.class, Class::CpuBound);
    assert_eq!(verdicts.voters, 1);
}

#[test]
fn page_cache_reads_are_computing_in_the_kernel() {
    let process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 90);
        t.kernel(stack, "pread64", 890);
    });
    let verdict = verdicts(process).verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::CpuBound, Some(Detail::Kernel))
    );
    assert!(verdict.because.iter().any(|b| b.text.contains("pread64")));
}

#[test]
fn too_little_is_unknown_and_says_how_much_is_missing() {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let work = p.frame("work", "/srv/app/a.py", 1, 5);
    let mut t = ThreadBuilder::new(7, "python", ms(40));
    t.on_cpu(ms(20));
    t.user(p.stack(&[work]), 2);
    let verdict = verdicts(p.thread(t).build()).verdict;
    assert_eq!(verdict.class, Class::Unknown);
    assert!(
        verdict.because[0].text.contains("50 ms are needed"),
        "{:?}",
        verdict.because
    );
}

#[test]
fn a_process_without_threads_is_unknown_not_a_panic() {
    let verdicts = verdicts(ProcessBuilder::new(7, "3.11.7", &[]).build());
    assert_eq!(verdicts.verdict.class, Class::Unknown);
}

#[test]
fn losing_samples_lowers_what_is_said_of_functions() {
    let truth = fixtures::computing(1).process;
    let mut lossy = profile(vec![truth.clone()]);
    lossy.loss.insert(UserLoss::SamplesLost.into(), 960);
    let of = |verdicts: &ProcessVerdicts| {
        verdicts
            .functions
            .values()
            .map(|f| f.confidence)
            .fold(0.0, f64::max)
    };
    let before = of(&verdicts(truth));
    let after = of(&classify(&lossy).processes[0]);
    assert!(after < before, "{after} < {before}");
}

/// A worker that a pool has forked inside of a callback has the frames of the loop below its own.
#[test]
fn a_forked_worker_does_not_hold_the_loop_of_its_parent() {
    let detail = |is_worker: bool| {
        let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
        let mut frame = |name, file: &str| {
            let file = format!("/usr/lib/python3.11/{file}");
            p.frame(name, &file, 1, 20)
        };
        let mut frames = vec![
            frame("Handle._run", "asyncio/events.py"),
            frame("BaseEventLoop._run_once", "asyncio/base_events.py"),
        ];
        if is_worker {
            let begins = frame("BaseProcess._bootstrap", "multiprocessing/process.py");
            frames.insert(0, begins);
        }
        frames.insert(0, p.frame("format_file", "/srv/app/a.py", 1, 5));
        let mut t = ThreadBuilder::new(7, "python", s(10));
        t.on_cpu(s(9) + ms(900));
        t.user(p.stack(&frames), 900);
        let verdict = verdicts(p.thread(t).build()).verdict;
        assert_eq!(verdict.class, Class::CpuBound);
        verdict.detail
    };
    assert_eq!(detail(false), Some(Detail::EventLoopBlocked));
    assert_ne!(detail(true), Some(Detail::EventLoopBlocked));
}
