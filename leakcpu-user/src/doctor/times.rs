//! What this kernel tells of the machine's part in the times (docs/times.md).

use super::{Check, Status, fallbacks};
use crate::{
    discovery::{CpuTime, is_virtual_machine, sched_stat},
    probes::{KernelBtf, KernelFacts},
};

pub(super) fn checks() -> Vec<Check> {
    let facts = KernelBtf::from_sys_fs()
        .ok()
        .and_then(|btf| KernelFacts::from_btf(&btf).ok());
    let mut checks = Vec::new();
    if let Some(facts) = facts {
        checks.extend(fallbacks::checks(&facts));
        checks.push(throttling(&facts));
        checks.push(rivals(&facts));
    }
    checks.push(accounts());
    checks.extend(steal());
    checks
}

fn throttling(facts: &KernelFacts) -> Check {
    let (id, title) = ("throttling", "CPU quotas");
    match facts.throttle.filter(|_| facts.measures_throttling()) {
        Some(clock) if clock.is_task_clock => Check::pass(
            id,
            title,
            "told from the wait for a CPU by an older clock, for want of throttled_clock_self (6.6): estimated",
        ),
        Some(clock) if clock.task_throttled.is_none() => Check::pass(
            id,
            title,
            "told from the wait for a CPU; whole run queues are held back (before 6.18)",
        ),
        Some(_) => Check::pass(id, title, "told from the wait for a CPU, task by task"),
        None => Check::pass(
            id,
            title,
            "this kernel has none for groups (CONFIG_CFS_BANDWIDTH)",
        ),
    }
}

fn rivals(facts: &KernelFacts) -> Check {
    let (id, title) = ("rivals", "who ran instead");
    if facts.queue.is_some() && facts.task_last_arrival.is_some() {
        return Check::pass(id, title, "the kernel notes when a task comes to a CPU");
    }
    Check::bad(
        Status::Warn,
        id,
        title,
        "the kernel does not note when a task comes to a CPU",
        "who had the CPU while a thread was ready to run",
        "use a kernel with CONFIG_SCHED_INFO and CONFIG_FAIR_GROUP_SCHED",
    )
}

fn accounts() -> Check {
    let (id, title) = ("accounts", "the scheduler's own accounts");
    let pid = std::process::id();
    match sched_stat(pid, pid) {
        Ok(_) => Check::pass(id, title, "/proc/PID/schedstat"),
        Err(error) => Check::bad(
            Status::Warn,
            id,
            title,
            error.to_string(),
            "the comparison of the times with the scheduler's",
            "use a kernel with CONFIG_SCHED_INFO",
        ),
    }
}

fn steal() -> Option<Check> {
    let time = CpuTime::read().ok()?;
    let detail = match (is_virtual_machine(), time.steal_ns) {
        (Some(false), _) => "no hypervisor here",
        (_, 0) => "none was counted since boot: null in reports, for it may not be told",
        _ => "counted in /proc/stat",
    };
    Some(Check::pass("steal", "what the hypervisor takes", detail))
}
