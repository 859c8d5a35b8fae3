//! `busy-wait.zero-timeout-poll`: system calls in a loop that ask without waiting.

use crate::diagnose::spinning::{Advice, spinning};
use crate::diagnose::{Case, Explanation, Finding, Rule};
use crate::{
    classify::{LoopOf, Spin},
    model::WaitingLoop,
};

/// The rule.
pub struct ZeroTimeoutPoll;

impl Rule for ZeroTimeoutPoll {
    fn name(&self) -> &'static str {
        "busy-wait.zero-timeout-poll"
    }

    fn about(&self) -> &'static str {
        "A loop asks the kernel again and again without waiting, and nothing has happened."
    }

    fn explanation(&self) -> Explanation {
        Explanation {
            symptom: "A CPU at 100 %, and nothing gets done.",
            evidence: "System calls that ask without waiting and find nothing, counted for a moment: how many a second, and which share of them is in vain.",
            needs: "The tracepoint of system calls, which is armed for 0.2 s of suspects only.",
            fix: "Let that very call block, with a timeout. Where there is no such form, sleep between two looks.",
            slow: "while True:\n    if sock in select.select([sock], [], [], 0)[0]:\n        handle(sock.recv(4096))",
            fixed: "while True:\n    select.select([sock], [], [])    # returns as soon as there is something\n    handle(sock.recv(4096))",
        }
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        spinning(case, self.name(), |spin| {
            match spin {
            Spin::Poll {
                syscall,
                at_end: true,
                ..
            } => Some(Advice {
                cause: format!("The loop goes on to {syscall} at the end, where there is nothing."),
                fix: at_end(syscall).to_owned(),
            }),
            Spin::Poll {
                syscall,
                under_loop: false,
                ..
            } => Some(Advice {
                cause: cause(syscall),
                fix: fix(syscall).to_owned(),
            }),
            Spin::Loop {
                of: LoopOf::SystemCalls,
                waiting,
                ..
            } => Some(Advice {
                cause: asks(waiting),
                fix: "sleep between two looks (time.sleep(0.1)), or let the kernel tell: a blocking call with a timeout, inotify for files"
                    .to_owned(),
            }),
            _ => None,
        }
        })
    }
}

fn asks(waiting: &WaitingLoop) -> String {
    let what = waiting.looks_at.first();
    let what = what.map_or("the kernel".to_owned(), |look| format!("{}()", look.name));
    format!("The loop asks {what} again and again and does nothing else until the answer changes.")
}

fn cause(syscall: &str) -> String {
    match syscall {
        "sched_yield" => "The loop gives up the CPU and takes it back at once.".to_owned(),
        _ => format!("The loop calls {syscall} without letting it wait, so it spins."),
    }
}

/// What an empty read means.
fn at_end(syscall: &str) -> &'static str {
    if syscall.starts_with("recv") {
        "the other end has closed: take b'' for the end, close the socket and leave the loop"
    } else {
        "take an empty read for the end; to follow a file that grows, sleep between two reads (time.sleep(0.1)) or wait for inotify"
    }
}

/// The blocking form of that very call.
fn fix(syscall: &str) -> &'static str {
    match syscall {
        "poll" | "ppoll" => {
            "let it block: poll() with a timeout of None or seconds returns as soon as something is ready"
        }
        "select" | "pselect6" | "_newselect" => {
            "let it block: select() with a timeout of None or seconds returns as soon as something is ready"
        }
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => {
            "let it block: epoll/selectors with timeout=None return as soon as something is ready"
        }
        "wait4" | "waitid" | "waitpid" => {
            "let it block: Popen.wait(timeout=...) instead of Popen.poll() in a loop"
        }
        "accept" | "accept4" => {
            "let it block: accept() on a blocking socket, or wait for it in selectors.select(timeout=None)"
        }
        "recvfrom" | "recvmsg" | "recvmmsg" | "read" | "readv" => {
            "let it block: settimeout(seconds) instead of setblocking(False), or wait in selectors.select(timeout=None) before reading"
        }
        "sendto" | "sendmsg" | "write" | "writev" => {
            "let it block: a blocking socket, or wait for room in selectors.select(timeout=None) before writing"
        }
        "futex" => {
            "let it block: lock.acquire(timeout=...) or queue.get(timeout=...) instead of trying in a loop"
        }
        "sched_yield" => {
            "block on an event instead: threading.Event.wait() or Condition.wait() wakes at once"
        }
        _ => "let the call block, with a timeout, instead of asking again and again",
    }
}
