//! The roll-up: whatever the stacks, not a nanosecond is lost or made.

use crate::fixtures;
use proptest::prelude::*;
use pyobserve::model::{
    Frame, FunctionId, Process, Reason, Rollup, Stack, StackId, StackTime, StackTimeKind, Thread,
    ThreadTimes, Tid,
};

fn kind() -> impl Strategy<Value = StackTimeKind> {
    let blocked = |reason| StackTimeKind::Blocked {
        reason,
        syscall: None,
        peer: None,
        file: None,
        child: None,
    };
    prop_oneof![
        Just(StackTimeKind::OnCpuUser),
        Just(StackTimeKind::OnCpuKernel { syscall: None }),
        Just(blocked(Reason::NetRecv)),
        Just(blocked(Reason::Gil)),
        Just(StackTimeKind::Preempted),
    ]
}

fn stack_time() -> impl Strategy<Value = StackTime> {
    (
        0_u32..6,
        kind(),
        0_u64..1000,
        0_u64..1 << 34,
        0_u64..1 << 30,
    )
        .prop_map(|(stack, kind, count, blocked_ns, runnable_ns)| {
            let blocked_ns = if kind.reason().is_some() {
                blocked_ns
            } else {
                0
            };
            let runnable_ns = if kind.is_on_cpu() { 0 } else { runnable_ns };
            StackTime {
                stack: StackId(stack),
                kind,
                count,
                blocked_ns,
                runnable_ns,
                max_blocked_ns: blocked_ns,
                stack_estimated_ns: 0,
                reason_estimated_ns: 0,
                in_long_gap: false,
                awaits: None,
                leaves: Vec::new(),
            }
        })
}

/// Exact times that may be more or (at a window's edge) less than the entries' sums.
fn thread() -> impl Strategy<Value = Thread> {
    (
        prop::collection::vec(stack_time(), 0..12),
        (
            0_u64..1 << 36,
            0_u64..1 << 36,
            0_u64..1 << 32,
            0_u64..1 << 34,
        ),
    )
        .prop_map(
            |(stack_times, (on_cpu_ns, blocked_ns, runnable_ns, gil_wait_ns))| {
                let times = ThreadTimes {
                    wall_ns: on_cpu_ns + blocked_ns + runnable_ns,
                    on_cpu_ns,
                    runnable_ns,
                    blocked_ns,
                    gil_wait_ns,
                    ..ThreadTimes::default()
                };
                Thread {
                    voluntary_switches: 3,
                    stack_times,
                    ..Thread::new(Tid(1), times)
                }
            },
        )
}

/// Six stacks: empty, one frame, two, recursion, an unnamed leaf, an unnamed caller.
fn process(threads: Vec<Thread>) -> Process {
    let mut process = fixtures::computing(1).process;
    let frame = |id: Option<u32>| Frame {
        function: id.map(FunctionId),
        line: Some(7),
        called_from_c: false,
    };
    process.stacks = [
        vec![],
        vec![frame(Some(0))],
        vec![frame(Some(1)), frame(Some(0))],
        vec![
            frame(Some(2)),
            frame(Some(1)),
            frame(Some(2)),
            frame(Some(2)),
        ],
        vec![frame(None), frame(Some(0))],
        vec![frame(Some(1)), frame(None)],
    ]
    .map(|frames| Stack {
        frames,
        truncated: false,
        has_root: false,
        partial: false,
    })
    .into();
    process.threads = threads;
    process
}

proptest! {
    #[test]
    fn selves_and_unattributed_sum_to_the_exact_times(threads in prop::collection::vec(thread(), 0..5)) {
        let process = process(threads);
        let times = process.times();
        let rollup = Rollup::of(&process);
        let sum = |of: fn(&pyobserve::model::FunctionTimes) -> u64| -> u64 {
            rollup.functions.iter().map(of).sum()
        };
        prop_assert_eq!(sum(|f| f.self_on_cpu_ns) + rollup.unattributed_on_cpu_ns, times.on_cpu_ns);
        prop_assert_eq!(sum(|f| f.self_blocked_ns) + rollup.unattributed_blocked_ns, times.blocked_ns);
        prop_assert_eq!(sum(|f| f.runnable_ns) + rollup.unattributed_runnable_ns, times.runnable_ns);
        prop_assert_eq!(
            rollup.unattributed_by_thread_ns.iter().sum::<u64>(),
            rollup.unattributed_on_cpu_ns + rollup.unattributed_blocked_ns + rollup.unattributed_runnable_ns
        );
        for f in &rollup.functions {
            prop_assert!(f.total_on_cpu_ns >= f.self_on_cpu_ns);
            prop_assert!(f.total_on_cpu_ns <= times.on_cpu_ns, "recursion counts once");
            prop_assert!(f.total_blocked_ns <= times.blocked_ns);
            prop_assert_eq!(f.blocked_by_reason.values().sum::<u64>(), f.self_blocked_ns);
            prop_assert_eq!(f.lines.iter().map(|l| l.on_cpu_ns).sum::<u64>(), f.self_on_cpu_ns);
        }
        if let Some(split) = process.cpu_split() {
            prop_assert_eq!(split.user_ns + split.kernel_ns, times.on_cpu_ns);
        }
        prop_assert!(process.blocked_by_reason().values().sum::<u64>() <= times.blocked_ns);
    }
}

#[test]
fn recursion_counts_once_and_lines_are_the_leafs() {
    let mut p = fixtures::build::ProcessBuilder::new(1, "3.11.7", &["python", "fib.py"]);
    let fib = p.frame("fib", "/srv/fib.py", 1, 3);
    let main = p.frame("<module>", "/srv/fib.py", 1, 9);
    let deep = p.stack(&[fib, fib, fib, main]);
    let mut t = fixtures::build::ThreadBuilder::new(1, "python", 1_000);
    t.on_cpu(1_000);
    t.user(deep, 10);
    let rollup = Rollup::of(&p.thread(t).build());
    let fib = &rollup.functions[0];
    assert_eq!((fib.self_on_cpu_ns, fib.total_on_cpu_ns), (1_000, 1_000));
    assert_eq!(fib.hot_line, Some(3));
    let main = &rollup.functions[1];
    assert_eq!((main.self_on_cpu_ns, main.total_on_cpu_ns), (0, 1_000));
}

#[test]
fn a_library_row_names_its_caller_in_the_users_code() {
    let process = fixtures::database(4690).process;
    let rollup = Rollup::of(&process);
    let wait = rollup
        .functions
        .iter()
        .find(|f| process.function(f.function).unwrap().name == "wait")
        .unwrap();
    let caller = wait.own_caller.unwrap();
    assert_eq!(
        process.function(caller.function.unwrap()).unwrap().name,
        "fetch_orders"
    );
    assert_eq!(caller.line, Some(87));
}
