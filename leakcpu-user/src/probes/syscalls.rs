//! System calls of x86-64: their names, and what their arguments mean, as data
//! for the kernel side.

use leakcpu_common::{
    config::MAX_SYSCALLS,
    syscall::{SyscallSpec, timeout_arg, useless, wait_arg},
};
use syscalls::x86_64::Sysno;

const MSG_DONTWAIT: u32 = 0x40;
const WNOHANG: u32 = 1;

const fn waits(wait_arg: u8) -> SyscallSpec {
    SyscallSpec {
        wait_arg,
        timeout_arg: timeout_arg::NONE,
        timeout_index: 0,
        useless: useless::NEVER,
        no_wait_bit: 0,
    }
}

/// A call that a non-blocking descriptor may send back with `EAGAIN`.
const fn may_fail(wait_arg: u8) -> SyscallSpec {
    SyscallSpec {
        useless: useless::MAYBE,
        ..waits(wait_arg)
    }
}

/// A read: from a non-blocking descriptor, or at the end of it, nothing.
const fn reads(wait_arg: u8) -> SyscallSpec {
    at_end(waits(wait_arg))
}

const fn at_end(spec: SyscallSpec) -> SyscallSpec {
    SyscallSpec {
        useless: useless::MAYBE_AT_END,
        ..spec
    }
}

const fn times_out(wait_arg: u8, timeout_arg: u8, timeout_index: u8) -> SyscallSpec {
    SyscallSpec {
        wait_arg,
        timeout_arg,
        timeout_index,
        useless: useless::MAYBE,
        no_wait_bit: 0,
    }
}

const fn no_wait(wait_arg: u8, timeout_index: u8, no_wait_bit: u32) -> SyscallSpec {
    SyscallSpec {
        wait_arg,
        timeout_arg: timeout_arg::NO_WAIT_BIT,
        timeout_index,
        useless: useless::MAYBE,
        no_wait_bit,
    }
}

/// Prototypes: `include/linux/syscalls.h`.
const SPECS: &[(Sysno, SyscallSpec)] = &[
    (Sysno::read, reads(wait_arg::FD)),
    (Sysno::write, waits(wait_arg::FD)),
    (Sysno::pread64, reads(wait_arg::FD)),
    (Sysno::pwrite64, waits(wait_arg::FD)),
    (Sysno::readv, reads(wait_arg::FD)),
    (Sysno::writev, waits(wait_arg::FD)),
    (Sysno::preadv, waits(wait_arg::FD)),
    (Sysno::pwritev, waits(wait_arg::FD)),
    (Sysno::preadv2, waits(wait_arg::FD)),
    (Sysno::pwritev2, waits(wait_arg::FD)),
    (Sysno::sendfile, waits(wait_arg::FD)),
    (Sysno::splice, waits(wait_arg::FD)),
    (Sysno::connect, waits(wait_arg::FD)),
    (Sysno::accept, may_fail(wait_arg::FD)),
    (Sysno::accept4, may_fail(wait_arg::FD)),
    (Sysno::sendto, no_wait(wait_arg::FD, 3, MSG_DONTWAIT)),
    (
        Sysno::recvfrom,
        at_end(no_wait(wait_arg::FD, 3, MSG_DONTWAIT)),
    ),
    (Sysno::sendmsg, no_wait(wait_arg::FD, 2, MSG_DONTWAIT)),
    (
        Sysno::recvmsg,
        at_end(no_wait(wait_arg::FD, 2, MSG_DONTWAIT)),
    ),
    (Sysno::recvmmsg, no_wait(wait_arg::FD, 3, MSG_DONTWAIT)),
    (Sysno::sendmmsg, no_wait(wait_arg::FD, 3, MSG_DONTWAIT)),
    (Sysno::fcntl, waits(wait_arg::FD)),
    (Sysno::flock, waits(wait_arg::FD)),
    (Sysno::fsync, waits(wait_arg::FD)),
    (Sysno::fdatasync, waits(wait_arg::FD)),
    (Sysno::sync_file_range, waits(wait_arg::FD)),
    (Sysno::ftruncate, waits(wait_arg::FD)),
    (Sysno::fallocate, waits(wait_arg::FD)),
    (Sysno::getdents64, waits(wait_arg::FD)),
    (Sysno::close, waits(wait_arg::FD)),
    (
        Sysno::poll,
        times_out(wait_arg::POLLFDS, timeout_arg::MILLIS, 2),
    ),
    (
        Sysno::ppoll,
        times_out(wait_arg::POLLFDS, timeout_arg::TIMESPEC, 2),
    ),
    (
        Sysno::select,
        times_out(wait_arg::NFDS, timeout_arg::TIMEVAL, 4),
    ),
    (
        Sysno::pselect6,
        times_out(wait_arg::NFDS, timeout_arg::TIMESPEC, 4),
    ),
    (
        Sysno::epoll_wait,
        times_out(wait_arg::EPOLL, timeout_arg::MILLIS, 3),
    ),
    (
        Sysno::epoll_pwait,
        times_out(wait_arg::EPOLL, timeout_arg::MILLIS, 3),
    ),
    (
        Sysno::epoll_pwait2,
        times_out(wait_arg::EPOLL, timeout_arg::TIMESPEC, 3),
    ),
    (
        Sysno::nanosleep,
        times_out(wait_arg::NONE, timeout_arg::TIMESPEC, 0),
    ),
    (
        Sysno::clock_nanosleep,
        times_out(wait_arg::NONE, timeout_arg::TIMESPEC, 2),
    ),
    (
        Sysno::sched_yield,
        times_out(wait_arg::NONE, timeout_arg::ALWAYS_ZERO, 0),
    ),
    (Sysno::wait4, no_wait(wait_arg::NONE, 2, WNOHANG)),
    (Sysno::waitid, no_wait(wait_arg::NONE, 3, WNOHANG)),
    (Sysno::futex, waits(wait_arg::FUTEX)),
];

