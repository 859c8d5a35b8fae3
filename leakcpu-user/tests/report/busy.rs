//! Busy-waiting is proved or not said.

use crate::classify::{at, class, one, verdicts};
use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use crate::fixtures::profile;
use pyobserve::classify::{Class, Detail, classify};
use pyobserve::diagnose::{Settings, Severity, diagnose};
use pyobserve::model::{
    Code, Leaf, LoopSamples, Naming, NativeFrame, NativeFunction, NativeId, Process, Reason,
};

/// An event loop whose every turn polls without waiting: `in_tasks` of 980 samples
/// in a task, the rest in the loop itself.
fn event_loop(in_tasks: u64) -> Process {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let once = p.frame(
        "BaseEventLoop._run_once",
        "/usr/lib/python3.11/asyncio/base_events.py",
        1800,
        1880,
    );
    let select = p.frame(
        "EpollSelector.select",
        "/usr/lib/python3.11/selectors.py",
        450,
        468,
    );
    let task = p.frame("wait_until_ready", "/srv/app/a.py", 1, 5);
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(s(9) + ms(900));
    t.user(p.stack(&[task, once]), in_tasks);
    t.user(p.stack(&[once]), 900 - in_tasks);
    t.kernel(p.stack(&[select, once]), "epoll_wait", 80);
    t.tally("epoll_wait", ms(200), 20_000, 19_990);
    p.thread(t).build()
}

#[test]
fn a_poller_that_gets_answers_is_not_busy_waiting() {
    let process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 900);
        t.tally("poll", ms(200), 19_700, 9_000);
    });
    assert_eq!(class(process), Class::CpuBound);
}

#[test]
fn work_between_empty_polls_is_not_busy_waiting() {
    // 600 empty polls a second, 1.6 ms of computing between two of them.
    let process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 970);
        t.tally("poll", s(1), 600, 600);
    });
    assert_eq!(class(process), Class::CpuBound);
}

#[test]
fn an_event_loop_that_only_turns_spins_and_one_with_work_does_not() {
    let spinning = verdicts(event_loop(120)).verdict;
    assert_eq!(
        (spinning.class, spinning.detail),
        (Class::BusyWaiting, Some(Detail::AsyncSpin))
    );
    assert_eq!(spinning.blame.unwrap().function, "wait_until_ready");
    assert_eq!(class(event_loop(700)), Class::CpuBound);
}

/// `selectors` is the program's tool here, no event loop's.
#[test]
fn a_loop_of_the_programs_own_over_a_selector_polls() {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let run = p.frame("Dispatcher.run", "/srv/app/a.py", 1, 5);
    let select = p.frame(
        "EpollSelector.select",
        "/usr/lib/python3.11/selectors.py",
        450,
        468,
    );
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(s(9) + ms(900));
    t.user(p.stack(&[run]), 100);
    t.user(p.stack(&[select, run]), 700);
    t.kernel(p.stack(&[select, run]), "epoll_wait", 180);
    t.tally("epoll_wait", ms(200), 20_000, 19_990);
    let verdict = verdicts(p.thread(t).build()).verdict;
    assert_eq!(verdict.detail, Some(Detail::PollSpin));
    assert_eq!(verdict.blame.unwrap().function, "Dispatcher.run");
}

#[test]
fn computing_with_a_rare_look_at_a_socket_is_not_busy_waiting() {
    // 20,000 empty polls a second, but the samples are elsewhere.
    let process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 960);
        t.kernel(stack, "poll", 20);
        t.tally("poll", ms(100), 2_000, 2_000);
    });
    assert_eq!(class(process), Class::CpuBound);
}

/// A client library goes through many functions for each call, which takes a fifth of the time
/// where it is made, and little in the kernel.
#[test]
fn a_poll_that_its_library_takes_longer_for_than_the_kernel_is_one() {
    let client = |at_call, in_ioctl| {
        let mut p = ProcessBuilder::new(7, "3.9.18", &["python", "a.py"]);
        let listen = p.frame("listen", "/srv/app/a.py", 1, 5);
        let library = "/usr/lib/python3/dist-packages/client.py";
        let parse = p.frame("parse", library, 10, 12);
        let read = p.frame("read", library, 50, 65);
        let set_timeout = p.frame("read", library, 50, 62);
        let mut t = ThreadBuilder::new(7, "python", s(10));
        t.on_cpu(s(9) + ms(900));
        t.user(p.stack(&[parse, listen]), 950 - at_call - in_ioctl);
        t.user(p.stack(&[read, parse, listen]), at_call);
        t.kernel(p.stack(&[read, parse, listen]), "recvfrom", 50);
        t.kernel(p.stack(&[set_timeout, parse, listen]), "ioctl", in_ioctl);
        t.tally("recvfrom", ms(200), 30_000, 30_000);
        verdicts(p.thread(t).build()).verdict.class
    };
    assert_eq!(client(200, 0), Class::BusyWaiting);
    assert_eq!(client(100, 0), Class::CpuBound);
    assert_eq!(client(80, 80), Class::BusyWaiting);
}

#[test]
fn waits_that_time_out_a_thousand_times_a_second_are_busy_waiting() {
    let waiting = |timed_out| {
        let mut process = at(
            "/usr/lib/python3.11/threading.py",
            "Event.wait",
            |t, stack| {
                t.on_cpu(ms(300));
                t.user(stack, 30);
                t.blocked(
                    stack,
                    blocked(Reason::Lock, "futex"),
                    9_000,
                    s(9) + ms(600),
                    ms(2),
                );
                t.tally("futex", ms(200), 200, 0);
            },
        );
        process.threads[0].tallies[0].timed_out = timed_out;
        verdicts(process).verdict
    };
    let spinning = waiting(198);
    assert_eq!(
        (spinning.class, spinning.detail),
        (Class::BusyWaiting, Some(Detail::MicroSleep))
    );
    assert_eq!(waiting(20).class, Class::Idle);
}

