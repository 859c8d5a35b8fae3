//! Running the command that is to be watched: as the user who called sudo, held
//! back before exec until it is watched.

use std::{
    ffi::CString,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command},
    thread::JoinHandle,
};

use nix::{
    fcntl::OFlag,
    unistd::{Gid, Uid, User, getgrouplist, pipe2},
};

use super::exit::Failure;

/// A command whose process exists but has not called exec.
pub struct HeldCommand {
    /// Its process id.
    pub pid: u32,
    go: OwnedFd,
    spawn: JoinHandle<io::Result<Child>>,
    name: String,
}

/// The user on whose behalf sudo runs us.
struct Caller {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    user: User,
}

fn caller() -> Option<Caller> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    let uid = Uid::from_raw(number("SUDO_UID")?);
    if uid.is_root() {
        return None;
    }
    let user = User::from_uid(uid).ok()??;
    let gid = number("SUDO_GID").map_or(user.gid, Gid::from_raw);
    // Looked up before fork: the group database may not be read after it.
    let name = CString::new(user.name.clone()).ok()?;
    let groups = getgrouplist(&name, gid).ok()?;
    Some(Caller {
        uid,
        gid,
        groups,
        user,
    })
}

/// Starts `words`, held back before exec.
pub fn hold(words: &[String]) -> Result<HeldCommand, Failure> {
    let name = words.first().cloned().unwrap_or_default();
    let failed = |source| Failure::Io {
        doing: format!("run {name}"),
        source,
    };
    // Not inherited past exec.
    let (pid_read, pid_write) = pipe2(OFlag::O_CLOEXEC).map_err(|e| failed(e.into()))?;
    let (go_read, go_write) = pipe2(OFlag::O_CLOEXEC).map_err(|e| failed(e.into()))?;
    let mut command = Command::new(&name);
    command.args(&words[1..]);
    let caller = caller();
    if let Some(caller) = &caller {
        command
            .env("HOME", &caller.user.dir)
            .env("USER", &caller.user.name)
            .env("LOGNAME", &caller.user.name);
    }
    let identity = caller.map(|caller| (caller.uid, caller.gid, caller.groups));
    let (pid_fd, go_fd) = (pid_write.as_raw_fd(), go_read.as_raw_fd());
    let go_write_fd = go_write.as_raw_fd();
    // SAFETY: between fork and exec only async-signal-safe calls are made:
    // setgroups, setgid, setuid, getpid, write, read, close; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            if let Some((uid, gid, groups)) = &identity {
                nix::unistd::setgroups(groups)?;
                nix::unistd::setgid(*gid)?;
                nix::unistd::setuid(*uid)?;
            }
            libc::close(go_write_fd);
            let pid = libc::getpid().to_ne_bytes();
            if libc::write(pid_fd, pid.as_ptr().cast(), pid.len()) != 4 {
                return Err(io::Error::last_os_error());
            }
            let mut byte = 0_u8;
            // End of file: the watcher is gone, and nobody waits for the command.
            if libc::read(go_fd, (&raw mut byte).cast(), 1) != 1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(())
        });
    }
    // `spawn` returns only after exec, so it needs a thread of its own.
    let spawn = std::thread::spawn(move || {
        let child = command.spawn();
        drop((pid_write, go_read));
        child
    });
    let mut bytes = [0; 4];
    let got = std::fs::File::from(pid_read).read_exact(&mut bytes);
    if let Err(source) = got {
        // It failed before it told its pid; the reason is spawn's.
        return Err(match spawn.join() {
            Ok(Err(error)) => failed(error),
            _ => failed(source),
        });
    }
    Ok(HeldCommand {
        pid: u32::from_ne_bytes(bytes),
        go: go_write,
        spawn,
        name,
    })
}

impl HeldCommand {
    /// Lets it go on to exec.
    pub fn release(self) -> Result<Child, Failure> {
        let failed = |source| Failure::Io {
            doing: format!("run {}", self.name),
            source,
        };
        std::fs::File::from(self.go)
            .write_all(&[1])
            .map_err(failed)?;
        match self.spawn.join() {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(failed(io::Error::other("the starting thread panicked"))),
        }
    }
}
