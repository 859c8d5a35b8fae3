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
        Class::LockBound => format!(
            "hold the lock for less: move work out of the `with` block{}, or give each thread its own data",
            at(verdict.blame.as_ref())
        ),
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
fn at(place: Option<&Blame>) -> String {
    place.map_or(String::new(), |place| format!(" in {}", name(place)))
}

fn name(place: &Blame) -> String {
    let file = place.file.rsplit('/').next().unwrap_or(&place.file);
    match place.line {
        Some(line) => format!("{} ({file}:{line})", place.function),
        None => format!("{} ({file})", place.function),
    }
}

fn computing(case: Case<'_>, verdict: &Verdict) -> String {
    if let Some(unreadable) = &case.process.unreadable {
        return format!("to see where in the code: {}", unreadable.how_to_fix);
    }
    let Some(place) = &verdict.blame else {
        return "no Python frame was seen on a CPU: watch with a higher rate (-r 999), or look at its native code".to_owned();
    };
    if verdict.detail == Some(Detail::Kernel) {
        return format!(
            "make fewer or larger system calls in {}: batch, buffer or cache them",
            name(place)
        );
    }
    format!(
        "make {} do less: a better algorithm, a cache, numpy for arithmetic, or several processes",
        name(place)
    )
}

fn waiting(case: Case<'_>, verdict: &Verdict) -> String {
    let place = at(verdict.blame.as_ref());
    match verdict.detail {
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
