//! What the time is for: an event loop that is held, the collector, imports; and what only
//! looks like that.

use crate::classify::verdicts;
use crate::fixtures::build::{ProcessBuilder, ThreadBuilder, blocked, ms, s};
use pyobserve::classify::{Class, Detail, Verdict};
use pyobserve::model::{
    Awaits, Code, GapTimes, Gaps, Leaf, Naming, NativeFrame, NativeFunction, NativeId, Process,
    Reason, StackId,
};

const ASYNCIO: &str = "/usr/lib/python3.11/asyncio";
const BOOTSTRAP: &str = "<frozen importlib._bootstrap>";

/// Ten seconds of one thread.
struct One {
    process: ProcessBuilder,
    thread: ThreadBuilder,
    lines: u32,
}

impl One {
    fn new() -> Self {
        Self {
            process: ProcessBuilder::new(7, "3.11.7", &["python", "a.py"]),
            thread: ThreadBuilder::new(7, "python", s(10)),
            lines: 0,
        }
    }

    /// A stack of these functions, outermost first.
    fn stack(&mut self, of: &[(&str, &str)]) -> StackId {
        let mut frames = Vec::new();
        for (name, file) in of.iter().rev() {
            self.lines += 10;
            frames.push(self.process.frame(name, file, 1, self.lines));
        }
        self.process.stack(&frames)
    }

    /// Below a callback of asyncio's loop.
    fn in_callback(&mut self, of: &[(&str, &str)]) -> StackId {
        let events = format!("{ASYNCIO}/events.py");
        let base = format!("{ASYNCIO}/base_events.py");
        let mut whole = vec![
            ("BaseEventLoop._run_once", base.as_str()),
            ("Handle._run", events.as_str()),
        ];
        whole.extend(of);
        self.stack(&whole)
    }

    /// In that loop itself.
    fn in_loop(&mut self) -> StackId {
        let base = format!("{ASYNCIO}/base_events.py");
        self.stack(&[
            ("BaseEventLoop._run_once", &base),
            ("EpollSelector.select", "/usr/lib/python3.11/selectors.py"),
        ])
    }

    fn build(self) -> Process {
        self.process.thread(self.thread).build()
    }
}

fn verdict(process: Process) -> Verdict {
    verdicts(process).verdict
}

fn named(verdict: &Verdict) -> (Class, Option<Detail>) {
    (verdict.class, verdict.detail)
}

fn says(verdict: &Verdict, words: &str) {
    let because: Vec<_> = verdict.because.iter().map(|b| &b.text).collect();
    assert!(
        verdict.because.iter().any(|b| b.text.contains(words)),
        "no {words:?} in {because:?}"
    );
}

/// A coroutine that fetches without giving way, so often, for so long each.
fn fetching(count: u64, each_ns: u64) -> Verdict {
    let mut one = One::new();
    let stack = one.in_callback(&[("handle", "/srv/a.py"), ("fetch", "/srv/a.py")]);
    one.thread.on_cpu(ms(200));
    one.thread.user(stack, 20);
    one.thread.blocked(
        stack,
        blocked(Reason::NetRecv, "poll").peer("10.0.0.5:80"),
        count,
        count * each_ns,
        each_ns + ms(1),
    );
    verdict(one.build())
}

#[test]
fn a_wait_in_a_callback_holds_the_loop() {
    let held = fetching(75, ms(120));
    assert_eq!(
        named(&held),
        (Class::IoBound, Some(Detail::EventLoopBlocked))
    );
    says(
        &held,
        "its event loop stands still meanwhile, for up to 121 ms",
    );
    assert_eq!(held.blame.expect("a place").function, "fetch");
}

#[test]
fn short_waits_in_callbacks_hold_no_loop_for_long() {
    let busy = fetching(4_500, ms(2));
    assert_eq!(named(&busy), (Class::IoBound, Some(Detail::Network)));
}

#[test]
fn a_loop_that_waits_for_an_answer_is_not_held() {
    let mut one = One::new();
    let stack = one.in_loop();
    one.thread.on_cpu(ms(200));
    one.thread.user(stack, 20);
    let wait = blocked(Reason::NetRecv, "epoll_wait").peer("10.0.0.5:80");
    one.thread.blocked(stack, wait, 75, s(9), ms(121));
    let mut process = one.build();
    process.threads[0].stack_times[1].awaits = Some(Awaits::Answer);
    let verdict = verdict(process);
    assert_eq!(named(&verdict), (Class::IoBound, Some(Detail::Network)));
}

