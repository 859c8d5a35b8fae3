//! What /proc says of processes and of what they are called in their namespaces.

use std::fs;

/// The numbers of a line of `/proc/PID/status`, `NSpid` for one.
fn numbers(status: &str, name: &str) -> Vec<u64> {
    let text = fs::read_to_string(status).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// A process' id on this host and the one it knows itself.
pub fn ids(pid: u32) -> Option<(u64, u64)> {
    outer_and_inner(&format!("/proc/{pid}/status"))
}

fn outer_and_inner(status: &str) -> Option<(u64, u64)> {
    let all = numbers(status, "NSpid");
    Some((*all.first()?, *all.last()?))
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let text: Vec<String> = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .collect();
    text.iter()
        .flat_map(|children| children.split_whitespace())
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The pid on this host of the process that calls itself `own`: `first` or a process
/// below it.
pub fn named_inside(first: u32, own: u64) -> Option<u32> {
    if ids(first)?.1 == own {
        return Some(first);
    }
    children(first)
        .into_iter()
        .find_map(|child| named_inside(child, own))
}

/// The threads of a process: (tid on this host, the one it knows itself).
pub fn threads(pid: u32) -> Vec<(u64, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let entries = tasks.into_iter().flatten().flatten();
    entries
        .filter_map(|task| outer_and_inner(task.path().join("status").to_str()?))
        .collect()
}

/// Of a thread's own tid, the one on this host.
pub fn host_tid(pid: u32, own: i64) -> i64 {
    threads(pid)
        .into_iter()
        .find(|(_, inner)| i64::try_from(*inner) == Ok(own))
        .and_then(|(outer, _)| i64::try_from(outer).ok())
        .unwrap_or_else(|| panic!("process {pid} has no thread that calls itself {own}"))
}
