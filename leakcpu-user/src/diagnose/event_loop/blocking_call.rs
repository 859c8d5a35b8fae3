//! `async.blocking-call`: a call that waits on the thread of an event loop, inside a task.

use super::held_loop::{self, Held};
use crate::diagnose::finding::figure;
use crate::diagnose::{Case, Explanation, Finding, Rule, per_second};
use crate::{
    classify::say,
    model::{LoopKind, Process, Reason},
};

/// The rule.
pub struct BlockingCall;

impl Rule for BlockingCall {
    fn name(&self) -> &'static str {
        "async.blocking-call"
    }

    fn about(&self) -> &'static str {
        "A call that blocks is made on the event loop's thread, so that every other task waits with it."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "Everything freezes for moments, and async made it no faster.",
            evidence: "Waits of the event loop's thread inside a task: for how long the loop served nobody, in which function, and for what.",
            needs: "Context switches; asyncio (uvloop too) or gevent.",
            fix: "Await the asynchronous form of that call, or asyncio.to_thread(...) around it. A thread helps nothing where the time goes to Python code: that has the GIL.",
            slow: "async def handle(request):\n    return requests.get(URL).text",
            fixed: "async def handle(request):\n    return (await client.get(URL)).text    # an httpx.AsyncClient",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let loops = held_loop::loops(case);
        held_loop::each(case.process, &loops, |held| {
            finding(self.name(), case, &held)
        })
    }
}

fn finding(rule: &'static str, case: Case<'_>, held: &Held<'_>) -> Option<Finding> {
    // Waits for the GIL are those of threads beside it.
    let waited_ns = held.holder.blocked_ns.saturating_sub(held.holder.gil_ns);
    let recoverable = per_second(waited_ns, held.thread.times.wall_ns);
    let is_most = waited_ns * 2 >= held.holder.total_ns();
    if recoverable < case.thresholds.loop_held_ns_per_s || !is_most {
        return None;
    }
    let (what, fix) = advice(most_waited_for(case.process, held)?, held.event_loop.kind);
    let mut evidence = vec![figure(
        format!(
            "{} of {} {what}{}",
            say::duration(waited_ns),
            say::duration(held.thread.times.wall_ns),
            held.of_task()
        ),
        "loop_blocked_ns",
        waited_ns as f64,
        "ns",
    )];
    evidence.extend(held.standstill());
    Some(Finding {
        threads: vec![held.thread.tid],
        evidence,
        cause: "The loop's only thread waits in this call, and all other tasks with it.".to_owned(),
        fix: fix.to_owned(),
        ..case.finding(rule, Some(held.place.clone()), recoverable)
    })
}

/// For what the function waits most of the time.
fn most_waited_for(process: &Process, held: &Held<'_>) -> Option<Reason> {
    let waits = process.waits().into_iter();
    let of_it = waits.filter(|wait| {
        let function = wait.frame.and_then(|frame| frame.function);
        function == Some(held.place.function_id) && wait.reason != Reason::Gil
    });
    // They come longest first.
    of_it.map(|wait| wait.reason).next()
}

/// What it does, and what to do instead.
fn advice(reason: Reason, kind: LoopKind) -> (&'static str, &'static str) {
    if kind == LoopKind::Gevent {
        return (
            "in a call that blocks the hub",
            "have gevent take its place: gevent.monkey.patch_all() before anything else is imported, or gevent.get_hub().threadpool.apply(...) for what it cannot patch",
        );
    }
    match reason {
        Reason::Sleep => (
            "sleeping",
            "await asyncio.sleep(...) instead of time.sleep(...)",
        ),
        Reason::NetRecv | Reason::NetSend | Reason::NetConnect | Reason::Dns | Reason::PollWait => {
            (
                "waiting for the network",
                "await an asynchronous client (httpx.AsyncClient, aiohttp, asyncpg, redis.asyncio), or await asyncio.to_thread(...) around the call",
            )
        }
        Reason::DiskRead | Reason::DiskWrite | Reason::Fsync | Reason::PageFault | Reason::Swap => {
            (
                "waiting for a disk",
                "await asyncio.to_thread(...) around what touches the disk",
            )
        }
        Reason::ChildWait => (
            "waiting for a child",
            "await asyncio.create_subprocess_exec(...) and its wait() or communicate() instead of the subprocess module",
        ),
        Reason::Lock | Reason::Futex => (
            "waiting for a lock",
            "take an asyncio.Lock among tasks; a lock that threads hold in await asyncio.to_thread(...)",
        ),
        Reason::Pipe | Reason::Tty => (
            "waiting at a pipe",
            "read it by the loop (loop.connect_read_pipe, asyncio.create_subprocess_exec), or in await asyncio.to_thread(...)",
        ),
        _ => (
            "blocked",
            "await asyncio.to_thread(...) around the call, or its asynchronous form",
        ),
    }
}
