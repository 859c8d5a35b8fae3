//! The next step that a verdict alone suggests, for when no rule has a better one.

use super::Case;
use crate::classify::{Blame, Class, Detail, Verdict, service_name};
use crate::model::{Awaits, Reason, Wait};

/// One concrete step for `case`.
pub(super) fn next_step(case: Case<'_>) -> String {
    let verdict = &case.verdicts.verdict;
    let class = verdict.class;
    match class {
        Class::CpuBound => computing(case, verdict),
        Class::IoBound => waiting(case, verdict),
        Class::BusyWaiting => {
            "block instead of looping: threading.Event.wait(), Condition.wait() or queue.get(timeout=...) wakes at once".to_owned()
        }
        Class::LockBound => locked(case, verdict),
        Class::CpuStarved if verdict.detail == Some(Detail::Throttled) => {
            "raise the CPU quota of its cgroup (cpu.max), or run fewer threads; the code is not the cause".to_owned()
        }
        Class::CpuStarved => "give it CPU: fewer competitors on this host, or more CPUs".to_owned(),
        Class::MemoryBound => format!(
            "make its working set fit into memory: read in chunks{}, or raise the memory limit",
            at(verdict.blame.as_ref())
        ),
        Class::Idle => "nothing to do: it waits for work".to_owned(),
        Class::Mixed => mixed(case, verdict),
        Class::Unknown if case.process.exited => {
            "it ended too soon to judge: watch it from its start (pyobserve classify -- COMMAND)"
                .to_owned()
        }
        Class::Unknown => "watch it for longer (-d 30s), while it does what is slow".to_owned(),
    }
}

/// ` in fetch (views.py:87)`.
pub(super) fn at(place: Option<&Blame>) -> String {
    place.map_or(String::new(), |place| format!(" in {}", place.short()))
}

fn locked(case: Case<'_>, verdict: &Verdict) -> String {
    let place = at(verdict.blame.as_ref());
    let step = if verdict.detail == Some(Detail::Gil) {
        format!(
            "run what keeps the GIL{place} in a process of its own (concurrent.futures.ProcessPoolExecutor), or in native code that releases the GIL"
        )
    } else {
        at_lock(case, verdict)
    };
    if is_worth_it(case) {
        step
    } else {
        format!("little to gain, it waits for work most of the time; {step}")
    }
}

/// Whether it is active for so much of the time that there is something to gain.
pub(super) fn is_worth_it(case: Case<'_>) -> bool {
    case.verdicts.active_ns as f64 >= case.verdicts.span_ns as f64 * case.thresholds.active_share
}

/// What to do about a lock that its threads wait for.
pub(super) fn at_lock(case: Case<'_>, verdict: &Verdict) -> String {
    let place = at(verdict.blame.as_ref());
    if let Some(owner) = most_owned(case) {
        format!("find out what keeps {owner} from releasing it, and hold it for less")
    } else if waits_in_python(case) {
        format!(
            "hold the lock for less: move work out of its `with` block{place}, or give each thread its own data"
        )
    } else {
        format!(
            "its native threads wait for one another{place}: use fewer of them, or give each its own data"
        )
    }
}

/// The owner of the lock that has been waited for longest, of those that still are.
fn most_owned(case: Case<'_>) -> Option<String> {
    let threads = case.process.threads.iter();
    let waits = threads.flat_map(|thread| &thread.lock_waits);
    let open = waits.filter(|wait| wait.is_open && wait.owner.is_some());
    let owner = open.max_by_key(|wait| wait.waited_ns)?.owner?;
    let tid = owner.tid?;
    let place = case.process.own_frame(case.process.stack(owner.stack));
    let function = place.and_then(|frame| case.process.function(frame.function?));
    let inside = function.map_or(String::new(), |f| format!(" in {}", f.name));
    Some(format!("{}{inside}", case.process.thread_in_words(tid)))
}

/// Whether most of the time at locks was spent at those of Python.
fn waits_in_python(case: Case<'_>) -> bool {
    let by_reason = case.process.blocked_by_reason();
    let of = |reason| by_reason.get(&reason).copied().unwrap_or(0);
    of(Reason::Lock) >= of(Reason::Futex)
}

