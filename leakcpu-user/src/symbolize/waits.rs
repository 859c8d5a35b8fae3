//! What a wait waits for: from the system call, the scheduler's flags and the
//! descriptor to a reason of the report.

use leakcpu_common::totals::{NOT_READ, Wait, wait_flags};

use crate::{discovery::Descriptor, model::Reason, probes::syscall_name};

/// A wait with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWait {
    /// Why.
    pub reason: Reason,
    /// The system call; `None` outside any.
    pub syscall: Option<&'static str>,
    /// The other end of a network wait.
    pub peer: Option<String>,
    /// The file, pipe or terminal.
    pub file: Option<String>,
}

/// Names a wait. `descriptor` is what its descriptor was found to be, if it has
/// one and could be looked at.
pub fn name_wait(wait: Wait, descriptor: Option<&Descriptor>) -> NamedWait {
    let syscall = syscall_name(i32::from(wait.syscall));
    let reason = reason(wait, syscall, descriptor);
    let peer = match descriptor {
        Some(Descriptor::Socket(socket)) => socket.peer.clone(),
        _ => None,
    };
    let file = match descriptor {
        Some(
            Descriptor::File { path }
            | Descriptor::Tty { path }
            | Descriptor::Device { path }
            | Descriptor::MadeUp { path },
        ) => Some(path.clone()),
        Some(Descriptor::Pipe { path }) => path.clone(),
        _ => None,
    };
    NamedWait {
        reason,
        syscall,
        peer,
        file,
    }
}

fn reason(wait: Wait, syscall: Option<&str>, descriptor: Option<&Descriptor>) -> Reason {
    let has = |flag: u8| wait.flags & flag != 0;
    let uninterruptible = has(wait_flags::UNINTERRUPTIBLE);
    if has(wait_flags::STOPPED) {
        return Reason::Stopped;
    }
    if wait.syscall == NOT_READ {
        return Reason::KernelOther;
    }
    let Some(syscall) = syscall else {
        // Not in a system call: only a fault puts a thread into D there.
        return if uninterruptible {
            Reason::PageFault
        } else {
            Reason::KernelOther
        };
    };
    if let Some(Descriptor::Socket(socket)) = descriptor
        && socket.is_dns
        && matches!(syscall, "poll" | "ppoll" | "recvfrom" | "recvmsg" | "read")
    {
        return Reason::Dns;
    }
    if let Some(Descriptor::Socket(socket)) = descriptor
        && socket.is_pair
        && moves_bytes(syscall, has(wait_flags::HAS_FD))
    {
        return Reason::Pipe;
    }
    match syscall {
        "futex" if has(wait_flags::GIL) => Reason::Gil,
        "futex" if has(wait_flags::NATIVE_THREAD) => Reason::Futex,
        "futex" | "flock" | "fcntl" => Reason::Lock,
        "nanosleep" | "clock_nanosleep" => Reason::Sleep,
        // `time.sleep` before 3.11 is a select on nothing.
        "select" | "pselect6" | "poll" | "ppoll" if has(wait_flags::HAS_NFDS) && wait.fd == 0 => {
            Reason::Sleep
        }
        // A socket with a timeout waits in poll on that one socket.
        "poll" | "ppoll" if has(wait_flags::HAS_FD) => {
            single_poll(descriptor, has(wait_flags::POLLS_WRITE))
        }
        "select" | "pselect6" | "poll" | "ppoll" | "epoll_wait" | "epoll_pwait"
        | "epoll_pwait2" => Reason::PollWait,
        "accept" | "accept4" => Reason::NetAccept,
        "connect" => Reason::NetConnect,
        "recvfrom" | "recvmsg" | "recvmmsg" => Reason::NetRecv,
        "sendto" | "sendmsg" | "sendmmsg" | "sendfile" => Reason::NetSend,
        "read" | "readv" | "pread64" | "preadv" | "preadv2" => transfer(
            descriptor,
            uninterruptible,
            Reason::NetRecv,
            Reason::DiskRead,
        ),
        "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => transfer(
            descriptor,
            uninterruptible,
            Reason::NetSend,
            Reason::DiskWrite,
        ),
        "fsync" | "fdatasync" | "sync" | "syncfs" | "sync_file_range" | "msync" => Reason::Fsync,
        // The parent of a vfork is in D until the child execs: that is no disk.
        "wait4" | "waitid" | "vfork" | "clone" | "clone3" | "fork" => Reason::ChildWait,
        "io_uring_enter" => Reason::IoUring,
        "rt_sigtimedwait" | "rt_sigsuspend" | "pause" => Reason::Signal,
        "ftruncate" | "truncate" | "fallocate" | "rename" | "renameat2" | "unlink" | "unlinkat"
        | "mkdir" | "rmdir"
            if uninterruptible =>
        {
            Reason::DiskWrite
        }
        "open" | "openat" | "stat" | "lstat" | "newfstatat" | "statx" | "access" | "faccessat2"
        | "getdents64" | "readlink" | "execve"
            if uninterruptible =>
        {
            Reason::DiskRead
        }
        _ if has(wait_flags::IN_IOWAIT) => Reason::DiskRead,
        _ => Reason::KernelOther,
    }
}

/// Whether a call takes or gives bytes at one descriptor, or polls it.
fn moves_bytes(syscall: &str, has_fd: bool) -> bool {
    match syscall {
        "poll" | "ppoll" => has_fd,
        "recvfrom" | "recvmsg" | "recvmmsg" | "sendto" | "sendmsg" | "sendmmsg" | "sendfile"
        | "read" | "readv" | "write" | "writev" => true,
        _ => false,
    }
}

