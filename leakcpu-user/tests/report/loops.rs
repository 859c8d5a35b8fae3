//! Who holds an event loop whose own frames are not Python's.

use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use pyobserve::model::{EventLoop, GapTimes, Gaps, LoopKind, Process, Reason};

/// The loop of a thread that waits in `outside` and in whose long gaps were samples in the
/// stacks that `gaps` makes of it: frames by name and file, outermost first.
fn event_loop(outside: &[(&str, &str)], gaps: &[&[(&str, &str)]]) -> (Process, EventLoop) {
    let mut p = ProcessBuilder::new(7, "3.10.13", &["python", "a.py"]);
    let mut line = 0;
    let mut frames = |p: &mut ProcessBuilder, of: &[(&str, &str)]| {
        let mut frames = Vec::new();
        for (name, file) in of.iter().rev() {
            line += 10;
            frames.push(p.frame(name, file, line, line + 1));
        }
        frames
    };
    let outside = frames(&mut p, outside);
    let mut t = ThreadBuilder::new(7, "python", s(10));
    let wait = p.stack(&outside);
    t.blocked(
        wait,
        blocked(Reason::PollWait, "epoll_wait"),
        20,
        s(9),
        s(1),
    );
    for inside in gaps {
        let mut stack = frames(&mut p, inside);
        stack.extend(&outside);
        t.user(p.stack(&stack), 10);
    }
    let mut process = p.thread(t).build();
    let thread = &mut process.threads[0];
    for entry in &mut thread.stack_times {
        entry.in_long_gap = entry.kind.is_on_cpu();
    }
    thread.gaps = Some(Gaps {
        count: 20,
        total_ns: s(1),
        long: 10,
        long_ns: s(1) - ms(10),
        long_times: GapTimes::default(),
        very_long: 0,
        longest: None,
        open: None,
    });
    let of = process.event_loop(&process.threads[0]).expect("a loop");
    (process, of)
}

const UVLOOP: &str = "/venv/lib/python3.10/site-packages/uvloop/__init__.py";

/// Name of each holder's task and function.
fn holders(process: &Process, of: &EventLoop) -> Vec<(Option<String>, Option<String>)> {
    let name = |id| process.function(id).map(|function| function.name.clone());
    let mut names: Vec<_> = of
        .holders
        .iter()
        .map(|holder| {
            let function = holder.frame.and_then(|frame| frame.function);
            (holder.task.and_then(name), function.and_then(name))
        })
        .collect();
    names.sort();
    names
}

#[test]
fn uvloop_calls_from_where_it_waits() {
    let (process, of) = event_loop(
        &[("<module>", "/srv/a.py"), ("run", UVLOOP)],
        &[
            &[
                ("wrapper", UVLOOP),
                ("main", "/srv/a.py"),
                ("sums", "/srv/a.py"),
            ],
            &[],
        ],
    );
    assert_eq!(of.kind, LoopKind::Asyncio);
    let named = |name: &str| Some(name.to_owned());
    // Its own turning has no name, least of all that of who started it.
    assert_eq!(
        holders(&process, &of),
        [(None, None), (named("main"), named("sums"))]
    );
    assert_eq!(of.turning_samples, 10);
}

#[test]
fn a_loop_in_python_is_not_taken_for_one_in_c() {
    let (process, of) = event_loop(&[("serve", "/srv/a.py")], &[&[("handle", "/srv/a.py")]]);
    assert_eq!(of.kind, LoopKind::Other);
    let holders = holders(&process, &of);
    assert_eq!(holders, [(None, Some("handle".to_owned()))]);
    assert_eq!(of.turning_samples, 0);
}