/// The table as the kernel side reads it, indexed by number.
pub struct SyscallTable(Vec<SyscallSpec>);

impl Default for SyscallTable {
    fn default() -> Self {
        let mut table = vec![SyscallSpec::default(); MAX_SYSCALLS];
        for (number, spec) in SPECS {
            if let Some(entry) = usize::try_from(number.id())
                .ok()
                .and_then(|n| table.get_mut(n))
            {
                *entry = *spec;
            }
        }
        Self(table)
    }
}

impl SyscallTable {
    /// Entries with their numbers, those without a meaning left out.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &SyscallSpec)> {
        (0_u32..).zip(&self.0).filter(|(_, spec)| {
            spec.wait_arg != wait_arg::NONE || spec.timeout_arg != timeout_arg::NONE
        })
    }
}

/// What the arguments of a system call mean; of one that is not in the table, nothing.
pub fn syscall_spec(number: u32) -> SyscallSpec {
    let is_it = |sysno: Sysno| u32::try_from(sysno.id()).is_ok_and(|id| id == number);
    SPECS
        .iter()
        .find(|(sysno, _)| is_it(*sysno))
        .map_or_else(SyscallSpec::default, |(_, spec)| *spec)
}

/// Name of a system call, `None` for a number that the table does not know.
pub fn syscall_name(number: i32) -> Option<&'static str> {
    let number = usize::try_from(number).ok()?;
    Sysno::new(number).map(|sysno| sysno.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_x86_64() {
        // arch/x86/entry/syscalls/syscall_64.tbl
        for (number, name) in [(0, "read"), (7, "poll"), (23, "select"), (202, "futex")] {
            assert_eq!(syscall_name(number), Some(name));
        }
        assert_eq!(syscall_name(-1), None);
        assert_eq!(syscall_spec(202).wait_arg, wait_arg::FUTEX);
        assert_eq!(syscall_spec(9_999).wait_arg, wait_arg::NONE);
        let table = SyscallTable::default();
        assert_eq!(table.0[202].wait_arg, wait_arg::FUTEX);
        assert_eq!(table.0[7].timeout_index, 2);
    }
}