/// A poll on one descriptor, for writing or for reading.
fn single_poll(descriptor: Option<&Descriptor>, for_writing: bool) -> Reason {
    match descriptor {
        Some(Descriptor::Socket(socket)) if socket.listening => Reason::NetAccept,
        Some(Descriptor::Socket(socket)) if for_writing && socket.connecting => Reason::NetConnect,
        Some(Descriptor::Socket(_)) if for_writing => Reason::NetSend,
        Some(Descriptor::Socket(_)) => Reason::NetRecv,
        Some(Descriptor::Pipe { .. }) => Reason::Pipe,
        Some(Descriptor::Tty { .. }) => Reason::Tty,
        _ => Reason::PollWait,
    }
}

fn transfer(
    descriptor: Option<&Descriptor>,
    uninterruptible: bool,
    network: Reason,
    disk: Reason,
) -> Reason {
    match descriptor {
        Some(Descriptor::Socket(_)) => network,
        Some(Descriptor::Pipe { .. }) => Reason::Pipe,
        Some(Descriptor::Tty { .. }) => Reason::Tty,
        Some(Descriptor::Epoll | Descriptor::Notifier) => Reason::PollWait,
        Some(Descriptor::File { .. }) => disk,
        Some(Descriptor::Device { .. } | Descriptor::MadeUp { .. } | Descriptor::Other { .. }) => {
            Reason::KernelOther
        }
        // Closed before it could be looked at: D tells a disk, S does not.
        None if uninterruptible => disk,
        None => Reason::KernelOther,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Socket;

    fn wait(syscall: i16, flags: u8, fd: i32) -> Wait {
        Wait {
            syscall,
            flags,
            state: 0,
            fd,
        }
    }

    fn reason_of(syscall: i16, flags: u8, fd: i32, descriptor: Option<&Descriptor>) -> Reason {
        name_wait(wait(syscall, flags, fd), descriptor).reason
    }

    #[test]
    fn look_alikes_are_told_apart() {
        use wait_flags::{
            GIL, HAS_FD, HAS_NFDS, IN_IOWAIT, NATIVE_THREAD, POLLS_WRITE, UNINTERRUPTIBLE,
        };
        let socket = Descriptor::Socket(Socket::default());
        let listener = Descriptor::Socket(Socket {
            listening: true,
            ..Socket::default()
        });
        let file = Descriptor::File { path: "/x".into() };
        // time.sleep: select without descriptors; select with some is a poll.
        assert_eq!(reason_of(23, HAS_NFDS, 0, None), Reason::Sleep);
        assert_eq!(reason_of(23, HAS_NFDS, 4, None), Reason::PollWait);
        // A socket with a timeout.
        assert_eq!(reason_of(7, HAS_FD, 3, Some(&socket)), Reason::NetRecv);
        assert_eq!(reason_of(7, HAS_FD, 3, Some(&listener)), Reason::NetAccept);
        // vfork is D and no disk; a fault is D outside any call.
        assert_eq!(reason_of(58, UNINTERRUPTIBLE, 0, None), Reason::ChildWait);
        assert_eq!(
            reason_of(-1, UNINTERRUPTIBLE | IN_IOWAIT, 0, None),
            Reason::PageFault
        );
        // One call, three things.
        assert_eq!(
            reason_of(0, HAS_FD, 3, Some(&Descriptor::Pipe { path: None })),
            Reason::Pipe
        );
        assert_eq!(reason_of(0, HAS_FD, 3, Some(&socket)), Reason::NetRecv);
        assert_eq!(
            reason_of(0, HAS_FD | UNINTERRUPTIBLE, 3, Some(&file)),
            Reason::DiskRead
        );
        let device = Descriptor::Device { path: "/x".into() };
        let made_up = Descriptor::MadeUp { path: "/x".into() };
        for none in [device, made_up] {
            assert_eq!(reason_of(0, HAS_FD, 3, Some(&none)), Reason::KernelOther);
        }
        // Sending and connecting with a timeout.
        let connecting = Descriptor::Socket(Socket {
            connecting: true,
            ..Socket::default()
        });
        let out = HAS_FD | POLLS_WRITE;
        assert_eq!(reason_of(7, out, 3, Some(&socket)), Reason::NetSend);
        assert_eq!(reason_of(7, out, 3, Some(&connecting)), Reason::NetConnect);
        // A pipe in all but name.
        let pair = Descriptor::Socket(Socket {
            is_pair: true,
            ..Socket::default()
        });
        for call in [0, 1, 7, 45] {
            assert_eq!(reason_of(call, HAS_FD, 3, Some(&pair)), Reason::Pipe);
        }
        // Futexes.
        assert_eq!(reason_of(202, GIL, 0, None), Reason::Gil);
        assert_eq!(reason_of(202, 0, 0, None), Reason::Lock);
        assert_eq!(reason_of(202, NATIVE_THREAD, 0, None), Reason::Futex);
    }

    #[test]
    fn names_travel_with_the_reason() {
        let named = name_wait(
            wait(45, wait_flags::HAS_FD, 3),
            Some(&Descriptor::Socket(Socket {
                peer: Some("10.0.0.5:5432".into()),
                ..Socket::default()
            })),
        );
        assert_eq!(named.reason, Reason::NetRecv);
        assert_eq!(named.peer.as_deref(), Some("10.0.0.5:5432"));
        assert_eq!(named.syscall, Some("recvfrom"));
    }
}
