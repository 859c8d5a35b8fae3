//! Waiting for an answer, for work, or for what another thread has: who waits, and for what.

use crate::classify::verdicts;
use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use pyobserve::classify::{Class, Detail, Verdict};
use pyobserve::model::{Awaits, Gaps, LoopSamples, Process, Reason, StackId, StackTimeKind};

const PACKAGES: &str = "/srv/venv/lib/python3.11/site-packages";
const ASYNCIO: &str = "/usr/lib/python3.11/asyncio";

/// A stack of functions in files, leaf first.
fn stack(p: &mut ProcessBuilder, functions: &[(&str, &str)]) -> StackId {
    let frames: Vec<_> = (10..)
        .zip(functions)
        .map(|(line, (name, file))| p.frame(name, file, 1, line))
        .collect();
    p.stack(&frames)
}

/// A client of a Redis that waits for it nearly all the time, in `call`.
fn client_of_redis(call: &str) -> Verdict {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let file = |name: &str| format!("{PACKAGES}/redis/{name}");
    let at = stack(
        &mut p,
        &[
            (
                "SocketBuffer._read_from_socket",
                &file("_parsers/socket.py"),
            ),
            ("Redis.execute_command", &file("client.py")),
            (call, &file("commands/core.py")),
            ("work", "/srv/app/a.py"),
        ],
    );
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(ms(60));
    t.user(at, 6);
    t.blocked(
        at,
        blocked(Reason::NetRecv, "recvfrom").peer("/run/redis.sock"),
        8,
        s(9) + ms(900),
        s(2),
    );
    t.awaits(Awaits::Answer);
    verdicts(p.thread(t).build()).verdict
}

#[test]
fn a_worker_that_asks_redis_for_work_waits_for_work() {
    assert_eq!(client_of_redis("ListCommands.blpop").class, Class::Idle);
    let asks = client_of_redis("BasicKeyCommands.get");
    assert_eq!(
        (asks.class, asks.detail),
        (Class::IoBound, Some(Detail::Network))
    );
}

/// A thread that waits on a condition, called by `outer`.
fn on_a_condition(outer: &[(&str, &str)]) -> Verdict {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let mut functions = vec![("Condition.wait", "/usr/lib/python3.11/threading.py")];
    functions.extend(outer);
    let at = stack(&mut p, &functions);
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(ms(60));
    t.user(at, 6);
    t.blocked(
        at,
        blocked(Reason::Lock, "futex"),
        90,
        s(9) + ms(900),
        ms(120),
    );
    verdicts(p.thread(t).build()).verdict
}

#[test]
fn who_waits_for_a_connection_of_a_pool_wants_what_others_have() {
    let file = format!("{PACKAGES}/psycopg_pool/pool.py");
    let own = ("handle", "/srv/app/a.py");
    let exhausted = on_a_condition(&[
        ("WaitingClient.wait", &file),
        ("ConnectionPool.getconn", &file),
        own,
    ]);
    assert_eq!(
        (exhausted.class, exhausted.detail),
        (Class::LockBound, Some(Detail::Mutex))
    );
    assert_eq!(exhausted.blame.unwrap().function, "handle");
    // The pool's own workers wait for work, and so does who waits for an item.
    let worker = on_a_condition(&[("ConnectionPool.worker", &file), own]);
    assert_eq!(worker.class, Class::Idle);
    assert_eq!(on_a_condition(&[own]).class, Class::Idle);
}

/// An event loop that waits for answers, and was sampled `count` times in `lookup`.
fn loop_of_asyncio(count: u64) -> Process {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let base = format!("{ASYNCIO}/base_events.py");
    let started = ("<module>", "/srv/app/a.py");
    let waits = stack(
        &mut p,
        &[
            ("EpollSelector.select", "/usr/lib/python3.11/selectors.py"),
            ("BaseEventLoop._run_once", &base),
            started,
        ],
    );
    let turns = stack(&mut p, &[("BaseEventLoop._run_once", &base), started]);
    let resumed = stack(
        &mut p,
        &[
            ("StreamWriter.write", &format!("{ASYNCIO}/streams.py")),
            ("lookup", "/srv/app/names.py"),
            ("Handle._run", &format!("{ASYNCIO}/events.py")),
            ("BaseEventLoop._run_once", &base),
            started,
        ],
    );
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(ms(80));
    t.user(turns, 8);
    t.blocked(
        waits,
        blocked(Reason::NetRecv, "epoll_wait").peer("10.0.0.5:4000"),
        300,
        s(9) + ms(900),
        ms(40),
    );
    t.awaits(Awaits::Answer);
    let mut process = p.thread(t).build();
    let thread = &mut process.threads[0];
    thread.gaps = Some(Gaps {
        count: 300,
        total_ns: ms(90),
        long: 0,
        long_ns: 0,
        long_times: pyobserve::model::GapTimes::default(),
        very_long: 0,
        longest: None,
        open: None,
    });
    thread.loop_samples = vec![
        LoopSamples {
            stack: turns,
            count: 90,
        },
        LoopSamples {
            stack: resumed,
            count,
        },
    ];
    process
}

#[test]
fn the_coroutine_that_answers_resume_is_to_blame_and_not_who_started_the_loop() {
    let verdict = verdicts(loop_of_asyncio(30)).verdict;
    assert_eq!(
        (verdict.class, verdict.detail),
        (Class::IoBound, Some(Detail::Network))
    );
    let blame = verdict.blame.expect("somebody is to blame");
    assert_eq!((blame.function.as_str(), blame.line), ("lookup", Some(11)));
    // Too few to say.
    assert_eq!(verdicts(loop_of_asyncio(2)).verdict.blame, None);
}

#[test]
fn a_call_that_blocks_in_a_coroutine_is_where_it_says() {
    let mut process = loop_of_asyncio(0);
    let thread = &mut process.threads[0];
    let resumed = thread.loop_samples[1].stack;
    let wait = thread.stack_times.last_mut().expect("it waits");
    let mut blocks = wait.clone();
    wait.blocked_ns = s(1);
    blocks.stack = resumed;
    blocks.blocked_ns = s(8) + ms(900);
    if let StackTimeKind::Blocked { syscall, .. } = &mut blocks.kind {
        *syscall = Some("poll".to_owned());
    }
    thread.stack_times.push(blocks);
    let blame = verdicts(process).verdict.blame;
    assert_eq!(blame.expect("somebody is to blame").function, "lookup");
}

#[test]
fn a_template_belongs_to_whoever_renders_it() {
    let mut p = ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]);
    let at = stack(
        &mut p,
        &[
            ("root", "<template>"),
            (
                "Template.render",
                &format!("{PACKAGES}/jinja2/environment.py"),
            ),
            ("newsletter", "/srv/app/a.py"),
        ],
    );
    let mut t = ThreadBuilder::new(7, "python", s(10));
    t.on_cpu(s(10));
    t.user(at, 990);
    let verdict = verdicts(p.thread(t).build()).verdict;
    assert_eq!(verdict.blame.unwrap().function, "newsletter");
}