/// A loop that never waits, by its samples in callbacks and between two.
fn computing(in_callbacks: u64, turning: u64) -> One {
    let mut one = One::new();
    let inside = one.in_callback(&[("handle", "/srv/a.py"), ("render", "/srv/a.py")]);
    let between = one.in_loop();
    one.thread.on_cpu(s(10));
    one.thread.user(inside, in_callbacks);
    one.thread.user(between, turning);
    one
}

#[test]
fn callbacks_that_compute_hold_the_loop() {
    let held = verdict(computing(988, 2).build());
    assert_eq!(
        named(&held),
        (Class::CpuBound, Some(Detail::EventLoopBlocked))
    );
    says(
        &held,
        "2 of 990 samples found its event loop between two callbacks",
    );
    assert_eq!(held.blame.expect("a place").function, "render");
}

#[test]
fn a_loop_with_much_to_do_turns() {
    let busy = verdict(computing(930, 60).build());
    assert_eq!(named(&busy), (Class::CpuBound, None));
}

#[test]
fn a_few_samples_do_not_tell_how_long_callbacks_take() {
    let busy = verdict(computing(90, 0).build());
    assert_eq!(named(&busy), (Class::CpuBound, None));
}

/// A loop whose gaps were measured: those of 20 ms and longer took `long_ns`.
fn with_gaps(long_ns: u64) -> Verdict {
    let mut one = computing(600, 1);
    one.thread.on_cpu(s(6));
    let stack = one.in_loop();
    let wait = blocked(Reason::PollWait, "epoll_wait");
    one.thread.blocked(stack, wait, 400, s(4), ms(30));
    let mut process = one.build();
    process.threads[0].gaps = Some(Gaps {
        count: 400,
        total_ns: s(6),
        long: long_ns / ms(150),
        long_ns,
        long_times: GapTimes {
            on_cpu_ns: long_ns,
            ..GapTimes::default()
        },
        very_long: 0,
        longest: None,
        open: None,
    });
    verdict(process)
}

#[test]
fn measured_gaps_say_whether_a_loop_is_held() {
    let held = with_gaps(s(5));
    assert_eq!(
        named(&held),
        (Class::CpuBound, Some(Detail::EventLoopBlocked))
    );
    let short = with_gaps(s(1));
    assert_eq!(named(&short), (Class::CpuBound, None));
}

/// Samples in native functions of the interpreter, by name and how sure that is.
fn native(of: &[(&str, Naming, u64)]) -> Verdict {
    let mut one = One::new();
    let stack = one.stack(&[("main", "/srv/a.py"), ("expire", "/srv/a.py")]);
    one.thread.on_cpu(s(10));
    one.thread.user(stack, 990);
    let mut process = one.build();
    for (number, (symbol, naming, samples)) in (0..).zip(of) {
        process.natives.push(NativeFunction {
            symbol: Some((*symbol).to_owned()),
            naming: *naming,
            module: Some("libpython3.11.so.1.0".to_owned()),
            code: Code::Interpreter,
        });
        process.threads[0].stack_times[0].leaves.push(Leaf {
            frame: NativeFrame {
                function: NativeId(number),
                offset: 64,
            },
            count: *samples,
            page_fault: false,
            at_pause: false,
            stack: None,
        });
    }
    verdict(process)
}

/// Half of ten seconds on a CPU, of which nine tenths are page faults, and so much in waits for
/// pages.
fn faulting(waited_ns: u64) -> Verdict {
    let mut one = One::new();
    let stack = one.stack(&[("main", "/srv/a.py"), ("look_up", "/srv/a.py")]);
    one.thread.on_cpu(s(5));
    one.thread.kernel(stack, "", 495);
    one.thread.blocked(
        stack,
        blocked(Reason::PageFault, ""),
        1_000,
        waited_ns,
        ms(20),
    );
    let mut process = one.build();
    process.natives.push(NativeFunction {
        symbol: Some("filemap_fault".to_owned()),
        naming: Naming::Exact,
        module: Some("[kernel]".to_owned()),
        code: Code::Kernel,
    });
    for (page_fault, count) in [(true, 445), (false, 50)] {
        process.threads[0].stack_times[0].leaves.push(Leaf {
            frame: NativeFrame {
                function: NativeId(0),
                offset: 64,
            },
            count,
            page_fault,
            at_pause: false,
            stack: None,
        });
    }
    verdict(process)
}

#[test]
fn work_on_page_faults_is_waiting_for_memory_where_pages_are_waited_for() {
    let waits = faulting(s(5));
    assert_eq!(named(&waits), (Class::MemoryBound, None));
    // Fresh memory is put in place by faults too, and a page is read now and then.
    let computes = faulting(ms(500));
    assert_eq!(computes.class, Class::CpuBound);
}

