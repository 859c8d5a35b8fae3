//! Idle, or waiting for a reply: which kind of time a wait is.

use super::Thresholds;
use super::service::service_name;
use super::spent::Bucket;
use crate::model::{Awaits, Function, Process, Reason, Stack, StackTime, StackTimeKind, Thread};

/// Files of servers whose reads, with only these and socket files inside them,
/// wait for a client's next request.
const SERVER_FILES: [&str; 6] = [
    "/socketserver.py",
    "/http/server.py",
    "/wsgiref/simple_server.py",
    "/gunicorn/http/",
    "/gunicorn/workers/",
    "/waitress/",
];

/// Files between a server and its socket.
const SOCKET_FILES: [&str; 3] = ["/socket.py", "/ssl.py", "/selectors.py"];

/// Calls of clients that ask a server to wait until there is work, by where their files lie:
/// of redis-py the blocking commands on lists, sorted sets and streams, and listening to
/// channels. A request is outstanding in form, but what is waited for is what others put
/// there.
const ASKING_FOR_WORK: [(&str, [&str; 11]); 1] = [(
    "/redis/",
    [
        "blpop",
        "brpop",
        "brpoplpush",
        "blmove",
        "blmpop",
        "bzpopmin",
        "bzpopmax",
        "bzmpop",
        "xread",
        "xreadgroup",
        "listen",
    ],
)];

/// Files whose lock waits are hand-overs of work, not fights for a lock.
const HANDOVER_FILES: [&str; 6] = [
    "/threading.py",
    "/queue.py",
    "/concurrent/futures/",
    "/multiprocessing/",
    "/asyncio/",
    "/_weakrefset.py",
];

/// Functions in those files that do take a lock (or wait for room: back-pressure).
const TAKING: [&str; 3] = ["acquire", "__enter__", "put"];

/// Calls of pools that hand out connections, by where their files lie: who waits in one wants
/// what other threads have, and is not waiting for work.
const POOLS: [(&str, &str); 3] = [
    ("/psycopg_pool/", "getconn"),
    ("/sqlalchemy/pool/", "_do_get"),
    ("/urllib3/connectionpool.py", "_get_conn"),
];

/// A wait's kind of time, and whether that is a reasoned guess.
pub(super) fn bucket(
    process: &Process,
    thread: &Thread,
    entry: &StackTime,
    limits: &Thresholds,
) -> (Bucket, bool) {
    if is_asking_for_work(process, entry) {
        return (Bucket::Rest, true);
    }
    if let Some(bucket) = seen(entry) {
        // Of a queue only the name of what is called is known.
        return (bucket, !is_for_bytes(entry));
    }
    let bucket = certain_or_likely(process, thread, entry, limits);
    let is_guess = match &entry.kind {
        StackTimeKind::Blocked { reason, peer, .. } => match reason {
            Reason::NetRecv
            | Reason::Pipe
            | Reason::ChildWait
            | Reason::IoUring
            | Reason::KernelOther => never_ended(thread, entry, limits),
            Reason::PollWait => peer.is_some() && never_ended(thread, entry, limits),
            Reason::Lock if is_owned(thread, entry) => false,
            Reason::Lock | Reason::Futex => true,
            _ => false,
        },
        _ => false,
    };
    (bucket, is_guess)
}

/// Whether bytes are waited for.
const fn is_for_bytes(entry: &StackTime) -> bool {
    matches!(
        entry.kind.reason(),
        Some(Reason::NetRecv | Reason::PollWait)
    )
}

/// Whether a client waits in a call that asks for work: with nothing inside it but its own
/// code and that of sockets.
pub(crate) fn is_asking_for_work(process: &Process, entry: &StackTime) -> bool {
    if !is_for_bytes(entry) {
        return false;
    }
    let functions = process.stack(entry.stack).frames.iter();
    let mut inner = functions.map_while(|frame| process.function(frame.function?));
    inner
        .find_map(|function| {
            if SOCKET_FILES
                .iter()
                .any(|mark| function.file.ends_with(mark))
            {
                return None;
            }
            let client = ASKING_FOR_WORK
                .iter()
                .find(|(mark, _)| function.file.contains(mark));
            let Some((_, calls)) = client else {
                return Some(false); // Somebody else's code: what it does in there is its own.
            };
            calls.contains(&function.plain_name()).then_some(true)
        })
        .unwrap_or(false)
}

/// What looks at its sockets told, or what it calls.
fn seen(entry: &StackTime) -> Option<Bucket> {
    match entry.awaits? {
        Awaits::Work => Some(Bucket::Rest),
        Awaits::Answer => is_for_bytes(entry).then_some(Bucket::Network),
    }
}

