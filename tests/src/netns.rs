//! A network namespace with nothing but a loopback of its own.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
    process::{self, Command},
    thread,
};

use nix::sched::{CloneFlags, unshare};

/// A network namespace; gone with the last process in it once this is dropped.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// Makes one; `None`, said aloud, where the machine does not let us.
    pub fn make() -> Option<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            loopback_up()?;
            File::open("/proc/thread-self/ns/net")
        });
        made.join()
            .expect("it does not panic")
            .map(Self)
            .inspect_err(|why| eprintln!("SKIPPED: no network namespace of its own: {why}"))
            .ok()
    }

    /// The same command in it: program, arguments and variables; what else was set must be
    /// set again.
    pub fn enter(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .arg(format!(
                "--net=/proc/{}/fd/{}",
                process::id(),
                self.0.as_raw_fd()
            ))
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }
}

/// Switches the loopback of the calling thread's namespace on.
fn loopback_up() -> io::Result<()> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: zero is a value of every field.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).expect("it is 1");
    // SAFETY: the call reads a request of that type, which lives on this stack.
    match unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
