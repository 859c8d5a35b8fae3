//! Facts of the threads of a process.

use super::{DiscoveryError, procfile};

/// The ids of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadIds {
    /// In the namespace of `/proc`: the initial one on a host.
    pub tid: u32,
    /// In the innermost pid namespace, the one the thread itself sees.
    pub ns_tid: u32,
}

/// What `/proc/PID/task/TID` says about a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadFacts {
    /// Ids.
    pub ids: ThreadIds,
    /// The kernel's name for it.
    pub comm: String,
    /// State letter: `R` running or runnable, `S` and `D` waiting, `T` stopped ...
    pub state: char,
    /// Times it gave up the CPU to wait.
    pub voluntary_switches: u64,
    /// Times the CPU was taken from it.
    pub involuntary_switches: u64,
}

/// `/proc/PID/task/TID/schedstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedStat {
    /// Time on a CPU.
    pub on_cpu_ns: u64,
    /// Time ready but not running.
    pub runnable_ns: u64,
    /// Times it was put on a CPU.
    pub timeslices: u64,
}

/// `/proc/PID/task/TID/syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallState {
    /// On a CPU or ready for one: nothing to see.
    Running,
    /// Blocked outside any system call: a page fault, for one.
    NotInSyscall,
    /// Blocked in a system call.
    InSyscall {
        /// Its number.
        number: u32,
        /// Its six argument registers.
        args: [u64; 6],
        /// The stack pointer.
        stack_pointer: u64,
    },
}

/// Thread ids of `pid`, ascending as the kernel lists them.
pub fn thread_ids(pid: u32) -> Result<Vec<u32>, DiscoveryError> {
    let ids = procfile::numbers_in(&format!("/proc/{pid}/task"))
        .map_err(|e| procfile::error(pid, "task", e))?;
    if ids.is_empty() {
        Err(DiscoveryError::Gone { pid })
    } else {
        Ok(ids)
    }
}

/// Facts of every thread of `pid`; threads that end meanwhile are left out.
pub fn threads(pid: u32) -> Result<Vec<ThreadFacts>, DiscoveryError> {
    let mut all = Vec::new();
    for tid in thread_ids(pid)? {
        match thread_facts(pid, tid) {
            Ok(facts) => all.push(facts),
            Err(DiscoveryError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if all.is_empty() {
        Err(DiscoveryError::Gone { pid })
    } else {
        Ok(all)
    }
}

/// Facts of one thread.
pub fn thread_facts(pid: u32, tid: u32) -> Result<ThreadFacts, DiscoveryError> {
    let name = format!("task/{tid}/status");
    let status = procfile::read_text(pid, &name)?;
    parse_status(&status, tid).ok_or_else(|| procfile::malformed(pid, &name))
}

fn parse_status(status: &str, tid: u32) -> Option<ThreadFacts> {
    let value = |key| procfile::status_value(status, key);
    let ns_tid =
        value("NSpid").and_then(|ids| ids.split_ascii_whitespace().next_back()?.parse().ok());
    Some(ThreadFacts {
        ids: ThreadIds {
            tid,
            ns_tid: ns_tid.unwrap_or(tid),
        },
        comm: value("Name")?.to_owned(),
        state: value("State")?.chars().next()?,
        voluntary_switches: value("voluntary_ctxt_switches")?.parse().ok()?,
        involuntary_switches: value("nonvoluntary_ctxt_switches")?.parse().ok()?,
    })
}

/// The system call a thread is blocked in. Needs the right to trace the process.
pub fn syscall_state(pid: u32, tid: u32) -> Result<SyscallState, DiscoveryError> {
    let name = format!("task/{tid}/syscall");
    let text = procfile::read_text(pid, &name)?;
    parse_syscall(&text).ok_or_else(|| procfile::malformed(pid, &name))
}

fn parse_syscall(text: &str) -> Option<SyscallState> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    if first == "running" {
        return Some(SyscallState::Running);
    }
    if first == "-1" {
        return Some(SyscallState::NotInSyscall);
    }
    let mut registers = [0; 7];
    for register in &mut registers {
        *register = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    let [args @ .., stack_pointer] = registers;
    Some(SyscallState::InSyscall {
        number: first.parse().ok()?,
        args,
        stack_pointer,
    })
}

/// A thread's times as the scheduler counts them.
pub fn sched_stat(pid: u32, tid: u32) -> Result<SchedStat, DiscoveryError> {
    let name = format!("task/{tid}/schedstat");
    let text = procfile::read_text(pid, &name)?;
    let mut numbers = text
        .split_ascii_whitespace()
        .map_while(|word| word.parse().ok());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(on_cpu_ns), Some(runnable_ns), Some(timeslices)) => Ok(SchedStat {
            on_cpu_ns,
            runnable_ns,
            timeslices,
        }),
        _ => Err(procfile::malformed(pid, &name)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_waiting_thread_of_this_process() {
        let (send_tid, receive_tid) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("waiter (x)".into())
            .spawn(move || {
                send_tid
                    .send(u32::try_from(nix::unistd::gettid().as_raw()).unwrap())
                    .unwrap();
                wait.recv().ok();
            })
            .unwrap();
        let pid = std::process::id();
        let tid = receive_tid.recv().unwrap();
        let facts = loop {
            let facts = thread_facts(pid, tid).unwrap();
            if facts.state == 'S' {
                break facts;
            }
            std::thread::yield_now();
        };
        assert_eq!(facts.comm, "waiter (x)");
        assert_eq!(facts.ids.tid, tid);
        assert!(matches!(
            syscall_state(pid, tid).unwrap(),
            SyscallState::InSyscall { number: 202, .. } // futex
        ));
        assert!(sched_stat(pid, tid).unwrap().timeslices > 0);
        assert!(
            threads(pid)
                .unwrap()
                .iter()
                .any(|thread| thread.ids.tid == tid)
        );
        drop(go);
        thread.join().unwrap();
        // It is joined a moment before the kernel has let go of it.
        let is_gone = || matches!(thread_facts(pid, tid), Err(DiscoveryError::Gone { .. }));
        let joined = std::time::Instant::now();
        while !is_gone() && joined.elapsed() < std::time::Duration::from_secs(5) {
            std::thread::yield_now();
        }
        assert!(is_gone());
    }

    #[test]
    fn syscall_lines() {
        assert_eq!(parse_syscall("running\n"), Some(SyscallState::Running));
        assert_eq!(
            parse_syscall("-1 0x7ffc 0x55\n"),
            Some(SyscallState::NotInSyscall)
        );
        let blocked = parse_syscall("7 0x1 0x2 0x3 0x4 0x5 0xffffffffffffffff 0x7ffc 0x7f\n");
        let args = [1, 2, 3, 4, 5, u64::MAX];
        let expected = SyscallState::InSyscall {
            number: 7,
            args,
            stack_pointer: 0x7ffc,
        };
        assert_eq!(blocked, Some(expected));
        assert_eq!(parse_syscall("7 0x1"), None);
        assert_eq!(parse_syscall(""), None);
    }
}
