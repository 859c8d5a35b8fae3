//! The child that a thread waits for.

use super::{SyscallState, procfile, syscall_state};

/// A child process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its pid as this process sees it.
    pub pid: u32,
    /// The kernel's name for it (`comm`).
    pub name: String,
}

/// `P_PID` of `waitid(2)`.
const P_PID: u64 = 1;

/// The child that thread `tid` of `pid` waits for now: the one that its system call
/// names, else the only one it can be. `None` if it waits for no child, or for any of
/// several.
pub fn awaited_child(pid: u32, tid: u32) -> Option<Child> {
    let SyscallState::InSyscall { number, args, .. } = syscall_state(pid, tid).ok()? else {
        return None;
    };
    let wanted = match i64::from(number) {
        libc::SYS_wait4 => pid_argument(args[0]),
        libc::SYS_waitid if args[0] == P_PID => pid_argument(args[1]),
        libc::SYS_waitid => None,
        _ => return None,
    };
    let mut children: Vec<(u32, String)> = children(pid)
        .into_iter()
        .filter_map(|child| {
            let status = procfile::read_text(child, "status").ok()?;
            let is_wanted = wanted.is_none_or(|wanted| own_pid(&status) == Some(wanted));
            let name = procfile::status_value(&status, "Name")?.to_owned();
            is_wanted.then_some((child, name))
        })
        .collect();
    let (pid, name) = children.pop()?;
    children.is_empty().then_some(Child { pid, name })
}

/// A pid as an argument; 0 and negative ones stand for any child, or any of a group.
fn pid_argument(register: u64) -> Option<u32> {
    let [a, b, c, d, ..] = register.to_le_bytes();
    u32::try_from(i32::from_le_bytes([a, b, c, d]))
        .ok()
        .filter(|pid| *pid != 0)
}

/// The pid that the process itself, and its parent in the same namespace, sees.
fn own_pid(status: &str) -> Option<u32> {
    procfile::status_value(status, "NSpid")?
        .split_ascii_whitespace()
        .next_back()?
        .parse()
        .ok()
}

/// Children of every thread of `pid`.
fn children(pid: u32) -> Vec<u32> {
    let threads = procfile::numbers_in(&format!("/proc/{pid}/task")).unwrap_or_default();
    threads
        .into_iter()
        .filter_map(|tid| procfile::read_text(pid, &format!("task/{tid}/children")).ok())
        .flat_map(|text| {
            text.split_ascii_whitespace()
                .filter_map(|child| child.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(pid_argument(7), Some(7));
        assert_eq!(pid_argument(u64::from(u32::MAX)), None);
        assert_eq!(pid_argument(u64::MAX), None);
        assert_eq!(pid_argument(0), None);
    }

    #[test]
    fn the_pid_in_the_innermost_namespace() {
        assert_eq!(own_pid("Name:\tx\nNSpid:\t10\t2\n"), Some(2));
        assert_eq!(own_pid("Name:\tx\n"), None);
    }

    #[test]
    fn a_child_of_this_process_is_found() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(children(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
