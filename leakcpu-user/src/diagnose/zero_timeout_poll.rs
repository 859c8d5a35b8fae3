//! `busy-wait.zero-timeout-poll`: system calls in a loop that ask without waiting.

use super::finding::stable_id;
use super::{Case, Finding, Rule, Severity, per_second};
use crate::classify::Spin;

/// The rule.
pub struct ZeroTimeoutPoll;

impl Rule for ZeroTimeoutPoll {
    fn name(&self) -> &'static str {
        "busy-wait.zero-timeout-poll"
    }

    fn about(&self) -> &'static str {
        "A loop asks the kernel again and again without waiting, and nothing has happened."
    }

    fn check(&self, case: Case<'_>) -> Vec<Finding> {
        let verdicts = case.verdicts;
        let mut findings: Vec<Finding> = Vec::new();
        for (i, thread) in case.process.threads.iter().enumerate() {
            let Some(Some(Spin::Poll { syscall, .. })) = verdicts.spins.get(i) else {
                continue;
            };
            let verdict = &verdicts.threads[i];
            let recoverable = per_second(thread.times.on_cpu_ns, thread.times.wall_ns);
            let id = stable_id(case.process, self.name(), verdict.blame.as_ref());
            if let Some(same) = findings.iter_mut().find(|f| f.id == id) {
                let sum = same.recoverable_ns_per_s.unwrap_or(0) + recoverable;
                same.recoverable_ns_per_s = Some(sum);
                same.severity = Severity::of_recoverable(sum);
                continue;
            }
            findings.push(Finding {
                id,
                rule: self.name(),
                severity: Severity::of_recoverable(recoverable),
                confidence: verdict.confidence,
                place: verdict.blame.clone(),
                evidence: verdict.because.clone(),
                cause: cause(syscall),
                fix: fix(syscall).to_owned(),
                recoverable_ns_per_s: Some(recoverable),
            });
        }
        findings
    }
}

fn cause(syscall: &str) -> String {
    match syscall {
        "sched_yield" => "The loop gives up the CPU and takes it back at once.".to_owned(),
        _ => format!("The loop calls {syscall} without letting it wait, so it spins."),
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
            "let it block: epoll/selectors with timeout=None; under asyncio await an Event or the future, not sleep(0) in a loop"
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