fn computing(case: Case<'_>, verdict: &Verdict) -> String {
    if let Some(unreadable) = &case.process.unreadable {
        return format!("to see where in the code: {}", unreadable.how_to_fix);
    }
    let Some(place) = &verdict.blame else {
        return "no Python frame was seen on a CPU: watch with a higher rate (-r 999), or look at its native code".to_owned();
    };
    let place = place.short();
    match verdict.detail {
        Some(Detail::Kernel) => {
            format!("make fewer or larger system calls in {place}: batch, buffer or cache them")
        }
        Some(Detail::Gc) => format!(
            "let the collector run less in {place}: fewer gc.collect(), gc.freeze() for what stays, a higher gc.set_threshold()"
        ),
        Some(Detail::Import) => format!(
            "import once and keep the module ({place}); python -X importtime tells which ones are slow"
        ),
        Some(Detail::EventLoopBlocked) => format!(
            "take the work of {place} off the event loop: loop.run_in_executor() with a ProcessPoolExecutor, or await asyncio.sleep(0) between parts of it"
        ),
        _ => format!(
            "make {place} do less: a better algorithm, a cache, numpy for arithmetic, or several processes"
        ),
    }
}

fn waiting(case: Case<'_>, verdict: &Verdict) -> String {
    let place = at(verdict.blame.as_ref());
    match verdict.detail {
        Some(Detail::EventLoopBlocked) => format!(
            "do not wait on the event loop{place}: await an asynchronous client, or asyncio.to_thread(...)"
        ),
        Some(Detail::Disk) => format!(
            "touch the disk less{place}: larger reads and writes, one commit or fsync for many records, or a background thread"
        ),
        Some(Detail::Subprocess) => format!(
            "run the children at the same time (Popen them all{place}, then wait), or do the work in this process"
        ),
        Some(Detail::Pipe) => {
            format!("look at the process at the other end of the pipe{place}: it is the slower one")
        }
        Some(Detail::Dns) => format!("cache the name look-ups{place}, or keep connections open"),
        _ => network(case, &place),
    }
}

fn network(case: Case<'_>, place: &str) -> String {
    let wait = case.process.waits().into_iter().find(|wait| {
        matches!(
            wait.reason,
            Reason::NetRecv | Reason::NetSend | Reason::NetConnect | Reason::PollWait
        ) && wait.awaits != Some(Awaits::Work)
            && (wait.peer.is_some() || wait.reason != Reason::PollWait)
    });
    let Some(wait) = wait else {
        return format!("overlap the waits{place}: a thread pool or asyncio.gather");
    };
    let peer = wait
        .peer
        .as_deref()
        .map_or("the other end".to_owned(), |peer| {
            service_name(peer)
                .map_or_else(|| peer.to_owned(), |service| format!("{service} at {peer}"))
        });
    if wait.reason == Reason::NetConnect {
        return format!(
            "keep connections to {peer} open{place} (a Session or a pool); check that it can be reached"
        );
    }
    if is_many_small(&wait) {
        format!(
            "make fewer round trips to {peer}{place}: fetch in batches or overlap them (threads, asyncio)"
        )
    } else {
        format!(
            "find out why {peer} is slow to answer{place}, or do other work meanwhile (threads, asyncio)"
        )
    }
}

/// Whether many short waits, and not a few long ones, make up the time.
fn is_many_small(wait: &Wait) -> bool {
    wait.count >= 20 && wait.total_ns / wait.count < 100_000_000
}

fn mixed(case: Case<'_>, verdict: &Verdict) -> String {
    let mut shares: Vec<_> = verdict.shares.iter().collect();
    shares.sort_by(|a, b| b.1.total_cmp(a.1));
    match shares.first() {
        Some((Class::IoBound, _)) => waiting(case, verdict),
        _ => format!(
            "no single cause: start{}, and overlap waits with computing (thread pool, asyncio)",
            at(verdict.blame.as_ref())
        ),
    }
}
