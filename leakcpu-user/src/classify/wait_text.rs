//! What was waited for, in words.

use std::collections::BTreeMap;

use super::because::Subject;
use super::service::service_name;
use super::{Class, waiting};
use crate::model::{Child, Reason, StackTimeKind};

impl Subject<'_> {
    /// The thing with the longest waits of `class`.
    pub(super) fn top_wait(&self, class: Class) -> Option<TopWait<'_>> {
        let mut waits: BTreeMap<_, TopWait<'_>> = BTreeMap::new();
        for (thread, _) in self.threads {
            for (entry, charge) in thread.stack_times.iter().zip(thread.charges()) {
                let StackTimeKind::Blocked {
                    reason,
                    peer,
                    file,
                    child,
                    ..
                } = &entry.kind
                else {
                    continue;
                };
                let bucket = waiting::bucket(self.process, thread, entry, self.limits).0;
                if bucket.class() != Some(class) {
                    continue;
                }
                let wait = waits
                    .entry((*reason, peer, file, child))
                    .or_insert(TopWait {
                        reason: *reason,
                        peer: peer.as_deref(),
                        file: file.as_deref(),
                        child: child.as_ref(),
                        count: 0,
                        total_ns: 0,
                        max_ns: 0,
                    });
                wait.count += entry.count;
                wait.total_ns += charge.blocked_ns;
                wait.max_ns = wait.max_ns.max(entry.max_blocked_ns);
            }
        }
        waits.into_values().max_by_key(|wait| wait.total_ns)
    }
}

/// The waits for one thing.
pub(super) struct TopWait<'a> {
    pub reason: Reason,
    pub peer: Option<&'a str>,
    pub file: Option<&'a str>,
    pub child: Option<&'a Child>,
    pub count: u64,
    pub total_ns: u64,
    pub max_ns: u64,
}

/// `waiting for postgresql at 10.0.0.5:5432`.
pub fn waited_for(
    reason: Reason,
    peer: Option<&str>,
    file: Option<&str>,
    child: Option<&Child>,
) -> String {
    let end = |default: &str| {
        peer.map_or(default.to_owned(), |peer| match service_name(peer) {
            Some(service) => format!("{service} at {peer}"),
            None => peer.to_owned(),
        })
    };
    let of = |preposition: &str| file.map_or(String::new(), |f| format!(" {preposition} {f}"));
    match reason {
        Reason::DiskRead => format!("reading from disk{}", of("in")),
        Reason::DiskWrite => format!("writing to disk{}", of("in")),
        Reason::Fsync => format!("in fsync{}", of("of")),
        Reason::PageFault => format!("in page faults that read from disk{}", of("in")),
        Reason::Swap => "being swapped in".to_owned(),
        Reason::NetRecv => format!("waiting for {}", end("bytes from a socket")),
        Reason::NetSend => format!("waiting for {} to take bytes", end("a socket")),
        Reason::NetConnect => format!("connecting to {}", end("a socket")),
        Reason::NetAccept => "waiting for connections".to_owned(),
        Reason::Dns => "looking up names".to_owned(),
        Reason::Pipe => match file {
            Some(file) => format!("at the pipe {file}"),
            None => "at a pipe".to_owned(),
        },
        Reason::Tty => "waiting for a terminal".to_owned(),
        Reason::ChildWait => child.map_or_else(
            || "waiting for a child process".to_owned(),
            |child| match (&child.name, child.pid) {
                (Some(name), Some(pid)) => format!("waiting for the child {name} ({pid})"),
                (Some(name), None) => format!("waiting for children: {name}"),
                (None, Some(pid)) => format!("waiting for the child {pid}"),
                (None, None) => "waiting for child processes".to_owned(),
            },
        ),
        Reason::Sleep => "asleep".to_owned(),
        Reason::PollWait => match peer {
            Some(_) => format!("waiting for {}", end("")),
            None => "waiting for events".to_owned(),
        },
        Reason::Gil => "waiting for the GIL".to_owned(),
        Reason::Lock => match file {
            Some(file) => format!("waiting for a lock on {file}"),
            None => "waiting for a lock".to_owned(),
        },
        Reason::Futex => "waiting for a lock of native code".to_owned(),
        Reason::IoUring => "waiting for io_uring".to_owned(),
        Reason::Signal => "waiting for a signal".to_owned(),
        Reason::Stopped => "stopped".to_owned(),
        Reason::KernelOther => format!("blocked in the kernel{}", of("at")),
    }
}