/// It wakes up for timers of tasks, in which a clock of its own met it.
#[test]
fn a_task_that_sleeps_for_moments_answers_for_its_event_loop() {
    let sleeping = |met| {
        let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
        let start = p.frame("<module>", "/srv/app/a.py", 1, 20);
        let once = p.frame(
            "BaseEventLoop._run_once",
            "/usr/lib/python3.11/asyncio/base_events.py",
            1800,
            1880,
        );
        let task = p.frame("result_of", "/srv/app/a.py", 8, 11);
        let mut t = ThreadBuilder::new(7, "python", s(10));
        t.on_cpu(ms(400));
        t.user(p.stack(&[once, start]), 40);
        t.blocked(
            p.stack(&[once, start]),
            blocked(Reason::PollWait, "epoll_wait"),
            9_000,
            s(9) + ms(500),
            ms(2),
        );
        t.tally("epoll_wait", ms(200), 200, 0);
        let in_task = p.stack(&[task, once, start]);
        let mut process = p.thread(t).build();
        let thread = &mut process.threads[0];
        thread.tallies[0].timed_out = 198;
        thread.loop_samples = vec![LoopSamples {
            stack: in_task,
            count: met,
        }];
        process
    };
    let of = |met| {
        let process = sleeping(met);
        let profile = profile(vec![process.clone()]);
        let diagnosis = classify(&profile);
        let found = diagnose(&profile, &diagnosis, &Settings::default());
        let place = &found.processes[0].findings[0].place;
        let place = place.as_ref().map(|place| place.function.clone());
        let verdict = verdicts(process).verdict;
        assert_eq!(verdict.detail, Some(Detail::MicroSleep));
        (verdict.blame.map(|blame| blame.function), place)
    };
    let task = Some("result_of".to_owned());
    assert_eq!(of(30), (task.clone(), task));
    // Too few to say.
    let start = Some("<module>".to_owned());
    assert_eq!(of(2), (start.clone(), start));
}

#[test]
fn a_spinner_under_contention_is_busy_waiting_first() {
    let process = one(|t, stack| {
        t.on_cpu(s(3));
        t.runnable(s(7));
        t.user(stack, 90);
        t.kernel(stack, "sched_yield", 200);
        t.tally("sched_yield", ms(100), 9_000, 0);
    });
    let verdict = verdicts(process).verdict;
    assert_eq!(verdict.class, Class::BusyWaiting);
    assert_eq!(verdict.detail, Some(Detail::PollSpin));
    assert!(verdict.shares[&Class::CpuStarved] > 0.6);
}

#[test]
fn a_paced_worker_is_not_busy_waiting() {
    // 2,000 sleeps a second with 0.4 ms of work after each.
    let process = one(|t, stack| {
        t.on_cpu(s(8));
        t.user(stack, 790);
        t.blocked(
            stack,
            blocked(Reason::Sleep, "clock_nanosleep"),
            20_000,
            s(2),
            ms(1),
        );
    });
    assert_eq!(class(process), Class::CpuBound);
}

#[test]
fn slow_polling_is_idle_with_an_advice() {
    let process = one(|t, stack| {
        t.on_cpu(ms(60));
        t.user(stack, 6);
        t.blocked(
            stack,
            blocked(Reason::Sleep, "clock_nanosleep"),
            2_000,
            s(9) + ms(900),
            ms(6),
        );
    });
    let profile = profile(vec![process]);
    let classification = classify(&profile);
    assert_eq!(classification.processes[0].verdict.class, Class::Idle);
    let findings = diagnose(&profile, &classification, &Settings::default());
    let finding = &findings.processes[0].findings[0];
    assert_eq!(finding.rule, "busy-wait.micro-sleep");
    assert_eq!(finding.severity, Severity::Low);
}

/// A thread in a library's code, `paused` of 900 samples at a `pause`.
fn in_library(paused: u64) -> Process {
    let mut process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 900);
    });
    process.natives.push(NativeFunction {
        symbol: Some("do_spin".to_owned()),
        naming: Naming::Exact,
        module: Some("libgomp.so.1".to_owned()),
        code: Code::Library,
    });
    let leaf = |count, at_pause| Leaf {
        frame: NativeFrame {
            function: NativeId(0),
            offset: 16,
        },
        count,
        page_fault: false,
        at_pause,
        stack: None,
    };
    process.threads[0].stack_times[0].leaves = vec![leaf(paused, true), leaf(900 - paused, false)];
    process
}

#[test]
fn native_code_that_pauses_is_busy_waiting_and_other_is_not() {
    let profile = profile(vec![in_library(850)]);
    let classification = classify(&profile);
    let verdict = &classification.processes[0].verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::BusyWaiting, Some(Detail::NativeSpin))
    );
    let why = &verdict.because[1].text;
    assert!(
        why.starts_with("94 % of that in do_spin, libgomp.so.1 at a pause"),
        "{why}"
    );
    let finding =
        &diagnose(&profile, &classification, &Settings::default()).processes[0].findings[0];
    assert_eq!(finding.rule, "busy-wait.native-spin");
    assert!(finding.fix.contains("OMP_WAIT_POLICY"), "{}", finding.fix);
    assert_eq!(class(in_library(500)), Class::CpuBound);
}