#[test]
fn the_collector_is_known_by_its_functions() {
    let collects = native(&[
        ("visit_decref.lto_priv.0", Naming::Exact, 300),
        ("deduce_unreachable", Naming::Exact, 300),
        ("dict_traverse", Naming::Exact, 200),
        ("list_sort_impl", Naming::Exact, 190),
    ]);
    assert_eq!(named(&collects), (Class::CpuBound, Some(Detail::Gc)));
    says(&collects, "81 % of that in the garbage collector");
}

#[test]
fn who_frees_or_sorts_does_not_collect() {
    let frees = native(&[
        ("visit_decref", Naming::Exact, 300),
        ("subtype_dealloc", Naming::Exact, 390),
        ("list_sort_impl", Naming::Exact, 300),
    ]);
    assert_eq!(named(&frees), (Class::CpuBound, Some(Detail::Native)));
}

#[test]
fn the_nearest_symbol_is_no_collector() {
    let stripped = native(&[("PyGC_Collect", Naming::Nearest, 990)]);
    assert_eq!(named(&stripped), (Class::CpuBound, Some(Detail::Native)));
}

/// Samples in stacks, each of functions outermost first.
fn stacks(of: &[&[(&str, &str)]]) -> Verdict {
    let mut one = One::new();
    one.thread.on_cpu(s(10));
    for functions in of {
        let stack = one.stack(functions);
        one.thread.user(stack, 990 / of.len() as u64);
    }
    verdict(one.build())
}

const LOADER: &[(&str, &str)] = &[("load", "/srv/a.py"), ("_find_and_load", BOOTSTRAP)];

/// Below the import of a module.
fn importing<'a>(inside: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut whole = LOADER.to_vec();
    whole.extend(inside);
    whole
}

#[test]
fn finding_and_executing_modules_is_importing() {
    let finds = importing(&[(
        "FileFinder.find_spec",
        "<frozen importlib._bootstrap_external>",
    )]);
    let first = importing(&[("<module>", "/usr/lib/python3.11/tarfile.py")]);
    let second = importing(&[
        ("<module>", "/srv/plugins/one.py"),
        ("compile", "/usr/lib/python3.11/re/__init__.py"),
    ]);
    let imports = stacks(&[&finds, &first, &second]);
    assert_eq!(named(&imports), (Class::CpuBound, Some(Detail::Import)));
    says(&imports, "100 % of that in imports");
    assert_eq!(imports.blame.expect("a place").file, "/srv/a.py");
}

#[test]
fn a_program_that_is_run_by_an_import_does_not_import() {
    // Its own functions, called from a module's body.
    let calls = importing(&[("<module>", "/srv/app.py"), ("main", "/srv/app.py")]);
    assert_eq!(named(&stacks(&[&calls])), (Class::CpuBound, None));
    // The body itself, and a library that it calls.
    let loops = importing(&[("<module>", "/srv/app.py")]);
    let serves = importing(&[
        ("<module>", "/srv/app.py"),
        ("dumps", "/usr/lib/python3.11/json/__init__.py"),
    ]);
    assert_eq!(named(&stacks(&[&loops, &serves])), (Class::CpuBound, None));
}

#[test]
fn what_a_plug_in_does_after_its_import_is_no_import() {
    let works = [("load", "/srv/a.py"), ("<module>", "/srv/plugins/one.py")];
    assert_eq!(named(&stacks(&[&works])), (Class::CpuBound, None));
}

#[test]
fn a_wait_for_one_socket_in_a_greenlet_holds_the_hub() {
    let mut one = One::new();
    let hub = one.stack(&[(
        "Hub.run",
        "/venv/lib/python3.11/site-packages/gevent/hub.py",
    )]);
    let wait = blocked(Reason::PollWait, "epoll_wait");
    one.thread.blocked(hub, wait, 23, ms(120), ms(6));
    let fetch = one.stack(&[("handle", "/srv/a.py"), ("fetch", "/srv/a.py")]);
    let wait = blocked(Reason::NetRecv, "poll").peer("10.0.0.5:80");
    one.thread.blocked(fetch, wait, 75, s(9), ms(121));
    let mut process = one.build();
    let thread = &mut process.threads[0];
    thread.stack_times[1].in_long_gap = true;
    thread.gaps = Some(Gaps {
        count: 75,
        total_ns: s(9),
        long: 75,
        long_ns: s(9),
        long_times: GapTimes {
            blocked_ns: s(9),
            ..GapTimes::default()
        },
        very_long: 75,
        longest: None,
        open: None,
    });
    let held = verdict(process);
    assert_eq!(
        named(&held),
        (Class::IoBound, Some(Detail::EventLoopBlocked))
    );
}
