//! What can go wrong while looking at a process from outside.

use std::io;

/// Why facts of a process could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The process or thread ended: an ordinary outcome.
    #[error("process {pid} is gone")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// The kernel does not let this user look.
    #[error("no permission to read {path}")]
    Denied {
        /// The file.
        path: String,
    },
    /// Another error of the operating system.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A file of `/proc` did not have the form that `proc(5)` documents.
    #[error("{path} has an unexpected form")]
    Malformed {
        /// The file.
        path: String,
    },
}

impl DiscoveryError {
    /// The next step for the user.
    pub fn how_to_fix(&self) -> &'static str {
        match self {
            Self::Gone { .. } => "nothing to do: it ended while being looked at",
            Self::Denied { .. } if nix::unistd::geteuid().is_root() => {
                "root was refused: look for a security module (AppArmor, SELinux), a seccomp filter or a container without CAP_SYS_PTRACE"
            }
            Self::Denied { .. } => "run pyobserve with sudo",
            Self::Io { .. } | Self::Malformed { .. } => {
                "check that /proc is mounted and is the host's own"
            }
        }
    }
}
