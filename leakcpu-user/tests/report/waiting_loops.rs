//! Loops whose bytecode says that they only wait, and calls that find nothing.

use crate::classify::{class, one, verdicts};
use crate::fixtures::build::{blocked, ms, s};
use crate::fixtures::profile;
use pyobserve::classify::{Class, Detail, classify};
use pyobserve::diagnose::{Settings, diagnose};
use pyobserve::model::{FunctionId, Look, LookAt, Process, Reason, SteadyValues, WaitingLoop};

/// A loop with all samples, whose variables were the same at every look.
fn looking(at: LookAt, name: &str) -> WaitingLoop {
    WaitingLoop {
        function: FunctionId(0),
        line: Some(5),
        text: None,
        samples: 980,
        of_samples: 980,
        looks_at: vec![Look {
            at,
            name: name.to_owned(),
        }],
        sleeps: false,
        gives_way: false,
        functions_below: 0,
        values: Some(SteadyValues {
            looks: 10,
            distinct: 1,
        }),
    }
}

fn process(waiting: WaitingLoop) -> Process {
    let mut process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 980);
    });
    process.threads[0].waiting_loop = Some(waiting);
    process
}

fn rule_and_fix(process: Process) -> (&'static str, String) {
    let profile = profile(vec![process]);
    let findings = diagnose(&profile, &classify(&profile), &Settings::default());
    let finding = &findings.processes[0].findings[0];
    (finding.rule, finding.fix.clone())
}

#[test]
fn what_a_loop_looks_at_decides_the_detail_and_the_step() {
    let flag = process(looking(LookAt::State, "self.done.is_set"));
    let clock = process(looking(LookAt::Clock, "time.monotonic"));
    let verdict = verdicts(flag.clone()).verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::BusyWaiting, Some(Detail::FlagSpin))
    );
    assert_eq!(verdict.blame.unwrap().line, Some(5));
    assert!(
        verdict.because[1]
            .text
            .ends_with("but ask self.done.is_set()")
    );
    let mut with_text = flag.clone();
    let waiting = with_text.threads[0].waiting_loop.as_mut();
    waiting.unwrap().text = Some("while not self.done.is_set():".to_owned());
    let because = verdicts(with_text).verdict.because;
    assert!(because[1].text.ends_with(": while not self.done.is_set():"));
    assert_eq!(
        verdicts(clock.clone()).verdict.detail,
        Some(Detail::ClockSpin)
    );
    let (rule, fix) = rule_and_fix(flag);
    assert_eq!(rule, "busy-wait.flag-spin");
    assert!(fix.contains("Event.wait"), "{fix}");
    let (rule, fix) = rule_and_fix(clock);
    assert_eq!(rule, "busy-wait.clock-spin");
    assert!(fix.contains("time.sleep"), "{fix}");
}

#[test]
fn a_loop_that_asks_the_kernel_polls() {
    let mut asking = looking(LookAt::State, "os.path.exists");
    asking.samples = 900;
    asking.of_samples = 900;
    let mut process = one(|t, stack| {
        t.on_cpu(s(9) + ms(900));
        t.user(stack, 600);
        t.kernel(stack, "newfstatat", 300);
    });
    process.threads[0].waiting_loop = Some(asking);
    assert_eq!(
        verdicts(process.clone()).verdict.detail,
        Some(Detail::PollSpin)
    );
    assert_eq!(rule_and_fix(process).0, "busy-wait.zero-timeout-poll");
}

#[test]
fn greenlets_that_give_way_spin_together() {
    let mut turning = looking(LookAt::State, "self.done.is_set");
    turning.sleeps = true;
    turning.gives_way = true;
    turning.values = None;
    let process = process(turning);
    assert_eq!(
        verdicts(process.clone()).verdict.detail,
        Some(Detail::AsyncSpin)
    );
    let (rule, fix) = rule_and_fix(process);
    assert_eq!(rule, "busy-wait.async-spin");
    assert!(fix.contains("gevent"), "{fix}");
}

#[test]
fn too_few_samples_or_a_part_of_them_prove_nothing() {
    let mut few = looking(LookAt::State, "done");
    few.samples = 19;
    few.of_samples = 19;
    assert_eq!(class(process(few)), Class::CpuBound);
    let mut part = looking(LookAt::State, "done");
    part.samples = 780;
    assert_eq!(class(process(part)), Class::CpuBound);
}

#[test]
fn values_that_change_speak_against_it_and_none_make_it_less_sure() {
    let with = |values| {
        let waiting = WaitingLoop {
            values,
            ..looking(LookAt::State, "done")
        };
        verdicts(process(waiting)).verdict
    };
    let steady = with(Some(SteadyValues {
        looks: 10,
        distinct: 1,
    }));
    let changing = with(Some(SteadyValues {
        looks: 10,
        distinct: 5,
    }));
    let unseen = with(None);
    assert_eq!(changing.class, Class::CpuBound);
    assert_eq!(unseen.class, Class::BusyWaiting);
    assert!(unseen.confidence < steady.confidence - 0.1);
}

#[test]
fn a_loop_in_a_thread_that_hardly_runs_is_no_spin() {
    let mut process = one(|t, stack| {
        t.on_cpu(s(2));
        t.user(stack, 200);
        t.blocked(
            stack,
            blocked(Reason::Sleep, "clock_nanosleep"),
            8,
            s(8),
            s(1),
        );
    });
    let mut waiting = looking(LookAt::State, "done");
    waiting.samples = 200;
    waiting.of_samples = 200;
    process.threads[0].waiting_loop = Some(waiting);
    assert_ne!(class(process), Class::BusyWaiting);
}

#[test]
fn reads_at_the_end_are_useless_and_say_what_to_do() {
    let reading = |syscall: &str, at_end| {
        let mut process = one(|t, stack| {
            t.on_cpu(s(9) + ms(900));
            t.user(stack, 500);
            t.kernel(stack, syscall, 480);
            t.tally(syscall, ms(200), 20_000, 0);
        });
        let tally = &mut process.threads[0].tallies[0];
        tally.zero_timeout = 0;
        tally.at_end = at_end;
        process
    };
    assert_eq!(class(reading("read", 2_000)), Class::CpuBound);
    let (rule, fix) = rule_and_fix(reading("read", 19_900));
    assert_eq!(rule, "busy-wait.zero-timeout-poll");
    assert!(fix.contains("inotify"), "{fix}");
    let (_, fix) = rule_and_fix(reading("recvfrom", 19_900));
    assert!(fix.contains("closed"), "{fix}");
}

/// Timers of several tasks: a turn waits for the next one, or finds it due already.
#[test]
fn an_event_loop_that_wakes_up_for_timers_only_makes_micro_sleeps() {
    let waiting = |timed_out, due| {
        let mut process = one(|t, stack| {
            t.on_cpu(ms(400));
            t.user(stack, 40);
            t.blocked(
                stack,
                blocked(Reason::PollWait, "epoll_wait"),
                9_000,
                s(9) + ms(500),
                ms(2),
            );
            t.tally("epoll_wait", ms(200), 300, due);
        });
        process.threads[0].tallies[0].timed_out = timed_out;
        verdicts(process).verdict
    };
    let spinning = waiting(200, 90);
    assert_eq!(
        (spinning.class, spinning.detail),
        (Class::BusyWaiting, Some(Detail::MicroSleep))
    );
    assert_eq!(waiting(100, 90).class, Class::Idle);
}