fn certain_or_likely(
    process: &Process,
    thread: &Thread,
    entry: &StackTime,
    limits: &Thresholds,
) -> Bucket {
    let StackTimeKind::Blocked { reason, peer, .. } = &entry.kind else {
        return Bucket::Rest;
    };
    let stack = process.stack(entry.stack);
    let never_ended = never_ended(thread, entry, limits);
    match reason {
        Reason::DiskRead | Reason::DiskWrite | Reason::Fsync => Bucket::Disk,
        Reason::PageFault | Reason::Swap => Bucket::Memory,
        Reason::NetConnect | Reason::NetSend => Bucket::Network,
        Reason::NetRecv => receive(process, stack, peer.as_deref(), never_ended),
        // A socket with a timeout waits in poll: one with a known other end is that.
        Reason::PollWait if peer.is_some() => receive(process, stack, peer.as_deref(), never_ended),
        Reason::Dns => Bucket::Dns,
        // A worker whose work does not come.
        Reason::Pipe | Reason::IoUring | Reason::KernelOther if never_ended => Bucket::Rest,
        Reason::Pipe => Bucket::Pipe,
        Reason::ChildWait => Bucket::Child,
        Reason::IoUring => Bucket::OtherIo,
        Reason::Gil => Bucket::Gil,
        Reason::Lock => lock(process, thread, entry, stack, never_ended, limits),
        Reason::Futex => native_lock(thread, entry, never_ended, limits),
        Reason::KernelOther => Bucket::Unexplained,
        Reason::NetAccept
        | Reason::PollWait
        | Reason::Tty
        | Reason::Sleep
        | Reason::Signal
        | Reason::Stopped => Bucket::Rest,
    }
}

/// Whether `entry` is one wait that lasted the whole window.
pub(super) fn never_ended(thread: &Thread, entry: &StackTime, limits: &Thresholds) -> bool {
    entry.count <= 1
        && entry.blocked_ns as f64 >= thread.times.wall_ns as f64 * limits.never_ended_share
}

/// Bytes awaited on a socket that nobody could look at. A server's connection at rest and
/// a client's slow reply look the same to the scheduler; the stack, the port and whether the wait ever ended tell most.
fn receive(process: &Process, stack: &Stack, peer: Option<&str>, never_ended: bool) -> Bucket {
    let known_service = peer.is_some_and(|peer| service_name(peer).is_some());
    if is_awaiting_request(process, stack) || (never_ended && !known_service) {
        Bucket::Rest
    } else {
        Bucket::Network
    }
}

/// Whether a server's own code, with nothing but socket code inside it, reads.
fn is_awaiting_request(process: &Process, stack: &Stack) -> bool {
    files(process, stack)
        .find(|file| !SOCKET_FILES.iter().any(|mark| file.ends_with(mark)))
        .is_some_and(|file| SERVER_FILES.iter().any(|mark| file.contains(mark)))
}

/// Whether a thread was seen to wait there for a lock that another one owned.
fn is_owned(thread: &Thread, entry: &StackTime) -> bool {
    let mut waits = thread.lock_waits.iter();
    waits.any(|wait| wait.stack == entry.stack && wait.owner.is_some())
}

/// A lock wait of Python: contention, or a worker waiting for work.
fn lock(
    process: &Process,
    thread: &Thread,
    entry: &StackTime,
    stack: &Stack,
    never_ended: bool,
    limits: &Thresholds,
) -> Bucket {
    if is_owned(thread, entry) {
        return Bucket::Mutex; // whoever owns it has not handed over anything
    }
    if never_ended {
        return Bucket::Rest; // an unending wait fights for nothing
    }
    if stack.frames.is_empty() {
        return native_lock(thread, entry, never_ended, limits);
    }
    if is_handed_over(process, stack) {
        Bucket::Rest
    } else {
        Bucket::Mutex
    }
}

/// Whether a wait for a lock is one for something that another thread hands over: a
/// condition, an item, its end.
pub(super) fn is_handed_over(process: &Process, stack: &Stack) -> bool {
    let is_handover = |file: &str| HANDOVER_FILES.iter().any(|mark| file.contains(mark));
    let frames = stack.frames.iter();
    let mut functions = frames
        .map_while(|frame| process.function(frame.function?))
        .peekable();
    let mut handing_over = false;
    while let Some(function) = functions.next_if(|function| is_handover(&function.file)) {
        if TAKING.contains(&function.plain_name()) {
            return false;
        }
        handing_over = true;
    }
    handing_over && !is_pool(functions)
}

/// Whether the innermost of these functions, leaf first, belong to a pool that was asked for
/// what it keeps.
fn is_pool<'a>(functions: impl Iterator<Item = &'a Function>) -> bool {
    let mut functions = functions.peekable();
    let pool = functions
        .peek()
        .and_then(|innermost| POOLS.iter().find(|(mark, _)| innermost.file.contains(mark)));
    pool.is_some_and(|(mark, call)| {
        functions
            .take_while(|function| function.file.contains(mark))
            .any(|function| function.plain_name() == *call)
    })
}

/// A futex of native code: pools at rest wait seldom, contention often.
fn native_lock(
    thread: &Thread,
    entry: &StackTime,
    never_ended: bool,
    limits: &Thresholds,
) -> Bucket {
    let rate = entry.count as f64 * 1e9 / thread.times.wall_ns.max(1) as f64;
    if never_ended || rate < limits.futex_min_rate {
        Bucket::Rest
    } else {
        Bucket::Mutex
    }
}

fn files<'a>(process: &'a Process, stack: &'a Stack) -> impl Iterator<Item = &'a str> {
    stack
        .frames
        .iter()
        .filter_map(|frame| frame.function)
        .filter_map(|id| process.function(id))
        .map(|function| function.file.as_str())
}
